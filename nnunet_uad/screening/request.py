"""What is screened, with which models, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.common.schema import shown
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.screening.models import SupervisedModel
from nnunet_uad.screening.names import (
    DEFAULT_MARGIN_MM,
    DEFAULT_MIN_MM3,
    DEFAULT_RATE,
    KINDS,
    MARGIN,
    RATE,
    VOLUME,
)


@dataclass(frozen=True, kw_only=True)
class ScreenRequest:
    """A folder of raw images, a model that segments, a pretrainer that makes maps, and what is wanted of them.

    Attributes:
        images: Folder of raw images, named as for nnUNetv2_predict.
        output: Folder to write into.
        model: Folder of the supervised model in nnUNet_results, ``DATASET/TRAINER__PLANS__CONFIGURATION``.
        map_model: Folder of the pretrainer in nnUNet_results.
        folds: Folds of the supervised model, averaged; if empty every numbered fold that is trained.
        map_folds: Folds of the pretrainer, averaged; if empty every numbered fold that is trained.
        checkpoint: Name of the supervised model's checkpoint in the folders of the folds.
        map_checkpoint: Name of the pretrainer's checkpoint.
        fpr: Share of a scan's healthy voxels that may be called unknown, on average.
        margin_mm: Distance around the segmentation within which an anomaly is explained by it, mm.
        min_mm3: Volume below which unknown findings are dropped, mm³ (mm², for 2D images).
        score: Settings of the map's score that differ from the training's.
        labels: Folder with the labels of the validation cases; if ``None`` those of the supervised model's dataset in
            ``nnUNet_preprocessed`` or ``nnUNet_raw``.
        save: Kinds of files to write of each case: ``segmentation``, ``unknown``, ``map``, ``combined``, ``png``.
        overwrite: Whether to delete what was screened into the output before, and to screen all cases again.
        device: Device to compute on: ``cuda``, ``cpu`` or ``mps``.
        mirroring: Whether to use the test-time mirroring that the trainings allow.
        seed: Seed of what the pretrainer draws; the training's if ``None``.
        preprocessing_processes: Number of processes that preprocess; with 0 this one does it, with ``None`` it follows
            from cores, memory and cases.
        export_processes: Number of processes that score and write; as above.

    Example:
        >>> results = Path("nnUNet_results/Dataset901_Tumour")
        >>> request = ScreenRequest(
        ...     images="IMAGES",
        ...     output="SCREENED",
        ...     model=results / "nnUNetTrainer__nnUNetPlans__2d",
        ...     map_model=results / "nnUNetPretrainerDAE__nnUNetPlans__2d",
        ...     fpr=0.005,
        ...     device="cpu",
        ... )
    """

    images: str | Path
    output: str | Path
    model: str | Path
    map_model: str | Path
    folds: Sequence[int | str] = ()
    map_folds: Sequence[int | str] = ()
    checkpoint: str = CHECKPOINT
    map_checkpoint: str = CHECKPOINT
    fpr: float = DEFAULT_RATE
    margin_mm: float = DEFAULT_MARGIN_MM
    min_mm3: float = DEFAULT_MIN_MM3
    score: str = ""
    labels: str | Path | None = None
    save: Sequence[str] = KINDS
    overwrite: bool = False
    device: str = "cuda"
    mirroring: bool = True
    seed: int | None = None
    preprocessing_processes: int | None = 0
    export_processes: int | None = 0

    def __post_init__(self) -> None:
        for name, bounds in {"fpr": RATE, "margin_mm": MARGIN, "min_mm3": VOLUME}.items():
            _refuse(name, getattr(self, name), bounds)
        if unknown := [kind for kind in self.save if kind not in KINDS]:
            raise ValueError(f"save expects kinds out of {', '.join(KINDS)}, found {shown(', '.join(unknown))}.")

    @property
    def known(self) -> SupervisedModel:
        """The model that segments."""
        return SupervisedModel(Path(self.model), self.folds, self.checkpoint)

    @property
    def map(self) -> ModelRequest:
        """The pretrainer that makes the map."""
        return ModelRequest(
            model=self.map_model,
            folds=self.map_folds,
            checkpoint=self.map_checkpoint,
            device=self.device,
            mirroring=self.mirroring,
            seed=self.seed,
            preprocessing_processes=self.preprocessing_processes,
            export_processes=self.export_processes,
        )


def _refuse(name: str, value: float, bounds: Bounds) -> None:
    if value not in bounds:
        raise ValueError(f"{name} expects {bounds}, found {value}.")
