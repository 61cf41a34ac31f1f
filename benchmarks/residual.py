"""Every way of stage two at few labels: in the domain and on a pathology never seen.

    python benchmarks/residual.py -o results/residual --pretrained results/pretrained --workers 2
    python benchmarks/residual.py -o results/residual --maps MODEL_FOLDER …   # anomaly maps without labels, same cases

Draw d leaves case d of 901 out for testing and uses its number as the seed; the restorers saw healthy slices of the
three others (one known thing about all of them: which slices are free of lesion). 902 is the unseen pathology. Each
training is a row on disk; run the command again to continue. Everything is scored on the preprocessed grid.

Needs 901 preprocessed with 2d_small, 902 preprocessed with its plans, and, in one folder, the pretrained files of the
folds that leave the draws' cases out: ``METHOD_DRAW.safetensors`` (see docs/results/unseen-lesions.md).
``NNUNET_UAD_LESION_MASKS`` names the folder of masks for the arm with lesion shapes.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tumour
from anomaly_maps import pooled_precision
from cells import Cell, run_cells
from label_efficiency import interval
from probabilities import map_scorer, score_cases

from nnunet_uad.common.files import write_json

DRAWS, BUDGETS = (0, 1, 2), ("4s", "16s", "1", "3")
STEPS = 120
UNSEEN = "Dataset902_MS"
#: Arm → trainer, pretrained weights, restorer, settings.
ARMS = {
    "scratch": ("nnUNetTrainerFromScratch", "", "", ""),
    "DAE": ("nnUNetTrainerDAEPretrained", "DAE", "", ""),
    "MAE": ("nnUNetTrainerMAEPretrained", "MAE", "", ""),
    "TAE": ("nnUNetTrainerTAEPretrained", "TAE", "", ""),
    "VAE": ("nnUNetTrainerVAEPretrained", "VAE", "", ""),
    "auxiliary": ("nnUNetTrainerAuxReconstruction", "", "", ""),
    "TAE + auxiliary": ("nnUNetTrainerTAEPretrainedAuxReconstruction", "TAE", "", ""),
    "auxiliary, 0.3": ("nnUNetTrainerAuxReconstruction", "", "", "reconstruction_weight=0.3"),
    "auxiliary, 1": ("nnUNetTrainerAuxReconstruction", "", "", "reconstruction_weight=1"),
    "VAE residual": ("nnUNetTrainerVAEResidual", "", "VAE", ""),
    "PatchGAN score": ("nnUNetTrainerPatchGANScore", "", "PatchGAN", ""),
    "DAE residual": ("nnUNetTrainerDAEResidual", "", "DAE", ""),
    "diffusion residual": ("nnUNetTrainerDiffusionResidual", "", "DDPM", ""),
    "diffusion residual + synthetic": ("nnUNetTrainerDiffusionResidualSynthetic", "", "DDPM", ""),
    "DAE + diffusion residual": ("nnUNetTrainerDAEPretrainedDiffusionResidual", "DAE", "DDPM", ""),
    "synthetic only": ("nnUNetTrainerDiffusionResidualSynthetic", "", "DDPM", "synthetic_share=1"),
    "synthetic only, shifts in lesion shapes": (
        "nnUNetTrainerDiffusionResidualSynthetic",
        "",
        "DDPM",
        f"synthetic_share=1 anomalies=shift lesion_masks={os.environ.get('NNUNET_UAD_LESION_MASKS', '')}",
    ),
}
#: Arms that see no annotation are trained once per draw.
LABEL_FREE = [a for a in ARMS if a.startswith("synthetic only")]
DEFAULT_ARMS = [
    "scratch",
    "DAE",
    "DAE residual",
    "diffusion residual",
    "diffusion residual + synthetic",
    "synthetic only",
]


def cell(root: str, pretrained: Path, arm: str, budget: str, draw: int) -> Cell:
    """One training."""
    trainer, weights, restorer, settings = ARMS[arm]
    unseen = Path(os.environ["nnUNet_preprocessed"]) / UNSEEN / f"nnUNetPlans_{tumour.CONFIGURATION}"
    return Cell(
        f"{arm.replace(' ', '_')}_{budget}_{draw}",
        trainer,
        root,
        tumour.dataset_name("binary", draw, budget),
        tumour.CONFIGURATION,
        1,
        STEPS,
        f"seed={draw} {settings}".strip(),
        str(pretrained / f"{weights}_{draw}.safetensors") if weights else "",
        {"arm": arm, "budget": budget, "draw": draw},
        str(pretrained / f"{restorer}_{draw}.safetensors") if restorer else "",
        (str(unseen),),
    )


def cells(root: str, pretrained: Path, arms: Sequence[str], budgets: Sequence[str] = BUDGETS) -> list[Cell]:
    """All trainings, draw by draw; what sees no annotation is trained once per draw."""
    wanted = []
    for draw in DRAWS:
        wanted += [cell(root, pretrained, arm, "3", draw) for arm in arms if arm in LABEL_FREE]
        for budget in budgets:
            wanted += [cell(root, pretrained, arm, budget, draw) for arm in arms if arm not in LABEL_FREE]
    return wanted


def values(rows: Sequence[dict], where: str, metric: str) -> np.ndarray:
    """Scores (draws, cases) of a metric."""
    ordered = sorted(rows, key=lambda r: r["tags"]["draw"])
    return np.array([[case[metric] for _, case in sorted(r["summary"][where].items())] for r in ordered])


def _cell_text(rows: list[dict], base: list[dict], where: str, metric: str) -> str:
    scores = values(rows, where, metric)
    low, high = interval(scores)
    text = f"{scores.mean():.3f} [{low:.3f}, {high:.3f}]"
    reference = values(base, where, metric) if base else np.empty(0)
    if base is not rows and reference.shape == scores.shape:
        low, high = interval(scores - reference)
        text += f" ({(scores - reference).mean():+.3f} [{low:+.3f}, {high:+.3f}])"
    return text


def table(rows: Sequence[dict], arms: Sequence[str], budgets: Sequence[str] = BUDGETS) -> list[str]:
    """Markdown: a line per budget and arm, with the paired difference to scratch in brackets."""
    columns = (("own", "Dice"), ("own", "AP"), ("unseen", "Dice"), ("unseen", "AP"))
    lines = [
        "| labelled | arm | draws | 901 Dice | 901 AP | 902 Dice | 902 AP | 902 AP, pooled |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for budget in ("none", *budgets):
        chosen = [a for a in arms if (a in LABEL_FREE) == (budget == "none")]
        base = [r for r in rows if r["tags"]["arm"] == "scratch" and r["tags"]["budget"] == budget]
        for arm in chosen:
            own = [r for r in rows if r["tags"]["arm"] == arm and budget in ("none", r["tags"]["budget"])]
            if not own:
                lines.append(f"| {budget} | {arm} | not run | | | | | |")
                continue
            own = base if arm == "scratch" else own
            text = [_cell_text(own, base, where, metric) for where, metric in columns]
            pooled = [pooled_precision([c["compact"] for c in r["summary"]["unseen"].values()]) for r in own]
            lines.append(f"| {budget} | {arm} | {len(own)} | {' | '.join(text)} | {np.mean(pooled):.3f} |")
    return lines


def score_maps(folder: Path, model: Path) -> list[dict]:
    """A row per draw for the anomaly maps of a pretrainer's model folder: the fold that left the case out."""
    from nnunet_uad.inference.append_residuals import unseen_folds
    from nnunet_uad.inference.model import load_restorer
    from nnunet_uad.scoring.score_settings import score_settings

    data = Path(os.environ["nnUNet_preprocessed"])
    own, unseen = (data / d / f"nnUNetPlans_{tumour.CONFIGURATION}" for d in (tumour.SOURCES["binary"], UNSEEN))
    cases = sorted(p.name[: -len(".pkl")] for p in own.glob("*.pkl"))
    rows = []
    for draw in DRAWS:
        path = folder / f"map_{model.name}_{draw}.json"
        if not path.exists():
            fold = unseen_folds([cases[draw]], sorted(model.glob("fold_*")))[cases[draw]][0]
            number = fold.name.removeprefix("fold_")
            restorer = load_restorer(model, [number], device="cpu", mirroring=False)
            scorer = map_scorer(restorer, score_settings(restorer.settings))
            summary = {
                "own": score_cases(scorer, own, [cases[draw]], None),
                "unseen": score_cases(scorer, unseen, None, None),
            }
            write_json(path, {"tags": {"arm": model.name, "draw": draw}, "summary": summary})
        rows.append(json.loads(path.read_text()))
    return rows


def map_line(rows: list[dict]) -> str:
    """Markdown: oracle Dice and AP of maps without labels."""
    text = [_cell_text(rows, [], where, metric) for where in ("own", "unseen") for metric in ("best_dice", "AP")]
    pooled = [pooled_precision([c["compact"] for c in r["summary"]["unseen"].values()]) for r in rows]
    return f"| none | {rows[0]['tags']['arm']} | {len(rows)} | {' | '.join(text)} | {np.mean(pooled):.3f} |"


def main() -> None:
    """Run what has no row yet, then write and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", type=Path, required=True)
    parser.add_argument("--pretrained", type=Path, default=Path(), help="folder of METHOD_DRAW.safetensors")
    parser.add_argument("--maps", type=Path, nargs="+", metavar="MODEL_FOLDER", help="score anomaly maps instead")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--arms", nargs="+", default=DEFAULT_ARMS, choices=list(ARMS))
    parser.add_argument("--budgets", nargs="+", default=BUDGETS, choices=BUDGETS)
    arguments = parser.parse_args()
    if arguments.maps:
        print("\n".join(map_line(score_maps(arguments.o, model)) for model in arguments.maps))
        return
    root = tumour.prepare(arguments.o)
    wanted = cells(root, arguments.pretrained.resolve(), arguments.arms, arguments.budgets)
    rows = run_cells(wanted, arguments.o, arguments.workers)
    text = table(rows, arguments.arms, arguments.budgets)
    (arguments.o / "table.md").write_text("\n".join(text))
    (arguments.o / "rows.json").write_text(json.dumps(rows))
    print("\n".join(text))


if __name__ == "__main__":
    main()
