"""Did pretraining see the cases that fine-tuning is validated on?"""

from __future__ import annotations

from collections.abc import Iterable

from nnunet_uad.weights.record import PretrainRecord


def leakage_warning(record: PretrainRecord, dataset: str, validation_cases: Iterable[str]) -> str | None:
    """Name the validation cases whose images, without labels, pretraining was trained on.

    Args:
        record: of the pretrained weights.
        dataset: nnU-Net name of the dataset that is fine-tuned on.
        validation_cases: identifiers of the fold's validation cases.

    Returns:
        The warning, ``None`` if there is no overlap.
    """
    shared = sorted(set(record.cases) & set(validation_cases))
    if not shared:
        return None
    named = ", ".join(shared[:10]) + (f" and {len(shared) - 10} more" if len(shared) > 10 else "")
    if record.dataset != dataset:
        return (
            f"LEAKAGE? {len(shared)} validation case(s) carry identifiers that {record.trainer} was trained on in "
            f"{record.dataset}: {named}. If they are the same scans, the validation scores are too good."
        )
    return (
        f"LEAKAGE: {len(shared)} validation case(s) of this fold were among the training cases of "
        f"{record.trainer} (fold {record.fold}): {named}. It saw those images, without labels; scores on them do "
        "not count as scores on unseen cases."
    )
