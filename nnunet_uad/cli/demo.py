"""Pretrain without lesions, find lesions without any label, segment them after one labelled case.

Without --dataset: on a phantom dataset that is made on the fly, under ten minutes on two CPU cores.
With --dataset: on preprocessed data of yours; nothing of it is changed or copied.
Running it again continues where it stopped.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.files import write_text
from nnunet_uad.common.schema import shown

#: Lengths for the phantom, in epochs and iterations.
PHANTOM_LENGTHS = ("_10epochs_40iters", "_10epochs_20iters")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("-o", type=Path, default=Path("demo"), help="folder for data, models and the picture")
    parser.add_argument("--dataset", metavar="ID", help="number or name of a preprocessed dataset of yours")
    parser.add_argument("-c", default="2d", metavar="CONFIGURATION", help="with --dataset (default: 2d)")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="with --dataset")
    parser.add_argument("-device", default="cpu", choices=("cpu", "cuda", "mps"))
    parser.add_argument("--settings", default="", help="with --dataset: nnUNet_uad_settings of the pretraining")
    parser.add_argument(
        "--lengths",
        nargs=2,
        metavar=("PRETRAIN", "FINE_TUNE"),
        help="suffixes such as _50epochs _20epochs_100iters",
    )


def run(arguments: argparse.Namespace) -> int:
    """Tell the story and print where its pieces lie."""
    from nnunet_uad.common.devices import require_device
    from nnunet_uad.common.settings import joined
    from nnunet_uad.demo.outcome import outcome_picture, outcome_table
    from nnunet_uad.demo.story import run_trainings
    from nnunet_uad.demo.workspace import own_workspace, phantom_workspace

    _check_lengths(arguments.lengths or ())
    require_device(arguments.device)
    root = arguments.o.resolve()
    if arguments.dataset:
        lengths = tuple(arguments.lengths or ("_50epochs", "_50epochs_100iters"))
        workspace = own_workspace(root, arguments.dataset, arguments.p, arguments.c, arguments.device, lengths)
    else:
        workspace = phantom_workspace(root, arguments.device, tuple(arguments.lengths or PHANTOM_LENGTHS))
    run_trainings(workspace, joined("seed=1 save_reconstruction=true", arguments.settings))
    table = outcome_table(workspace)
    picture = root / "demo.png"
    outcome_picture(workspace, picture)
    write_text(root / "demo.txt", table + "\n")
    print(f"\n{table}\n\nPicture: {picture}\nnnU-Net's folders, models and logs: {root}")
    return 0


def _check_lengths(lengths: Sequence[str]) -> None:
    """Refuse what does not say how long a training is.

    Raises:
        ValueError: A length is none; names it.
    """
    wrong = [n for n in lengths if not re.fullmatch("_[1-9][0-9]{0,5}epochs(_[1-9][0-9]{0,5}iters)?", n)]
    if wrong:
        raise ValueError(
            f"--lengths expects suffixes such as _50epochs _20epochs_100iters, found {shown(', '.join(wrong))}."
        )
