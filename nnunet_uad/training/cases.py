"""The cases that a fold is trained on, written beside its checkpoints when it begins and compared ever after."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.nnunet import dataset_number
from nnunet_uad.data.content import Contents
from nnunet_uad.weights.case_names import plain_name
from nnunet_uad.weights.leakage import ARRAY, Overlap, unknown_cases

CASES_FILE = "training_cases.json"
_MOST_NAMED = 5


@dataclass(frozen=True)
class TrainedCases:
    """What a fold is trained and validated on.

    Attributes:
        dataset: Name of the dataset.
        fold: Fold number, or ``all``.
        train: Training cases with the fingerprints of their images.
        val: Validation cases with theirs.
    """

    dataset: str
    fold: str
    # Not printed: nnU-Net writes every attribute of a trainer into debug.json, which its export passes on.
    train: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    val: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, dataset: str, fold: str, split: tuple[Sequence[str], Sequence[str]], contents: Contents
    ) -> TrainedCases:
        """The cases of a split.

        Args:
            dataset: Name of the dataset.
            fold: Fold number, or ``all``.
            split: Identifiers of the training and of the validation cases.
            contents: Fingerprints of the cases.
        """
        train, val = ({case: contents.get(case, ()) for case in sorted(cases)} for cases in split)
        return cls(dataset, fold, train, val)

    def write(self, folder: Path) -> None:
        """Write the file that says so.

        Args:
            folder: Folder of the fold.
        """
        write_json(folder / CASES_FILE, dataclasses.asdict(self))

    @classmethod
    def read(cls, folder: Path) -> TrainedCases | None:
        """Read the file of a fold; ``None`` if there is none.

        Args:
            folder: Folder of the fold.

        Raises:
            ValueError: The file is damaged.
        """
        path = folder / CASES_FILE
        if not path.is_file():
            return None
        fix = "Until then it is not known which cases the fold has seen: copy it again, or train the fold anew."
        return read_as(cls, path, fix)


def refuse_impossible_split(cases: TrainedCases, present: Iterable[str], splits: Path) -> None:
    """Refuse a fold that is validated on its own training cases, or names cases that are not there.

    Args:
        cases: Cases of the fold.
        present: Identifiers of the preprocessed cases.
        splits: File of the splits, for the error.

    Raises:
        ValueError: Naming the cases.
    """
    refuse_absent_cases(cases.fold, [*cases.train, *cases.val], present, splits)
    names = {plain_name(case) for case in cases.train}
    overlap = Overlap.between(cases.train, cases.val).only(case for case in cases.val if plain_name(case) in names)
    if cases.fold != "all" and overlap:
        raise ValueError(
            overlap.finding(
                f"fold {cases.fold} itself",
                f"Correct {splits}; to train on all cases and validate on none: fold all.",
                "validation case(s)",
            )
        )


def refuse_absent_cases(fold: str, cases: Iterable[str], present: Iterable[str], splits: Path) -> None:
    """Refuse a fold with cases that are not there.

    Args:
        fold: Fold number, or ``all``.
        cases: Identifiers of its cases.
        present: Identifiers of the preprocessed cases.
        splits: File of the splits, for the error.

    Raises:
        ValueError: Naming the cases.
    """
    absent = sorted(set(cases) - set(present))
    if absent:
        raise ValueError(
            f"Fold {fold} in {splits} names cases that are not preprocessed: {_listed(absent)}. Correct the file "
            "(identifiers without file endings), or preprocess them: nnUNetv2_preprocess -d "
            f"{dataset_number(splits.parent.name)}"
        )


def copies_within(cases: TrainedCases) -> str:
    """A warning that validation cases are copies of training cases; empty if they are not.

    Args:
        cases: Cases of the fold.
    """
    overlap = Overlap.between(cases.train, cases.val).certain if cases.fold != "all" else Overlap(())
    consequence = "The scores of this fold's validation are too good; keep copies on the same side of a split."
    return overlap.finding(f"this fold ({cases.fold})", consequence, "validation case(s)") if overlap else ""


def refuse_other_cases(folder: Path, now: TrainedCases, splits: Path, say: Callable[[str], object]) -> None:
    """Compare the cases of a fold with those that it was begun with.

    Args:
        folder: Folder of the fold.
        now: Cases that it would go on with.
        splits: File of the splits, for the error.
        say: Function that is told if it cannot be checked.

    Raises:
        RuntimeError: They are others, or their images are.
    """
    begun = TrainedCases.read(folder)
    if begun is None:
        reason = f"{folder / CASES_FILE} is missing"
        say("WARNING: " + unknown_cases("the first epochs of this training", "its scores are too good", reason))
        return
    changes = changed_cases(begun.train, now.train, "trained on") + changed_cases(begun.val, now.val, "validated on")
    if changes:
        raise RuntimeError(
            f"LEAKAGE: fold {now.fold} of {now.dataset} was begun with other cases than {splits} and the data hold "
            f"now: {'; '.join(changes)}. Scores on cases that the first epochs saw do not count. Restore them and go "
            "on with --c, or begin anew (without --c)."
        )


def changed_cases(then: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]], verb: str) -> list[str]:
    """How two lists of cases differ, in words.

    Args:
        then: Cases before, with fingerprints.
        now: Cases now, with fingerprints.
        verb: Words for what is done with the cases.
    """
    images = [
        c for c in then.keys() & now.keys() if _array(then[c]) and _array(now[c]) and _array(then[c]) != _array(now[c])
    ]
    lists = {
        f"{verb} now": sorted(now.keys() - then.keys()),
        f"no longer {verb}": sorted(then.keys() - now.keys()),
        f"{verb} with other images": sorted(images),
    }
    return [f"{words}: {_listed(cases)}" for words, cases in lists.items() if cases]


def _array(fingerprints: Sequence[str]) -> list[str]:
    return [f for f in fingerprints if f.startswith(ARRAY)]


def _listed(cases: Sequence[str]) -> str:
    more = len(cases) - _MOST_NAMED
    return ", ".join(map(repr, cases[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
