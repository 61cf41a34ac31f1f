"""Which validation cases may calibrate: those that neither model was trained on, the same scans for both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from nnunet_uad.data.splits import splits_of
from nnunet_uad.inference.model import training_records
from nnunet_uad.inference.predict import watch_for_copies
from nnunet_uad.training.cases import CASES_FILE, TrainedCases
from nnunet_uad.weights.case_names import SeenCases
from nnunet_uad.weights.leakage import Overlap, unknown_bases, unknown_cases
from nnunet_uad.weights.names import FILE_NAME

_CONSEQUENCE = "more is called unknown than is promised"


class UnseenCases:
    """What the folds of both models were trained on, read once.

    Args:
        known: Folders of the folds of the supervised model.
        map: Folders of the folds of the pretrainer.

    Raises:
        ValueError: A record or the splits are damaged.
    """

    def __init__(self, known: Sequence[Path], map: Sequence[Path]) -> None:
        self.trained = {fold: TrainedCases.read(fold) for fold in (*known, *map)}
        self.records = {fold: training_records([fold]) for fold in map}
        self.splits = {fold: _split(fold) for fold in known}

    def why_not(self, case: str, of_map: Path, of_known: Path) -> str:
        """Why a case may not calibrate; empty if it may.

        Args:
            case: Identifier of the case.
            of_map: Folder of the pretrainer's fold that was validated on it.
            of_known: Folder of the supervised fold that was validated on it.
        """
        theirs, ours = ({case: self._fingerprints(fold, case)} for fold in (of_map, of_known))
        same_dataset = of_map.parents[1].name == of_known.parents[1].name
        if not same_dataset and not Overlap.between(theirs, ours, same_dataset=False):
            return "another image under the same name"
        measured = theirs if theirs[case] else ours
        if Overlap.of(self.records[of_map], measured):
            return _trained_on_it(of_map)
        for fold in (of_map, of_known):
            if fold.name == "fold_all" or Overlap.between(self._trained_on(fold), measured):
                return _trained_on_it(fold)
        return ""

    def unchecked(self) -> list[str]:
        """Warnings about folds of which nobody knows what they were trained on."""
        reasons = {
            fold: f"{FILE_NAME} and {CASES_FILE} are missing there"
            for fold, found in self.records.items()
            if not found and self.trained[fold] is None and fold.name != "fold_all"
        }
        for fold, split in self.splits.items():
            if self.trained[fold] is None and not split and fold.name != "fold_all":
                reasons[fold] = f"{CASES_FILE} is missing there, and splits_final.json of its dataset, too"
        unknown = [unknown_cases(str(fold), _CONSEQUENCE, reason) for fold, reason in reasons.items()]
        records = [record for found in self.records.values() for record in found]
        return [f"WARNING: {words}" for words in (*unknown, *unknown_bases(records, _CONSEQUENCE))]

    def warning(self, cases: Iterable[str]) -> str:
        """What to say of screened images that the supervised model was trained on, by their names; empty if none.

        Args:
            cases: Identifiers of the screened cases.
        """
        trained = [case for fold in self.splits for case in self._trained_on(fold)]
        words = ", ".join(str(fold) for fold in self.splits)
        return Overlap.between(trained, list(cases)).in_words(words, "their segmentations are too good")

    def watch(self, trainer: str, say: Callable[[str], object]) -> Callable[[str, np.ndarray], None]:
        """A watch over screened cases: which are copies of the supervised model's training cases?

        Args:
            trainer: Name of the supervised model's trainer.
            say: Function that is told the warning.

        Returns:
            Function of a case's identifier and its image (C, z, y, x), preprocessed for the supervised model.
        """
        trained = [SeenCases.of(self._trained_on(fold)) for fold in self.splits]
        return watch_for_copies(trained, trainer, "Its segmentation does not count as that of an unseen case.", say)

    def _fingerprints(self, fold: Path, case: str) -> tuple[str, ...]:
        trained = self.trained[fold]
        return trained.val.get(case, ()) if trained else ()

    def _trained_on(self, fold: Path) -> Mapping[str, tuple[str, ...]]:
        """Training cases of a fold, as far as they are known: stock trainers write no record."""
        trained = self.trained[fold]
        return trained.train if trained else dict.fromkeys(self.splits.get(fold, ()), ())


def _trained_on_it(fold: Path) -> str:
    return f"{fold.parent.name}/{fold.name} was trained on it"


def _split(fold: Path) -> list[str]:
    """Training cases of a fold by the splits of its dataset; none where there are no such splits."""
    preprocessed = os.environ.get("nnUNet_preprocessed")
    number = fold.name.removeprefix("fold_")
    if not preprocessed or not number.isdigit():
        return []
    splits = splits_of(Path(preprocessed) / fold.parent.parent.name)
    return list(splits[int(number)]["train"]) if int(number) < len(splits) else []
