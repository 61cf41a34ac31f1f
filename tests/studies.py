"""Studies of the tiny dataset: a copy of it that folds may be appended to, and results as jobs leave them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import yaml

from nnunet_uad.common.files import write_json
from nnunet_uad.study.layout import Cell, Layout
from nnunet_uad.study.planning.plan import plan_study, write_request
from nnunet_uad.study.running.predict_cell import cases_to_test
from nnunet_uad.study.study_file import output_folder, read_study

SMALL = {
    "dataset": 991,
    "configuration": "2d_tiny",
    "folds": [0],
    "budgets": ["2s", 1, 3],
    "draws": 2,
    "trainers": {"scratch": "nnUNetTrainer", "DAE": "nnUNetTrainerDAEPretrained"},
    "pretraining": {"epochs": 1, "iterations": 2},
    "fine_tuning": {"epochs": 1, "iterations": 2},
    "device": "cpu",
    "mirroring": False,
    "processes": 0,
}


@dataclass
class Workplace:
    """Where studies of a test live."""

    folder: Path
    raw: Path
    preprocessed: Path

    @property
    def source(self) -> Path:
        return self.preprocessed / tiny.DATASET

    def splits(self, dataset: str = tiny.DATASET) -> list[dict]:
        return json.loads((self.preprocessed / dataset / "splits_final.json").read_text())

    def write(self, name: str = "study", **changes: Any) -> Path:
        path = self.folder / f"{name}.yaml"
        content = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def plan(self, name: str = "study", **changes: Any) -> Layout:
        path = self.write(name, **changes)
        study = read_study(path)
        layout = Layout(output_folder(path, study))
        paths = {"nnUNet_raw": str(self.raw), "nnUNet_preprocessed": str(self.preprocessed)}
        write_request(layout, study, paths)
        pretraining = self.preprocessed / (study.pretraining.dataset or tiny.DATASET)
        plan_study(study, layout, self.raw, self.source, pretraining)
        return Layout(layout.folder)


def make_workplace(tiny_dataset: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """Copy the preprocessed dataset and let nnU-Net's variable name the copy."""
    preprocessed = folder / "preprocessed"
    shutil.copytree(tiny_dataset, preprocessed / tiny.DATASET)
    monkeypatch.setenv("nnUNet_preprocessed", str(preprocessed))
    return Workplace(folder, Path(os.environ["nnUNet_raw"]), preprocessed)


def finish(layout: Layout, gain: float = 0.1, leave: tuple[str, ...] = ()) -> None:
    """Write results as the jobs do: arms after the first are better by ``gain``; segmentations are true labels, cut."""
    rng = np.random.default_rng(0)
    names = list(layout.arms)
    for identifier in layout.pretrainings:
        layout.pretrained(identifier).parent.mkdir(parents=True, exist_ok=True)
        write_json(layout.pretrained(identifier), {"file": "x", "citation": "Somebody: A method. 2020.", **WHERE})
    for identifier, cell in layout.cells.items():
        if identifier in leave:
            continue
        layout.cell_folder(identifier).mkdir(parents=True)
        reports = {"transfer": {"share": {"encoder": 1.0, "decoder": 0.5, "all_but_heads": 0.8}, "warnings": []}}
        if parts := layout.parts(cell):
            _finish_screen(layout, cell, parts[0], gain)
            continue
        content = {"arm": cell.arm, "fold": cell.fold["id"], "reports": {} if cell.arm == names[0] else reports}
        write_json(layout.trained(identifier), {**content, **WHERE})
        for dataset in layout.datasets:
            rows = []
            for case, _, label, _ in cases_to_test(layout, cell, dataset):
                dice = 0.4 + 0.05 * cell.fold["annotated_slices"] ** 0.5 + gain * (names.index(cell.arm) > 0)
                rows.append(row(case, float(np.clip(dice + 0.02 * rng.standard_normal(), 0, 1))))
                target = layout.cell_folder(identifier) / dataset / f"{case}.nii.gz"
                target.parent.mkdir(exist_ok=True)
                shutil.copy(label, target)
            write_json(layout.scores(identifier, dataset), {"rows": rows, **WHERE})


def _finish_screen(layout: Layout, cell: Cell, trained: Cell, gain: float) -> None:
    """The rows of the trained cell, better ranked by ``gain``."""
    for dataset in layout.datasets:
        content = json.loads(layout.scores(trained.identifier, dataset).read_text())
        for entry in content["rows"]:
            del entry["reliability"]
            entry["AP"] = min(1.0, entry["AP"] + gain)
        write_json(layout.scores(cell.identifier, dataset), content)


#: How much worse than the map floors are; and the equalised intensities that earlier versions scored.
FLOORS = {"robust_z:FLAIR": 0.2, "robust_z:FLAIR@1mm": 0.1, "robust_z:FLAIR@2mm": 0.15, "robust_z:T1": 0.3}
EARLIER = {"intensity:FLAIR": 0.1, "intensity:T1": 0.3}


def finish_maps(layout: Layout, ap: float = 0.6, beside: dict[str, float] = FLOORS) -> None:
    """Write the scores of arms without labels as the jobs do; the strongest floor is a little worse."""
    for identifier, cell in layout.map_cells.items():
        layout.cell_folder(identifier).mkdir(parents=True)
        for dataset in layout.datasets:
            scores = {"map": ap, **{name: ap - worse for name, worse in beside.items()}}
            values = {name: {"AP": v, "AUPRO": v, "best_dice_oracle": v} for name, v in scores.items()}
            # Earlier files know nothing of lesions found.
            for name in set(values) if beside is FLOORS else ():
                values[name] |= {"lesion_recall@fpr:0.01": 0.75, "lesion_recall_small@fpr:0.01": None}
            pooled = {n: {"pooled": {k: {"value": v} for k, v in of.items()}} for n, of in values.items()}
            # Weaker floors have no masks; in earlier files every score has.
            masks = {n: {"masks/oracle": {"Dice": v - 0.05}} for n, v in scores.items() if v >= ap - 0.1 or ":T1" in n}
            metrics = {name: {"AP": v, **masks.get(name, {})} for name, v in scores.items()}
            cases = [{"identifier": case, "metrics": metrics} for case in layout.tested(cell, dataset)]
            summary = {"scores": pooled, "metric_per_case": cases}
            write_json(layout.map_scores(identifier, dataset), {"arm": cell.arm, "summary": summary, **WHERE})


WHERE = {
    "seconds": 60.0,
    "device": "2 CPU cores",
    "revision": "abc",
    "versions": {"nnunet_uad": "0.1", "nnunetv2": "2.8", "torch": "2", "python": "3"},
}


def row(case: str, dice: float | None) -> dict[str, Any]:
    """A row of scores_DATASET.json."""
    return {
        "case": case,
        "Dice": dice,
        "Dice per class": {"1": dice},
        "AP": dice,
        "compared": "classes",
        "volume": 10,
        "lesions": {"lesions": 2, "found": 1, "findings": 3, "correct": 1, "scans": 1},
        "reliability": {"voxels": [90, *[1] * 10], "probability": [0.1, *[0.5] * 10], "positives": [0, *[1, 0] * 5]},
    }
