"""Quality of a pretraining on its validation cases, from the files beside its weights; without names of cases."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_uad.common.json_files import read_as
from nnunet_uad.weights.names import SUMMARY_FILE


@dataclass(frozen=True)
class _Summary:
    """What a summary of a pretrainer's validation holds."""

    mean: dict[str, float | None] = field(default_factory=dict)
    anomaly: dict[str, float | None] = field(default_factory=dict)
    metric_per_case: list[Any] = field(default_factory=list)


def validation_metrics(weights: Path) -> tuple[dict[str, float], int]:
    """Metrics by name, and the number of cases that they are means of; none where nothing was validated.

    Args:
        weights: File of weights in the folder of a fold.

    Raises:
        ValueError: The summary of the validation is damaged.
    """
    path = weights.parent / "validation" / SUMMARY_FILE
    if not path.is_file():
        return {}, 0
    summary = read_as(_Summary, path, "Make it anew: nnUNetv2_train … -tr PRETRAINER --val")
    found = {**summary.anomaly, **{f"reconstruction {name}": value for name, value in summary.mean.items()}}
    metrics = {
        name: value
        for name, value in found.items()
        if value is not None and math.isfinite(value) and not name.endswith("_voxels")
    }
    return metrics, len(summary.metric_per_case) if metrics else 0
