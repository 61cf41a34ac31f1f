"""Scores of one cell: every test case segmented, compared, and counted for the reliability curve."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.evaluation.segmentation import score_case
from nnunet_uad.metrics.lesions import count_lesions

#: Edges of the bins of the reliability curve. Nearly all voxels lie below the first inner edge: they have a bin of
#: their own, so that the calibration error can leave them out.
RELIABILITY_EDGES = (0.0, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def score_segmentation(
    segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any, classes: Mapping[str, Any]
) -> dict[str, Any]:
    """Dice, average precision, lesions and reliability of one case.

    Args:
        segmentation: its file.
        probabilities: (classes or regions, z, y, x).
        label: file of the labels.
        predictor: nnU-Net's.
        classes: labels of the test dataset, name → value or values. Where they are not the model's, any foreground is
            compared with any foreground.

    Returns:
        ``Dice`` (mean over classes), ``Dice per class``, ``AP``, ``lesions`` (counts), ``reliability`` (per bin:
        voxels, sum of probabilities, voxels that are foreground), ``volume`` (voxels of foreground in the labels),
        ``compared`` (``classes`` or ``foreground``).
    """
    reader = predictor.plans_manager.image_reader_writer_class()
    found = score_case(segmentation, probabilities, label, predictor)
    truth = reader.read_seg(str(label))[0][0]
    mask = reader.read_seg(str(segmentation))[0][0] > 0
    ignore = predictor.label_manager.ignore_label
    known = np.ones(truth.shape, bool) if ignore is None else truth != ignore
    positive = (truth > 0) & known
    mask &= known
    compared = "classes" if _same_classes(classes, predictor.dataset_json["labels"]) else "foreground"
    if compared == "foreground":
        both = mask.sum() + positive.sum()
        found["Dice per class"] = {}
        found["Dice"] = float(2 * (mask & positive).sum() / both) if both else None
    counts = count_lesions(mask, positive)
    return {
        **found,
        "compared": compared,
        "volume": int(positive.sum()),
        "lesions": vars(counts),
        "reliability": reliability_counts(combined_probability(probabilities)[known], positive[known]),
    }


def _same_classes(test: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    def wanted(labels: Mapping[str, Any]) -> dict[str, Any]:
        return {str(k).casefold(): v for k, v in labels.items() if k not in ("background", "ignore")}

    return wanted(test) == wanted(model)


def reliability_counts(probabilities: np.ndarray, positive: np.ndarray) -> dict[str, list[float]]:
    """What a reliability curve is drawn from; counts of several cases add up.

    Args:
        probabilities: (N,) of foreground.
        positive: (N,) boolean, whether it is foreground.

    Returns:
        Per bin of :data:`RELIABILITY_EDGES`: ``voxels``, ``probability`` (their sum), ``positives``.
    """
    bins = np.digitize(probabilities, RELIABILITY_EDGES[1:-1])
    size = len(RELIABILITY_EDGES) - 1
    return {
        "voxels": np.bincount(bins, minlength=size).tolist(),
        "probability": np.bincount(bins, weights=probabilities, minlength=size).tolist(),
        "positives": np.bincount(bins, weights=positive, minlength=size).astype(int).tolist(),
    }
