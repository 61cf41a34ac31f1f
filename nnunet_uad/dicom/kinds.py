"""Which files of a folder belong to which case, and whether they hold labels or values, by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_uad.data.image_files import images_in
from nnunet_uad.data.raw_files import label_values, whole_numbers

#: What is written of a map or of labels that name nothing.
ANOMALY = "anomaly"


@dataclass(frozen=True)
class Kind:
    """A kind of file, as ``predict``, ``screen`` and nnUNetv2_predict write them.

    Attributes:
        ending: Regular expression of what follows the case in the name.
        words: Words for the description of the series.
        number: Number of the series.
        labels: Whether it holds labels; ``None`` if its type says.
        numbered: Whether labels count findings instead of naming classes.
    """

    ending: str
    words: str
    number: int
    labels: bool | None
    numbered: bool = False


#: Kinds of files, a row each.
KINDS = (
    Kind("", "segmentation", 9001, None),
    Kind("_mask", "anomaly mask", 9002, True),
    Kind("_unknown", "unknown findings", 9003, True, numbered=True),
    Kind("_map", "anomaly map", 9004, False),
    Kind("_combined", "score of known and unknown", 9005, False),
    Kind(r"_reconstruction_(\d{4})", "reconstruction", 9100, False),
    Kind(r"_residual_(\d{4})", "residual", 9200, False),
)


@dataclass(frozen=True)
class CaseFile:
    """A file of a case.

    Attributes:
        path: File of the image.
        name: Name without ending.
        case: Name of the case.
        kind: Kind of the file.
        channel: Number of the channel; −1 of a file of all channels.
    """

    path: Path
    name: str
    case: str
    kind: Kind
    channel: int = -1

    @property
    def words(self) -> str:
        """Words for the description of the series."""
        return self.kind.words if self.channel < 0 else f"{self.kind.words}, channel {self.channel}"

    @property
    def series_number(self) -> int:
        """Number of the series."""
        return self.kind.number + max(0, self.channel)


def files_of_cases(folder: Path, cases: Collection[str]) -> tuple[list[CaseFile], list[str]]:
    """Files of a folder that belong to cases, and the names of those that do not; pictures are passed over.

    Args:
        folder: Folder of maps, masks or segmentations.
        cases: Names of the cases.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder holds no image, or one name in two formats.
    """
    files: list[CaseFile] = []
    others: list[str] = []
    for name, path in images_in(folder).items():
        if path.suffix.lower() == ".png":
            continue
        # The longest: one case may be called as another's map.
        for case in sorted((c for c in cases if name.startswith(c)), key=len, reverse=True):
            found = [(k, m) for k in KINDS if (m := re.fullmatch(k.ending, name[len(case) :]))]
            if found:
                kind, match = found[0]
                files.append(CaseFile(path, name, case, kind, int(match[1]) if match.groups() else -1))
                break
        else:
            others.append(path.name)
    return files, others


def segments_of(file: CaseFile, values: np.ndarray, dataset: Mapping[str, object] | None) -> dict[int, str] | None:
    """Names of the labels of a file: value → name, from 1 on; ``None`` if it holds values instead.

    Args:
        file: File of a case.
        values: Values (z, y, x) of the file.
        dataset: Content of the ``dataset.json`` that names the labels, if there is one.

    Raises:
        ValueError: Labels are no whole numbers, below 0, or not among those that the dataset names.
    """
    if file.kind.labels is False or (file.kind.labels is None and np.issubdtype(values.dtype, np.inexact)):
        return None
    found = [int(v) for v in np.unique(whole_numbers(values, file.path.name))]
    if found[0] < 0:
        raise ValueError(f"{file.path.name} holds the label {found[0]}; labels are whole numbers from 0 on.")
    there = [v for v in found if v > 0]
    if file.kind.numbered:
        return {v: f"unknown finding {v}" for v in there} or {1: "unknown finding"}
    if file.kind.labels:
        return dict.fromkeys(there or [1], ANOMALY) if len(there) < 2 else {v: f"{ANOMALY} {v}" for v in there}
    if dataset is None:
        return {v: f"label {v}" for v in there or [1]}
    named = {v: name for v, name in sorted(label_values(dataset).items()) if v > 0 and name != "ignore"}
    if strange := [v for v in there if v not in named]:
        raise ValueError(
            f"{file.path.name} holds the label {strange[0]}, which dataset.json does not name; it has "
            f"{', '.join(f'{v} ({n})' for v, n in named.items())}. Name the right dataset: -d DATASET"
        )
    return named
