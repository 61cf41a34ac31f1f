"""What a study tests on and may learn from: outer folds of the dataset, or a pool and test cases that it names.

Both are entries of ``splits_final.json``, so that nnU-Net's own commands train and pretrain on them. Entries that a
study needs and the dataset does not have are appended, like those of its label budgets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.data.splits import Split, splits_of
from nnunet_uad.study.planning.cases import chosen_cases, listed
from nnunet_uad.study.planning.folds import assign_indices
from nnunet_uad.study.sections import Pretraining
from nnunet_uad.study.study_file import Study
from nnunet_uad.weights.case_names import plain_name

#: Beside ``splits_final.json``: indices of the entries that studies appended and no other study is meant to test on.
APPENDED_FILE = "nnunet_uad_appended_folds.json"


@dataclass
class Entries:
    """Entries that a study appends to splits for its pool and its pretrainings.

    Attributes:
        known: Entries and folds of an earlier plan, which keep their indices.
        entries: Entries that the study has: ``id``, ``dataset``, ``train``, ``val``, ``index``.
    """

    known: list[dict[str, Any]]
    entries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def all(self) -> list[dict[str, Any]]:
        """Entries of this and of earlier plans: what was appended stays where it is."""
        names = {(e["id"], e["dataset"]) for e in self.entries}
        earlier = [e for e in self.known if "outer" not in e and (e["id"], e["dataset"]) not in names]
        return [*earlier, *self.entries]

    def index(self, identifier: str, folder: Path, split: Split) -> int:
        """The index of an entry, planned now or before.

        Args:
            identifier: Name of the entry, the same whenever the study is planned.
            folder: Folder of the dataset in nnUNet_preprocessed.
            split: Training and test cases.

        Raises:
            ValueError: The entry was planned with other cases.
        """
        entry = {"id": identifier, "dataset": folder.name, **split}
        same = [e for e in self.entries if (e["id"], e["dataset"]) == (identifier, folder.name)]
        if not same:
            others = [e for e in (*self.known, *self.entries) if e["dataset"] == folder.name]
            assign_indices(splits_of(folder), [entry], {e["id"]: e for e in others})
            self.entries.append(entry)
        return int((same or [entry])[0]["index"])


def pool_split(study: Study, cases: Collection[str], labelled: Collection[str]) -> Split:
    """The pool, labelled or not, and the test cases.

    Args:
        study: Settings of the study, which name the test cases.
        cases: Identifiers of all preprocessed cases.
        labelled: Identifiers of the cases with labels.

    Raises:
        ValueError: Names that do not exist, expressions that match nothing, cases of the pool that are tested, or
            a pool without labels.
    """
    if study.test_cases is None:
        raise ValueError("The study names no test cases.")
    test = chosen_cases(study.test_cases, set(labelled), "test_cases", f"{study.seed}/test_cases")
    if study.pool is None:
        pool = sorted(set(cases) - set(test))
    else:
        # A draw is one of what is left; names and expressions that reach into the test cases are a mistake.
        left = set(cases) - set(test) if study.pool.draw else set(cases)
        pool = chosen_cases(study.pool, left, "pool", f"{study.seed}/pool")
    overlap = sorted(set(pool) & set(test))
    if overlap:
        raise ValueError(
            f"LEAKAGE: pool and test_cases both hold {listed(overlap)}. A case is tested or trained on, never both."
        )
    if not set(pool) & set(labelled):
        raise ValueError(f"pool: none of its {len(pool)} cases is labelled, so there is nothing to learn from.")
    return {"train": pool, "val": test}


@dataclass(frozen=True)
class StageOneData:
    """What pretrainings may see.

    Attributes:
        folder: Folder of the dataset of stage one in nnUNet_preprocessed.
        cases: Identifiers of its preprocessed cases.
        others: Identifiers of the cases of the study's dataset, where that is another one.
    """

    folder: Path
    cases: Collection[str]
    others: Collection[str] | None = None

    def split(self, study: Study, length: Pretraining, outer: Split) -> Split | None:
        """The cases of a pretraining; ``None`` for those of the entry with the outer fold's number.

        Test cases are never among them, whatever an expression matches; where they are named, it is refused.

        Args:
            study: Settings of the study.
            length: Length and settings of the pretraining.
            outer: Entry of the outer fold: pool and test cases.

        Raises:
            ValueError: Names that do not exist or are tested, or an expression that matches nothing.
        """
        if length.cases is None and not length.shared and (study.test_cases is None or self.others is None):
            return None
        tested = {plain_name(case) for case in outer["val"]}
        free = [case for case in self.cases if plain_name(case) not in tested]
        if length.cases:
            held = sorted(set(length.cases.names) & (set(self.cases) - set(free)))
            if held:
                raise ValueError(f"LEAKAGE: pretraining: cases names {listed(held)}, which the study is tested on.")
            train = chosen_cases(length.cases, free, "pretraining: cases", f"{study.seed}/pretraining")
        else:
            # What the study's dataset has and the pool has not stays unseen; further scans join.
            train = sorted(c for c in free if c in outer["train"] or c not in (self.others or self.cases))
        if length.shared and not train:
            raise ValueError(
                "pretraining: shared: every case is tested in some outer fold, so no case is left that all folds may "
                "pretrain on. Leave shared out, and every fold has a pretraining of its own."
            )
        return {"train": train, "val": self._validation(outer, train)}

    def _validation(self, outer: Split, train: list[str]) -> list[str]:
        """Cases that a pretraining is looked at with: the test cases, or those of the dataset's own first fold."""
        val = [case for case in outer["val"] if case in self.cases]
        if not val:
            val = [case for split in splits_of(self.folder)[:1] for case in split["val"] if case not in train]
        if not val:
            raise ValueError(
                f"pretraining: {self.folder.name} holds none of the study's test cases and no other case to validate "
                "with. Preprocess the study's dataset into it, too: nnunet_uad preprocess -i STUDY_DATASET UNLABELLED …"
            )
        return val


@dataclass
class StageOne:
    """The folds that a study's pretrainings are trained on.

    Attributes:
        study: Settings of the study.
        data: Dataset of stage one.
        outer: Outer fold → its entry, cases without labels included.
        entries: Entries that the study appends.
        splits: Index of a fold → its cases, of the folds that were asked for.
        pairs: Outer fold and the fold that a pretraining for it is trained on.
    """

    study: Study
    data: StageOneData
    outer: Mapping[str, Split]
    entries: Entries
    splits: dict[str, Split] = field(default_factory=dict)
    pairs: list[tuple[str, int]] = field(default_factory=list)

    def fold_of(self, length: Pretraining, number: str) -> int:
        """The index of the fold that a pretraining is trained on.

        Args:
            length: Length and settings of the pretraining.
            number: Index of the outer fold.

        Raises:
            ValueError: The dataset of stage one has no such fold.
        """
        outer = _untested(self.outer) if length.shared else self.outer[number]
        split, index = self.data.split(self.study, length, outer), int(number)
        if split is not None:
            index = self.entries.index(entry_id(split), self.data.folder, split)
        elif self.data.others is None:
            split = self.outer[number]
        else:
            split = self._split_of_the_other(index)
        self.splits[str(index)] = split
        if (number, index) not in self.pairs:
            self.pairs.append((number, index))
        return index

    def _split_of_the_other(self, index: int) -> Split:
        folder, splits = self.data.folder, splits_of(self.data.folder)
        if index >= len(splits):
            raise ValueError(
                f"pretraining: {folder.name} has {len(splits)} folds and none numbered {index}. Preprocess it with "
                "the plans of the study's dataset, whose folds it then gets: nnunet_uad preprocess --like …"
            )
        return splits[index]


def _untested(outer: Mapping[str, Split]) -> Split:
    """All outer folds as one: the cases that none of them tests, and those that any does."""
    tested = {case for split in outer.values() for case in split["val"]}
    return {"train": sorted({c for s in outer.values() for c in s["train"]} - tested), "val": sorted(tested)}


def entry_id(split: Split) -> str:
    """A name that says nothing but what the entry holds: arms may come and go, it stays."""
    return f"pretraining_{hashlib.sha256(json.dumps(split).encode()).hexdigest()[:12]}"


def appended_folds(folder: Path) -> set[int]:
    """Indices of entries that studies appended for themselves.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
    """
    path = folder / APPENDED_FILE
    fix = "It lists the entries of splits_final.json that studies appended: restore it, or write []."
    return set(read_as(list[int], path, fix)) if path.is_file() else set()


def remember_appended(folder: Path, entries: Collection[Mapping[str, Any]]) -> None:
    """Say that entries belong to a study: ``folds: all`` of another one leaves them out.

    Args:
        folder: Folder of the dataset in nnUNet_preprocessed.
        entries: Entries with their ``index``.
    """
    known = appended_folds(folder)
    new = {int(entry["index"]) for entry in entries} - known
    if new:
        write_json(folder / APPENDED_FILE, sorted(known | new))
