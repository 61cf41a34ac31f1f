"""Inner folds: who is tested while the labels at hand are all that there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.choosing.rungs import MOST_FOLDS, inner_folds
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.data.splits import SPLITS_FILE, Split, splits_of
from nnunet_uad.study.planning.folds import append_splits, outer_splits
from nnunet_uad.study.planning.outer import appended_folds, remember_appended

#: So many cases without labels for every labelled one, and one pretraining on them serves all inner folds.
ENOUGH = 2


@dataclass(frozen=True)
class InnerFolds:
    """Entries of ``splits_final.json``.

    Attributes:
        indices: Indices of the entries.
        labelled: Identifiers of the labelled cases.
        unlabelled: Number of cases without labels.
    """

    indices: tuple[int, ...]
    labelled: tuple[str, ...]
    unlabelled: int

    @property
    def shared(self) -> bool:
        """Whether one pretraining, on the cases without labels, serves all folds."""
        return self.unlabelled >= ENOUGH * len(self.labelled)


def labelled_cases(folder: Path, cases: Sequence[str]) -> list[str]:
    """The labelled ones of the preprocessed cases.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
        cases: Identifiers of all its cases.

    Raises:
        ValueError: There are fewer than two.
    """
    unlabelled = unlabelled_cases(folder)
    found = [case for case in cases if case not in unlabelled]
    if len(found) < 2:
        alone = f"nnUNetv2_train {folder.name} CONFIGURATION all -tr nnUNetTrainerFromScratch"
        raise ValueError(
            f"{folder.name} has {len(found)} labelled case(s). Inner folds need at least 2: one to learn from and one "
            f"to test on. Label {2 - len(found)} more (nnunet_uad next says which)"
            + (f", or train without a comparison: {alone}" if found else ".")
        )
    return found


def make_inner_folds(folder: Path, cases: Sequence[str]) -> InnerFolds:
    """The folds of the dataset, where they will do, else new entries behind them, which no other study tests on.

    The dataset's own folds know which cases belong together (two scans of a patient). They will do if they test every
    labelled case once and are as many as new ones would be.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
        cases: Identifiers of all its preprocessed cases.

    Raises:
        ValueError: Fewer than two labelled cases, or damaged splits.
    """
    labelled = labelled_cases(folder, cases)
    with folder_lock(folder, wait=True):
        splits = outer_splits(folder, list(cases))
        own = _own_folds(splits, appended_folds(folder), labelled)
        indices = own or _appended(folder, splits, cases, labelled)
    return InnerFolds(tuple(indices), tuple(labelled), len(cases) - len(labelled))


def _own_folds(splits: Sequence[Split], appended: set[int], labelled: Sequence[str]) -> list[int]:
    """Indices of the dataset's own folds with labels on both sides; none if they will not do."""
    known = set(labelled)
    # Entries that studies appended are tested on the cases of an earlier entry.
    first = {tuple(sorted(split["val"])): k for k, split in reversed(list(enumerate(splits)))}
    usable = {
        k: known & set(splits[k]["val"])
        for k in sorted(first.values())
        if k not in appended and known & set(splits[k]["val"]) and known & set(splits[k]["train"])
    }
    tested = [case for cases in usable.values() for case in cases]
    complete = sorted(tested) == sorted(labelled)
    return list(usable) if complete and len(usable) >= min(len(labelled), MOST_FOLDS) else []


def _appended(folder: Path, splits: list[Split], cases: Sequence[str], labelled: Sequence[str]) -> list[int]:
    """Indices of entries for the inner folds; those that are there already are taken again."""
    indices: list[int] = []
    new: list[dict[str, Any]] = []
    for test in inner_folds(labelled):
        entry: Split = {"train": sorted(set(cases) - set(test)), "val": test}
        if entry in splits:
            indices.append(splits.index(entry))
            continue
        indices.append(len(splits) + len(new))
        new.append({**entry, "index": indices[-1]})
    # First who they belong to: folds that nobody claims would be taken for the dataset's own.
    remember_appended(folder, new)
    append_splits(folder / SPLITS_FILE, splits_of(folder), new)
    return indices
