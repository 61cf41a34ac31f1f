r"""All unsupervised methods and their scores in one table: raw grid, 901 cross-validated, 902 by the mean of the folds.

    python benchmarks/anomaly_maps.py train -o results/maps --variants base mae tae ae vae anovaegan patchgan ddpm \
        synthetic
    python benchmarks/uad_table.py -o results/maps

Needs the raw images of 901 and 902 (nnUNet_raw). No mirroring. Every evaluated score is a row on disk; run it again to
continue. A method whose folds are not all trained is shown with the cases that it has.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from anomaly_maps import DATASET, model_folder

from nnunet_uad.common.files import write_json
from nnunet_uad.evaluation.folders import EvaluationRequest, evaluate_folders
from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.model import load_restorer
from nnunet_uad.inference.pipeline import list_cases, prepare, score_prepared
from nnunet_uad.scoring.score_settings import ScoreSettings, score_settings

UNSEEN = "Dataset902_MS"
METHODS = {
    "base": "DAE",
    "mae": "MAE",
    "tae": "TAE",
    "ae": "AE",
    "vae": "VAE",
    "anovaegan": "AnoVAEGAN",
    "patchgan": "PatchGAN",
    "ddpm": "DDPM",
    "synthetic": "synthetic anomalies",
}
COMMON = ScoreSettings()


@dataclass(frozen=True)
class Score:
    """A score that a model offers, with a name for the table."""

    name: str
    settings: ScoreSettings


def scores_of(restorer: Any, own: ScoreSettings) -> list[Score]:
    """The model's own default and, where it restores, the common one; every source of models that have several."""
    if not restorer.restoration.reconstructs:
        return [Score("detection", own)]
    sources = ("detection", "residual", "product") if restorer.restoration.detects else ("residual",)
    scores = []
    for source in sources:
        scores.append(Score(source, replace(own, score_from=source)))
        if source != "detection" and own != COMMON:
            scores.append(Score(f"{source}, common score", replace(COMMON, score_from=source)))
    return scores


def predict(root: Path, variant: str, folds: list[int], dataset: str, cases: list[str], target: Path) -> list[str]:
    """Maps of all scores in ``target/<score>``; returns the scores' names. What is written already is kept."""
    restorer = load_restorer(model_folder(root, variant), folds, device="cpu", mirroring=False)
    scores = scores_of(restorer, score_settings(restorer.settings))
    files = list_cases(Path(os.environ["nnUNet_raw"]) / dataset / "imagesTr", restorer.model.dataset)[0]
    exporters = {
        s.name: Exporter(target / s.name.replace(" ", "_"), ["map"], restorer.model, s.settings) for s in scores
    }
    for case in cases:
        todo = {n: e for n, e in exporters.items() if not e.is_done(case)}
        if not todo:
            continue
        restored = score_prepared(restorer, case, prepare(files[case], restorer.model), scores[0].settings)
        for exporter in todo.values():
            exporter.folder.mkdir(parents=True, exist_ok=True)
            score = restorer.anomaly_score(
                restored.image,
                restored.reconstruction,
                restored.foreground,
                restored.properties,
                exporter.settings,
                restored.detection,
            )
            exporter.write(replace(restored, score=score))
    return [s.name for s in scores]


def evaluate(maps: list[Path], dataset: str, cases: list[str], baseline: bool) -> dict[str, Any]:
    """Pooled values with intervals, of the maps and, if asked for, of the intensity."""
    raw = Path(os.environ["nnUNet_raw"]) / dataset
    request = EvaluationRequest(
        maps=maps,
        labels=raw / "labelsTr",
        images=raw / "imagesTr" if baseline else None,
        baselines={"intensity": 0} if baseline else {},
        only=cases,
    )
    return evaluate_folders(request)["scores"]


def rows_of(root: Path, variant: str) -> None:
    """Write the rows of a method: ``uad/<variant>__<score>__<dataset>.json``."""
    splits = json.loads((Path(os.environ["nnUNet_preprocessed"]) / DATASET / "splits_final.json").read_text())
    trained = [
        f for f in range(len(splits)) if (model_folder(root, variant) / f"fold_{f}/checkpoint_final.pth").exists()
    ]
    if not trained:
        return
    out = root / "uad"
    maps = out / "maps" / variant
    names: list[str] = []
    for fold in trained:
        names = predict(root, variant, [fold], DATASET, splits[fold]["val"], maps / DATASET)
    raw = Path(os.environ["nnUNet_raw"]) / UNSEEN / "labelsTr"
    unseen = sorted(p.name[: -len(".nii.gz")] for p in raw.glob("*.nii.gz"))
    predict(root, variant, trained, UNSEEN, unseen, maps / "_".join([UNSEEN, *map(str, trained)]))
    seen = sorted(case for fold in trained for case in splits[fold]["val"])
    for name in names:
        score = name.replace(" ", "_")
        for dataset, cases, folder in (
            (DATASET, seen, maps / DATASET / score),
            (UNSEEN, unseen, maps / "_".join([UNSEEN, *map(str, trained)]) / score),
        ):
            row = out / f"{variant}__{score}__{dataset}__{len(trained)}.json"
            if not row.exists():
                evaluated = evaluate([folder], dataset, cases, baseline=variant == "base")
                write_json(
                    row, {"variant": variant, "score": name, "dataset": dataset, "cases": cases, "scores": evaluated}
                )


def line(label: str, entry: dict[str, Any]) -> str:
    """Markdown of a score's pooled and mean values."""
    oracle = entry["masks"]["oracle"]["pooled"]
    cells = [entry["pooled"]["AP"], entry["mean_over_cases"]["AP"], entry["pooled"]["best_dice_oracle"]]
    cells.append(oracle["lesion_recall"])
    return f"| {label} | {' | '.join(_cell(c) for c in cells)} |"


def _cell(entry: dict[str, Any]) -> str:
    interval = entry["interval_95"]
    text = f"{entry['value']:.3f}"
    return text + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def main() -> None:
    """Evaluate what has no row yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", type=Path, required=True, help="as for anomaly_maps.py")
    parser.add_argument("--variants", nargs="+", default=list(METHODS), choices=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for variant in arguments.variants:
        rows_of(arguments.o, variant)
    for dataset in (DATASET, UNSEEN):
        print(
            f"\n{dataset}\n\n| method, score (cases) | AP | mean AP over cases | best Dice (oracle) | lesion recall |"
        )
        print("|---|---|---|---|---|")
        for variant in arguments.variants:
            for path in sorted((arguments.o / "uad").glob(f"{variant}__*__{dataset}__*.json")):
                row = json.loads(path.read_text())
                print(line(f"{METHODS[variant]}, {row['score']} ({len(row['cases'])})", row["scores"]["map"]))
                if "intensity" in row["scores"]:
                    print(line(f"intensity ({len(row['cases'])})", row["scores"]["intensity"]))


if __name__ == "__main__":
    main()
