"""Say whether weight files are safe to read, without running anything in them.

nnU-Net's own commands unpickle a checkpoint before any of our code runs: nnUNetv2_predict, nnUNetv2_train
-pretrained_weights with nnU-Net's trainers. Check files of others first. With TORCH_FORCE_WEIGHTS_ONLY_LOAD=1 in the
environment PyTorch refuses code in nnU-Net's commands, too.

Exit status 1 if a file would run code, is damaged, or holds no usable weights.

Example:
    nnunet_uad check-checkpoint "$nnUNet_results"/Dataset901_*/*/fold_*/checkpoint_*.pth
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnunet_uad.weights.source import SourceWeights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    parser.add_argument("files", nargs="+", metavar="FILE", help="checkpoint_*.pth, pretrained.safetensors, …")


def run(arguments: argparse.Namespace) -> int:
    """Print a line per file: safe and what it holds, or why not.

    Args:
        arguments: Parsed flags.
    """
    from nnunet_uad.weights.checkpoint import UnsafeCheckpointError
    from nnunet_uad.weights.readers import read_weights

    failed = 0
    for file in arguments.files:
        try:
            print(f"[ok  ] {file}: {describe(read_weights(file))}")
        except UnsafeCheckpointError as error:
            print(f"[CODE] {error}")
            failed += 1
        except (ValueError, OSError) as error:
            print(f"[FAIL] {error}")
            failed += 1
    return 1 if failed else 0


def describe(source: SourceWeights) -> str:
    """What a file holds, in words.

    Args:
        source: Weights as they were read.
    """
    count = sum(t.numel() for t in {t.data_ptr(): t for t in source.tensors.values()}.values())
    epoch = "" if source.epoch is None else f"epoch {source.epoch}"
    known = {
        "trainer": source.trainer,
        "dataset": source.dataset,
        "plans": source.plans,
        "configuration": source.configuration,
        "fold": source.fold,
    }
    words = [f"{name} {value}" for name, value in known.items() if value]
    return ", ".join([f"no code in it; {source.kind}", *words, *filter(None, [epoch]), f"{count} numbers, all finite"])
