"""What a person labels in: a label file on the grid of the image, empty or with a proposal, the rest ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.whole_image import atomic_image
from nnunet_uad.inference.model_plan import ModelPlan


def template(
    shape: tuple[int, ...],
    proposal: np.ndarray | None,
    slices: Sequence[int] | None,
    axis: int,
    ignore: int,
    labelled: np.ndarray | None = None,
) -> np.ndarray:
    """Labels to begin with.

    Args:
        shape: Shape of the raw image (z, y, x).
        proposal: Segmentation of the same shape, or ``None`` for background.
        slices: Indices of the slices to label; ``None`` for all of the case.
        axis: Axis of the slices.
        ignore: Value of the ignore label, which fills all other slices.
        labelled: Labels of the same shape that are there already, in other slices; ``None`` of an unlabelled case.

    Returns:
        Labels (z, y, x), the smallest unsigned integers that hold them.
    """
    labels = np.zeros(shape, np.int64) if proposal is None else proposal.astype(np.int64)
    if slices is not None:
        chosen = np.zeros(shape[axis], bool)
        chosen[list(slices)] = True
        outside = np.full(shape, ignore) if labelled is None else labelled.astype(np.int64)
        labels = np.where(np.expand_dims(chosen, [a for a in range(len(shape)) if a != axis]), labels, outside)
    return labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)


def write_labels(labels: np.ndarray, model: ModelPlan, properties: dict[str, Any], path: Path) -> None:
    """Write labels with the header of the image, as nnU-Net writes segmentations.

    Args:
        labels: Labels (z, y, x) on the grid of the raw image.
        model: Plan of the model, whose reader is used.
        properties: Mapping that nnU-Net stored when it read the case.
        path: File to write.
    """
    with atomic_image(path) as temporary:
        model.plans.image_reader_writer_class().write_seg(labels, str(temporary), properties)
