"""A dataset of which two cases are labelled, a pretrainer, and two folds of a model that segments."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny

from nnunet_uad.selection.request import NextRequest


@dataclass(frozen=True)
class Place:
    """Where a choice is made.

    Attributes:
        raw: Folder of the raw dataset.
        model: Folder of the pretrainer.
        segmenter: Folder of the supervised model.
        output: Folder to write into.
    """

    raw: Path
    model: Path
    segmenter: Path
    output: Path

    def request(self, **wishes: Any) -> NextRequest:
        """A request of this place."""
        fixed: dict[str, Any] = {"model": self.model, "dataset": self.raw, "output": self.output, "device": "cpu"}
        return NextRequest(**{**fixed, "mirroring": False, "seed": 0, **wishes})


@pytest.fixture
def place(dae_fold: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The tiny dataset, lesion_0 and healthy_0 labelled; nnUNet_raw and nnUNet_results name the copies."""
    raw = tmp_path / "raw" / tiny.DATASET
    shutil.copytree(Path(os.environ["nnUNet_raw"]) / tiny.DATASET, raw)
    for case in (*tiny.HEALTHY[1:], *tiny.LESION[1:]):
        (raw / "labelsTr" / f"{case}.nii.gz").unlink()
    for case in (*tiny.HEALTHY[2:], *tiny.LESION[2:]):
        for path in (raw / "imagesTr").glob(f"{case}_*"):
            path.unlink()
    model = results / tiny.DATASET / dae_fold.parent.name
    shutil.copytree(dae_fold.parent, model)
    folds = []
    for fold in (0, 1):
        monkeypatch.setenv("nnUNet_uad_settings", f"seed={fold}")
        folds.append(tiny.save_untrained(tiny.SEGMENTER, fold=fold))
    monkeypatch.delenv("nnUNet_uad_settings")
    monkeypatch.setenv("nnUNet_raw", str(raw.parent))
    return Place(raw, model, folds[0].parent, tmp_path / "next")
