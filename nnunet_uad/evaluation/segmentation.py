"""Scores of one segmented case: nnU-Net's Dice, and what the probabilities and the lesions say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram


def score_case(segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any) -> dict[str, Any]:
    """nnU-Net's Dice per class or region and their mean, and the average precision of any foreground.

    Args:
        segmentation: its file.
        probabilities: (classes or regions, z, y, x), as nnU-Net's reader orders the axes.
        label: the file of the labels.
        predictor: nnU-Net's.
    """
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics

    manager = predictor.label_manager
    classes = manager.foreground_regions if manager.has_regions else manager.foreground_labels
    reader = predictor.plans_manager.image_reader_writer_class()
    metrics = compute_metrics(str(label), str(segmentation), reader, classes, manager.ignore_label)["metrics"]
    dice = {str(k): None if np.isnan(m["Dice"]) else float(m["Dice"]) for k, m in metrics.items()}
    truth = reader.read_seg(str(label))[0][0]
    scores = combined_probability(probabilities)
    known = np.ones(truth.shape, bool) if manager.ignore_label is None else truth != manager.ignore_label
    histogram = ScoreHistogram()
    histogram.add(scores[known], truth[known] > 0)
    there = [v for v in dice.values() if v is not None]
    return {
        "Dice per class": dice,
        "Dice": float(np.mean(there)) if there else None,
        "AP": average_precision(Curve.of(histogram)) if (truth[known] > 0).any() else None,
    }
