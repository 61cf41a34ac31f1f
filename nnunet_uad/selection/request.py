"""Which dataset is labelled next, with which models, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.inference.model import ModelRequest
from nnunet_uad.screening.models import SupervisedModel
from nnunet_uad.selection.names import COUNT, DEFAULT_COUNT, DEFAULT_WEIGHT, WEIGHT
from nnunet_uad.selection.units import Weights


@dataclass(frozen=True, kw_only=True)
class NextRequest(ModelRequest):
    """A raw dataset, a pretrainer whose features compare its cases, and how many to label next.

    Attributes:
        dataset: Folder of the dataset in nnUNet_raw; cases without a file in ``labelsTr`` may be chosen.
        output: Folder to write into.
        images: Folder of further images that nobody labelled, or ``None``.
        count: Number of cases, or of slices.
        slices: Whether to choose slices instead of whole cases.
        segmenter: Folder of the current supervised model in nnUNet_results, whose folds are asked where they disagree,
            or ``None``.
        segmenter_folds: Folds of that model; if empty every numbered fold that is trained.
        segmenter_checkpoint: Name of that model's checkpoint.
        proposals: Whether the templates hold that model's segmentation.
        anomaly_weight: Weight of unusual scans: the most anomalous counts 1 + weight times as much as the least.
        disagreement_weight: Weight of folds that disagree, likewise.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> raw = "nnUNet_raw/Dataset903_Healthy"
        >>> request = NextRequest(model=model, dataset=raw, output="next", count=1, device="cpu")
    """

    dataset: str | Path
    output: str | Path
    images: str | Path | None = None
    count: int = DEFAULT_COUNT
    slices: bool = False
    segmenter: str | Path | None = None
    segmenter_folds: Sequence[int | str] = ()
    segmenter_checkpoint: str = CHECKPOINT
    proposals: bool = False
    anomaly_weight: float = DEFAULT_WEIGHT
    disagreement_weight: float = DEFAULT_WEIGHT

    def __post_init__(self) -> None:
        bounded = {
            "count": (self.count, COUNT),
            "anomaly_weight": (self.anomaly_weight, WEIGHT),
            "disagreement_weight": (self.disagreement_weight, WEIGHT),
        }
        for name, (value, bounds) in bounded.items():
            if value not in bounds:
                raise ValueError(f"{name} expects {bounds}, found {value}.")
        if self.proposals and self.segmenter is None:
            raise ValueError("Proposals are segmentations of a supervised model: name one, -tr-seg TRAINER.")

    @property
    def supervised(self) -> SupervisedModel | None:
        """The current supervised model."""
        if self.segmenter is None:
            return None
        return SupervisedModel(Path(self.segmenter), self.segmenter_folds, self.segmenter_checkpoint)

    @property
    def weights(self) -> Weights:
        """What counts beside typicality and diversity."""
        return Weights(self.anomaly_weight, self.disagreement_weight)

    def wanted(self) -> dict[str, Any]:
        """What is wanted, for the record."""
        return {
            "count": self.count,
            "slices": self.slices,
            "proposals": self.proposals,
            "anomaly_weight": self.anomaly_weight,
            "disagreement_weight": self.disagreement_weight,
        }
