"""How much worse models become when images carry artefacts: Dice and AP per artefact and severity.

The raw images of the folds' validation cases are corrupted (TorchIO) at five severities and predicted with every
model as nnUNetv2_predict does. Corrupted images are made once and shared; run it again to continue an interrupted
run. The first trainer is the reference of the mean corruption error. Extra: pip install nnunet_uad[robustness]

Example:
    nnunet_uad robustness -d 901 -c 2d -f 0 -tr nnUNetTrainerFromScratch nnUNetTrainerDAEPretrained -o ROBUSTNESS
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

from nnunet_uad.cli.common import SEED, number
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder, dataset_folder, dataset_name, required_folder
from nnunet_uad.common.nnunet_files import load_splits
from nnunet_uad.robustness.artefacts import ARTEFACTS, SEVERITIES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("-d", required=True, metavar="DATASET", help="number or name")
    add("-c", required=True, metavar="CONFIGURATION")
    add("-f", nargs="+", default=["0"], metavar="FOLD", help="folds, each predicted on its validation cases")
    add("-tr", nargs="+", required=True, metavar="TRAINER", help="full names; the first is the reference")
    add("-p", default="nnUNetPlans", metavar="PLANS", help="plans name (default: nnUNetPlans)")
    add("-o", type=Path, required=True, metavar="DIR", help="folder to write into")
    add("--artefacts", nargs="+", default=list(ARTEFACTS), metavar="NAME", help=", ".join(ARTEFACTS))
    add(
        "--severities",
        nargs="+",
        type=int,
        default=list(SEVERITIES),
        metavar="N",
        help="1 to 5",
    )
    add("--seed", type=number(int, SEED), default=0, help="seed of the artefacts (default: 0)")
    add("-chk", default=CHECKPOINT, metavar="FILE", help=f"checkpoint (default: {CHECKPOINT})")
    add("--disable_tta", action="store_true", help="no mirroring: faster")
    add("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="default: cuda")


def run(arguments: argparse.Namespace) -> int:
    """Run, print the table, write the files."""
    if importlib.util.find_spec("torchio") is None:
        raise RuntimeError("The artefacts are TorchIO's, which is not installed: pip install 'nnunet_uad[robustness]'")
    from nnunet_uad.robustness.run import RobustnessRequest, run_robustness
    from nnunet_uad.robustness.summary import summarise, table, write_summary

    results = required_folder("nnUNet_results")
    raw = dataset_folder("nnUNet_raw", arguments.d)
    name = dataset_name(results, arguments.d)
    request = RobustnessRequest(
        raw=raw,
        folds=_validation_cases(arguments.d, arguments.f),
        models={t: ModelFolder(results, name, t, arguments.p, arguments.c).path for t in dict.fromkeys(arguments.tr)},
        artefacts=arguments.artefacts,
        output=arguments.o,
        severities=arguments.severities,
        seed=arguments.seed,
        checkpoint=arguments.chk,
        mirroring=not arguments.disable_tta,
        device=arguments.device,
    )
    rows = run_robustness(request)
    summary = summarise(rows, list(request.models))
    write_summary(summary, rows, arguments.o)
    print(table(summary))
    return 0


def _validation_cases(dataset: str, folds: list[str]) -> dict[str, list[str]]:
    """Validation cases of the folds, as nnU-Net split them.

    Raises:
        ValueError: A fold that has none.
        FileNotFoundError: No splits yet.
    """
    path = dataset_folder("nnUNet_preprocessed", dataset) / "splits_final.json"
    splits = load_splits(path, "nnU-Net writes it when the first fold is trained.")
    wrong = [f for f in folds if not f.isdigit() or int(f) >= len(splits)]
    if wrong:
        raise ValueError(
            f"-f expects folds with validation cases, 0 to {len(splits) - 1}; found {', '.join(wrong)}. A model of "
            "all cases has seen every case that could be corrupted."
        )
    return {f: splits[int(f)]["val"] for f in folds}
