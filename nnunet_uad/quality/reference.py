"""The training scans as a reference: their numbers, each by the others, and their mean image; no names of cases."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_uad.quality.array_file import read_arrays, write_arrays
from nnunet_uad.quality.likeness import TURNS, MeanScan, likeness_numbers, turn_margins
from nnunet_uad.quality.profile import CUBE, Profile

#: Scans that a reference needs: one to judge, and two to judge it by.
LEAST_SCANS = 3
#: Raised whenever a descriptor changes: older references are made anew.
VERSION = 1
#: A way of turning is told from the right one where the training scans fit better as they lie by this much.
_TELLING = 0.05
#: A further reversal must fit better by this much to be believed.
_STEP = 0.02


@dataclass(frozen=True)
class Setup:
    """How scans of a dataset are read.

    Attributes:
        channels: Names of the channels, in their order.
        file_ending: Ending of the images' names.
        reader: Name of nnU-Net's reader.
        absolute: Whether the network sees the intensities of each channel as they are.
    """

    channels: tuple[str, ...]
    file_ending: str
    reader: str
    absolute: tuple[bool, ...]

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.absolute):
            raise ValueError(f"absolute expects {len(self.channels)} values, found {len(self.absolute)}.")


@dataclass(frozen=True)
class _Record:
    """What the file of a reference says beside its arrays."""

    version: int
    setup: Setup
    names: tuple[str, ...]
    telling: tuple[int, ...]
    axes: tuple[str, ...]
    left_out: int
    made_of: str
    dataset: str = ""


@dataclass(frozen=True)
class Reference:
    """Training scans, summarised.

    Attributes:
        setup: Way of reading scans.
        names: Names of the numbers, D.
        values: Numbers (N, D) of the training scans, those of likeness to the others.
        mean: Mean of the training scans.
        telling: Indices of the ways of turning that the training scans are told from.
        axes: Directions of the axes by the headers, one per training scan.
        left_out: Number of training scans without a channel, which are no reference.
        made_of: Hash of the files that it was made of.
        dataset: Name of the dataset; empty in the files of earlier versions.
    """

    setup: Setup
    names: tuple[str, ...]
    values: np.ndarray
    mean: MeanScan
    telling: tuple[int, ...]
    axes: tuple[str, ...]
    left_out: int = 0
    made_of: str = ""
    dataset: str = ""

    @classmethod
    def of(cls, profiles: Sequence[Profile], setup: Setup, made_of: str = "", dataset: str = "") -> Reference:
        """Make a reference.

        Args:
            profiles: Profiles of the training scans.
            setup: Way of reading scans.
            made_of: Hash of their files.
            dataset: Name of their dataset.

        Raises:
            ValueError: There are too few scans.
        """
        good = [p for p in profiles if not p.faults]
        if len(good) < LEAST_SCANS:
            raise ValueError(
                f"A reference needs {LEAST_SCANS} complete training scans or more, found {len(good)}: with fewer "
                "nobody knows what is usual."
            )
        mean = MeanScan.of(good)
        others = [mean.without(p, len(good)) for p in good]
        margins = np.stack([turn_margins(p, m) for p, m in zip(good, others, strict=True)])
        telling = tuple(int(k) for k in np.flatnonzero(np.median(margins, axis=0) > _TELLING))
        rows = [_numbers(p, m, telling) for p, m in zip(good, others, strict=True)]
        names = tuple(rows[0])
        values = np.array([[row[name] for name in names] for row in rows])
        axes = tuple(p.axes for p in good)
        return cls(setup, names, values, mean, telling, axes, len(profiles) - len(good), made_of, dataset)

    def numbers(self, profile: Profile) -> np.ndarray:
        """Numbers (D,) of a new scan without faults.

        Args:
            profile: Profile of the scan.
        """
        found = _numbers(profile, self.mean, self.telling)
        return np.array([found[name] for name in self.names])

    def best_turn(self, profile: Profile) -> int:
        """Index of the way of turning in which a scan fits best.

        Args:
            profile: Profile of the scan.
        """
        margins = turn_margins(profile, self.mean)
        # Of ways that fit alike, as with left and right reversed besides, the simplest is told.
        steps = [len(turn.flipped) + (turn.order != (0, 1, 2)) for turn in TURNS]
        return min(self.telling or range(len(TURNS)), key=lambda k: float(margins[k]) + _STEP * steps[k])

    def strange_axes(self, axes: str) -> bool:
        """Whether no training scan has these directions of axes, while every training scan has company.

        Args:
            axes: Directions of the axes of a new scan.
        """
        counts = Counter(self.axes)
        return axes not in counts and min(counts.values()) > 1

    def write(self, path: Path) -> None:
        """Write the reference.

        Args:
            path: File to write.
        """
        of = (self.left_out, self.made_of, self.dataset)
        record = _Record(VERSION, self.setup, self.names, self.telling, self.axes, *of)
        arrays = {"values": self.values, "cube": self.mean.cube, "mask": self.mean.mask}
        write_arrays(path, {k: a.astype(np.float32) for k, a in arrays.items()}, dataclasses.asdict(record))

    @classmethod
    def read(cls, path: Path, fix: str) -> Reference:
        """Read a reference.

        Args:
            path: File to read.
            fix: Sentence that says what to do, for the errors.

        Raises:
            FileNotFoundError: The file does not exist.
            ValueError: The file is damaged, or of another version; names it.
        """
        arrays, record = read_arrays(path, _Record, {"values": 2, "cube": 4, "mask": 3}, fix)
        if record.version != VERSION:
            raise ValueError(f"{path} is of version {record.version} of the reference, {VERSION} is expected. {fix}")
        values = arrays["values"].astype(np.float64)
        cube, mask = (arrays[k].astype(np.float64) for k in ("cube", "mask"))
        expected = ((len(record.axes), len(record.names)), (len(record.setup.channels), *(CUBE,) * 3), (CUBE,) * 3)
        if (values.shape, cube.shape, mask.shape) != expected:
            raise ValueError(f"{path} is damaged: its arrays do not fit its record. {fix}")
        return cls(
            record.setup,
            record.names,
            values,
            MeanScan(cube, mask),
            record.telling,
            record.axes,
            record.left_out,
            record.made_of,
            record.dataset,
        )


def _numbers(profile: Profile, mean: MeanScan, telling: Sequence[int]) -> dict[str, float]:
    numbers = {**profile.numbers, **likeness_numbers(profile, mean)}
    if telling:
        numbers["upright"] = float(turn_margins(profile, mean)[list(telling)].min())
    return numbers
