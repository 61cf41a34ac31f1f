"""Scores of one cell: every test case segmented, compared, and counted for the pooled metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.evaluation.segmentation import read_case, scores_of
from nnunet_uad.metrics.segmentation import count


def score_segmentation(
    segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any, classes: Mapping[str, Any]
) -> dict[str, Any]:
    """Metrics and counts of one case.

    Args:
        segmentation: File of the segmentation.
        probabilities: Probabilities (classes or regions, z, y, x).
        label: File of the labels.
        predictor: nnU-Net's predictor, with its model.
        classes: Labels of the test dataset, name → value or values. Where they are not the model's, any foreground is
            compared with any foreground.

    Returns:
        ``Dice per class``, the metrics of a case (``Dice``, its mean over classes, and ``AP``), ``compared``
        (``classes`` or ``foreground``), ``volume`` (voxels of foreground in the labels), and the counts: ``lesions``,
        ``reliability`` (per bin: voxels, sum of probabilities, voxels that are foreground).
    """
    by_class = _same_classes(classes, predictor.dataset_json["labels"])
    case = read_case(segmentation, probabilities, label, predictor, by_class)
    return {
        **scores_of(case),
        "compared": "classes" if by_class else "foreground",
        "volume": int(case.positive.sum()),
        **count(case),
    }


def _same_classes(test: Mapping[str, Any], model: Mapping[str, Any]) -> bool:
    def wanted(labels: Mapping[str, Any]) -> dict[str, Any]:
        """Labels that are compared, by their names in lower case."""
        return {str(k).casefold(): v for k, v in labels.items() if k not in ("background", "ignore")}

    return wanted(test) == wanted(model)
