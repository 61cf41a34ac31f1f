"""Did weights see the cases that something is measured on? The one place that says so in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nnunet_uad.weights.record import PretrainRecord

_MOST_NAMED = 10


@dataclass(frozen=True)
class Overlap:
    """Cases that weights were trained on and that something else is measured on; false if there are none.

    Attributes:
        cases: Identifiers, sorted.

    Example:
        >>> overlap = Overlap.between(["a", "b"], ["b", "c"])
        >>> overlap.suspicion("nnUNetPretrainerDAE", "the scores are too good")
        'LEAKAGE? 1 case(s) carry identifiers that nnUNetPretrainerDAE was trained on: b. If they are the same scans, the scores are too good.'
    """  # noqa: E501 (an example shows what is returned)

    cases: tuple[str, ...]

    @classmethod
    def of(cls, records: Iterable[PretrainRecord], cases: Iterable[str]) -> Overlap:
        """Overlap of what any of the weights have seen with what is measured.

        Args:
            records: Records of the weights.
            cases: Identifiers of the cases that something is measured on.
        """
        return cls.between((case for record in records for case in record.cases), cases)

    @classmethod
    def between(cls, seen: Iterable[str], cases: Iterable[str]) -> Overlap:
        """Overlap of two lists of cases.

        Args:
            seen: Identifiers of training cases.
            cases: Identifiers of the cases that something is measured on.
        """
        return cls(tuple(sorted(set(seen) & set(cases))))

    def __bool__(self) -> bool:
        return bool(self.cases)

    @property
    def named(self) -> str:
        """The identifiers, at most ten of them."""
        more = len(self.cases) - _MOST_NAMED
        return ", ".join(self.cases[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")

    def suspicion(self, trained: str, consequence: str, kind: str = "case(s)") -> str:
        """What to say of cases that share identifiers with training cases and may be other scans.

        Args:
            trained: Words for the weights.
            consequence: Clause that says what it means if they are the same scans.
            kind: Word for the cases.
        """
        return (
            f"LEAKAGE? {len(self.cases)} {kind} carry identifiers that {trained} was trained on: {self.named}. If they "
            f"are the same scans, {consequence}."
        )

    def finding(self, trained: str, consequence: str, kind: str = "case(s)") -> str:
        """What to say of cases that certainly are training cases.

        Args:
            trained: Words for the weights.
            consequence: Sentence that says what follows.
            kind: Word for the cases.
        """
        return (
            f"LEAKAGE: {len(self.cases)} {kind} were among the training cases of {trained}: {self.named}. {consequence}"
        )


def leakage_warning(record: PretrainRecord, dataset: str, validation_cases: Iterable[str]) -> str | None:
    """Name the validation cases whose images, without labels, pretraining was trained on.

    Args:
        record: Record of the pretrained weights.
        dataset: Name of the dataset that is fine-tuned on.
        validation_cases: Identifiers of the fold's validation cases.

    Returns:
        The warning, ``None`` if there is no overlap.
    """
    overlap = Overlap.of([record], validation_cases)
    if not overlap:
        return None
    if record.dataset != dataset:
        return overlap.suspicion(
            f"{record.trainer} ({record.dataset})", "the validation scores are too good", "validation case(s)"
        )
    return overlap.finding(
        f"{record.trainer} (fold {record.fold})",
        "It saw those images, without labels; scores on them do not count as scores on unseen cases.",
        "validation case(s) of this fold",
    )
