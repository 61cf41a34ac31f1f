"""Did weights see the cases that something is measured on? The one place that says so in words.

Cases are the same if their images are, whatever they are called; where nobody knows what a case holds, names decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nnunet_uad.weights.case_names import SeenCases
from nnunet_uad.weights.record import PretrainRecord

_MOST_NAMED = 10
_TOO_GOOD = "the validation scores are too good"
#: Begins the fingerprints of raw images, and of preprocessed ones, which differ between plans.
RAW, DATA = "raw:", "data:"
#: Begins the exact fingerprints of preprocessed images, which tell whether one was changed, not whose it is: two empty
#: images have the same.
ARRAY = "array:"

#: Identifiers of cases; or case → fingerprints of its images, empty where they are unknown.
Cases = Iterable[str] | Mapping[str, Iterable[str]]


@dataclass(frozen=True)
class Overlap:
    """Cases that weights were trained on and that something else is measured on; false if there are none.

    Attributes:
        cases: Identifiers of the measured cases, sorted.
        copies: Measured cases whose images are those of a training case, with the training case's identifier, or
            words for it where only a hash of it is known.

    Example:
        >>> overlap = Overlap.between(["a", "b"], ["b", "c"])
        >>> overlap.suspicion("nnUNetPretrainerDAE", "the scores are too good")
        'LEAKAGE? 1 case(s) carry identifiers that nnUNetPretrainerDAE was trained on: b. If they are the same scans, the scores are too good.'
        >>> Overlap.between({"a": ["raw:17"]}, {"x": ["raw:17"]}).named
        'x (the images of a)'
    """  # noqa: E501 (an example shows what is returned)

    cases: tuple[str, ...]
    copies: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, records: Iterable[PretrainRecord], cases: Cases, same_dataset: bool = True) -> Overlap:
        """Overlap of what any of the weights, or what they went on from, have seen with what is measured.

        Args:
            records: Records of the weights.
            cases: Cases that something is measured on.
            same_dataset: Whether equal identifiers are the same case, as in :meth:`between`.
        """
        cases = cases if isinstance(cases, Mapping) else list(cases)
        found = [
            cls.between(seen.seen, cases, same_dataset and seen.dataset == record.dataset)
            for record in records
            for seen in record.lineage
        ]
        return cls(()).joined(found)

    def joined(self, others: Iterable[Overlap]) -> Overlap:
        """This overlap and others with the same measured cases; what is certain in one of them is certain.

        Args:
            others: Overlaps of further training cases.
        """
        copies, cases = dict(self.copies), {*self.cases}
        for other in others:
            copies = {**dict(other.copies), **copies}
            cases |= {*other.cases}
        return Overlap(tuple(sorted(cases)), tuple(sorted(copies.items())))

    @classmethod
    def between(cls, seen: Cases | SeenCases, cases: Cases, same_dataset: bool = True) -> Overlap:
        """Overlap of two lists of cases.

        Args:
            seen: Training cases, by name or under salted hashes.
            cases: Cases that something is measured on, by name.
            same_dataset: Whether equal identifiers are the same case even if the images are known to differ.
        """
        theirs, ours = _comparable(seen), _comparable(cases).contents
        shared, common = _common(theirs.contents), _common(ours)
        owners = {f: key for key, found in reversed(theirs.contents.items()) for f in found if f not in shared}
        copies, named = {}, []
        for case, found in ours.items():
            namesake = theirs.find(case)
            owner = next((owners[f] for f in found if f in owners and f not in common), None)
            if namesake is not None and owner is not None and set(found) & set(theirs.contents[namesake]):
                owner = namesake
            if owner is not None:
                copies[case] = theirs.shown(owner, case)
            elif namesake is not None and (
                (same_dataset and namesake == theirs.key(case))
                or not _other_scans(theirs.contents[namesake], found, same_dataset)
            ):
                named.append(case)
        return cls(tuple(sorted([*copies, *named])), tuple(sorted(copies.items())))

    def __bool__(self) -> bool:
        return bool(self.cases)

    @property
    def certain(self) -> Overlap:
        """The cases whose images are those of training cases."""
        return Overlap(tuple(case for case, _ in self.copies), self.copies)

    @property
    def suspected(self) -> Overlap:
        """The cases that only share their identifier with a training case."""
        return Overlap(tuple(case for case in self.cases if case not in dict(self.copies)))

    def only(self, cases: Iterable[str]) -> Overlap:
        """The part of it that is about some cases.

        Args:
            cases: Identifiers of the cases.
        """
        wanted = set(cases)
        return Overlap(tuple(c for c in self.cases if c in wanted), tuple(p for p in self.copies if p[0] in wanted))

    @property
    def named(self) -> str:
        """The identifiers, at most ten of them, and what those are copies of that have another name."""
        more = len(self.cases) - _MOST_NAMED
        originals = dict(self.copies)

        def word(case: str) -> str:
            """A case as it is listed; a name that ends with a space is quoted."""
            shown = case if case == case.strip() else repr(case)
            other = originals.get(case, case)
            return shown if other == case else f"{shown} (the images of {other})"

        return ", ".join(map(word, self.cases[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")

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

    def in_words(self, trained: str, consequence: str, kind: str = "case(s)") -> str:
        """Both: what is certain as a finding, the rest as a suspicion; empty if there is nothing to say.

        Args:
            trained: Words for the weights.
            consequence: Clause that says what follows.
            kind: Word for the cases.
        """
        sentence = f"{consequence[:1].upper()}{consequence[1:]}."
        found = self.certain.finding(trained, sentence, kind) if self.certain else ""
        feared = self.suspected.suspicion(trained, consequence, kind) if self.suspected else ""
        return " ".join(filter(None, (found, feared)))


def unknown_cases(weights: str, consequence: str, reason: str = "they carry no record of a pretraining") -> str:
    """What to say of weights of which nobody knows what they were trained on.

    Args:
        weights: Words for the weights.
        consequence: Clause that says what it means if they have seen what is measured.
        reason: Clause that says why.
    """
    return (
        f"LEAKAGE? It is not known which cases {weights} saw: {reason}, so leakage cannot be checked. If what is "
        f"measured is among them, {consequence}."
    )


def compared_by_name(weights: str) -> str:
    """What to say of weights whose record does not tell what its cases hold.

    Args:
        weights: Words for the weights.
    """
    return (
        f"The record of {weights} has no fingerprints of its cases' images (an earlier version wrote it): cases were "
        "compared by name, copies under other names would not be noticed."
    )


def leakage_warning(record: PretrainRecord, dataset: str, validation_cases: Cases) -> str | None:
    """Name the validation cases whose images, without labels, pretraining was trained on.

    Args:
        record: Record of the pretrained weights.
        dataset: Name of the dataset that is fine-tuned on.
        validation_cases: Validation cases of the fold.

    Returns:
        The warning, ``None`` if there is no overlap.
    """
    overlap = Overlap.between(record.seen, validation_cases, same_dataset=record.dataset == dataset)
    if not overlap:
        return None
    if record.dataset != dataset:
        trained = f"{record.trainer} ({record.dataset})"
        return overlap.in_words(trained, _TOO_GOOD, "validation case(s)")
    return overlap.finding(
        f"{record.trainer} (fold {record.fold})",
        "It saw those images, without labels; scores on them do not count as scores on unseen cases.",
        "validation case(s) of this fold",
    )


def leakage_warnings(record: PretrainRecord, dataset: str, validation_cases: Cases) -> list[str]:
    """As :func:`leakage_warning`, of a pretraining and of all weights that it goes back to.

    Args:
        record: Record of the pretrained weights.
        dataset: Name of the dataset that is trained on.
        validation_cases: Validation cases of the fold.
    """
    cases = validation_cases if isinstance(validation_cases, Mapping) else list(validation_cases)
    found = [leakage_warning(seen, dataset, cases) for seen in record.lineage]
    return [*filter(None, found), *unknown_bases([record], _TOO_GOOD)]


def unknown_bases(records: Iterable[PretrainRecord], consequence: str) -> list[str]:
    """What to say of weights without a record that pretrainings went on from.

    Args:
        records: Records of the pretrainings.
        consequence: Clause that says what it means if they have seen what is measured.
    """
    strangers = dict.fromkeys((base, record.trainer) for record in records for base in record.strangers)
    return [unknown_cases(f"{base.file}, from which {trainer} went on,", consequence) for base, trainer in strangers]


def _comparable(cases: Cases | SeenCases) -> SeenCases:
    """Cases without the fingerprints that tell only whether an image was changed."""
    known = cases if isinstance(cases, SeenCases) else SeenCases.of(cases)
    contents = {case: tuple(f for f in found if not f.startswith(ARRAY)) for case, found in known.contents.items()}
    return SeenCases(contents, known.salt)


def _common(contents: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Fingerprints that most of the cases share, as of an atlas: they tell nothing about a case."""
    counts = Counter(f for found in contents.values() for f in set(found))
    return {f for f, count in counts.items() if count > 2 and 2 * count > len(contents)}


def _other_scans(one: Iterable[str], other: Iterable[str], same_dataset: bool) -> bool:
    """Whether the images of two cases are known and not the same; preprocessed ones compare within a dataset only."""
    kinds = (RAW, DATA) if same_dataset else (RAW,)
    pairs = [[{f for f in found if f.startswith(kind)} for found in (one, other)] for kind in kinds]
    return any(a and b and not a & b for a, b in pairs)
