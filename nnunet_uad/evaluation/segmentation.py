"""One segmented case, read from its files and measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.metrics.segmentation import SegmentedCase, measure


def read_case(
    segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any, by_class: bool = True
) -> SegmentedCase:
    """A segmentation beside its labels, with nnU-Net's Dice per class or region.

    Args:
        segmentation: File of the segmentation.
        probabilities: Probabilities (classes or regions, z, y, x), as nnU-Net's reader orders the axes.
        label: File of the labels.
        predictor: nnU-Net's predictor, with its model.
        by_class: Whether the labels have the model's classes; any foreground is compared with any foreground if not.
    """
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics

    manager = predictor.label_manager
    reader = predictor.plans_manager.image_reader_writer_class()
    dice = None
    if by_class:
        classes = manager.foreground_regions if manager.has_regions else manager.foreground_labels
        metrics = compute_metrics(str(label), str(segmentation), reader, classes, manager.ignore_label)["metrics"]
        dice = {str(k): None if np.isnan(m["Dice"]) else float(m["Dice"]) for k, m in metrics.items()}
    truth, properties = reader.read_seg(str(label))
    return SegmentedCase(
        segmentation=reader.read_seg(str(segmentation))[0][0],
        truth=truth[0],
        probability=combined_probability(probabilities),
        known=np.ones(truth[0].shape, bool) if manager.ignore_label is None else truth[0] != manager.ignore_label,
        spacing=tuple(float(s) for s in properties["spacing"]),
        dice_per_class=dice,
    )


def scores_of(case: SegmentedCase) -> dict[str, Any]:
    """``Dice per class``, and every metric of :data:`~nnunet_uad.metrics.segmentation.CASE_METRICS` by its key."""
    return {"Dice per class": dict(case.dice_per_class or {}), **measure(case)}


def score_case(segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any) -> dict[str, Any]:
    """:func:`scores_of` a case whose labels have the model's classes; arguments and shapes as of :func:`read_case`."""
    return scores_of(read_case(segmentation, probabilities, label, predictor))
