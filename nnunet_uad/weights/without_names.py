"""What nnU-Net keeps beside a model, without names of cases, for models that are passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Of a dataset.json: what prediction reads, and what people write about a dataset. Lists of files are none of it.
_KEPT = (
    *("channel_names", "labels", "regions_class_order", "file_ending", "overwrite_image_reader_writer", "numTraining"),
    *("name", "description", "reference", "licence", "license", "release"),
)


def dataset_without_cases(content: Mapping[str, Any]) -> dict[str, Any]:
    """A ``dataset.json`` without the lists of files that it may hold.

    Args:
        content: Content of the file.

    Example:
        >>> dataset_without_cases({"labels": {"background": 0}, "training": [{"image": "patient_x.nii.gz"}]})
        {'labels': {'background': 0}}
    """
    return {key: content[key] for key in _KEPT if key in content}


def summary_without_cases(content: Mapping[str, Any]) -> dict[str, Any]:
    """A summary of nnU-Net's validation with numbers for cases instead of their files.

    Args:
        content: Content of ``validation/summary.json``.

    Example:
        >>> summary_without_cases({"mean": {}, "metric_per_case": [{"metrics": {}, "prediction_file": "/a/x.nii.gz"}]})
        {'mean': {}, 'metric_per_case': [{'metrics': {}, 'reference_file': 'case 1', 'prediction_file': 'case 1'}]}
    """
    cases = content.get("metric_per_case", [])
    numbered = [
        {"metrics": case.get("metrics", {}), "reference_file": f"case {i}", "prediction_file": f"case {i}"}
        for i, case in enumerate(cases, start=1)
    ]
    kept = {key: content[key] for key in ("foreground_mean", "mean") if key in content}
    return {**kept, "metric_per_case": numbered}
