"""How much a scan looks like the mean of the training scans: its anatomy, its channels, and which way round it lies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, permutations, product

import numpy as np

from nnunet_uad.quality.profile import Profile

#: Intensities farther out than this many robust standard deviations are lesions or vessels, not anatomy.
_CLIP = 3.0
#: What lies outside the foreground counts as this dark where outlines are compared.
_OUTSIDE = -2.0
_AXES = "zyx"


@dataclass(frozen=True)
class Turn:
    """A way in which the voxel array of a scan may be turned.

    Attributes:
        order: Axes of the scan in the order in which they are to be taken.
        flipped: Axes, after that, that are to be reversed.
    """

    order: tuple[int, ...]
    flipped: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name in tables: ``zxy, y reversed``."""
        flips = "".join(_AXES[k] for k in self.flipped)
        return "".join(_AXES[k] for k in self.order) + (f", {flips} reversed" if flips else "")

    @property
    def words(self) -> str:
        """What was done to the axes, for a sentence."""
        flips = [f"axis {_AXES[k]} is reversed" for k in self.flipped]
        swapped = [] if self.order == (0, 1, 2) else ["the axes are in another order"]
        return " and ".join(swapped + flips)

    def of(self, cube: np.ndarray) -> np.ndarray:
        """Turn a cube.

        Args:
            cube: Image (C, n, n, n).
        """
        turned = cube.transpose(0, *(1 + k for k in self.order))
        return np.flip(turned, tuple(1 + k for k in self.flipped)) if self.flipped else turned


#: All ways of turning but leaving it as it is. Which of them a cohort can tell is for :mod:`reference` to find out.
TURNS = tuple(
    turn
    for order in permutations(range(3))
    for flips in product((False, True), repeat=3)
    if (turn := Turn(order, tuple(k for k in range(3) if flips[k]))) != Turn((0, 1, 2), ())
)


@dataclass(frozen=True)
class MeanScan:
    """Mean of the profiles of several scans.

    Attributes:
        cube: Mean image (C, 32, 32, 32) of the standardised foregrounds, 0 outside.
        mask: Share of the scans (32, 32, 32) whose foreground is there.
    """

    cube: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(cls, profiles: Iterable[Profile]) -> MeanScan:
        """Mean of profiles.

        Args:
            profiles: Profiles, at least one.
        """
        cubes, masks = zip(*((clipped(p), p.mask) for p in profiles), strict=True)
        return cls(np.stack(cubes).astype(np.float64).mean(0), np.stack(masks).astype(np.float64).mean(0))

    def without(self, profile: Profile, count: int) -> MeanScan:
        """The mean of the others.

        Args:
            profile: Profile of one of the scans.
            count: Number of scans that this is the mean of, at least 2.
        """
        cube = (self.cube * count - clipped(profile)) / (count - 1)
        return MeanScan(cube, (self.mask * count - profile.mask) / (count - 1))


def clipped(profile: Profile) -> np.ndarray:
    """The cube (C, 32, 32, 32) of a profile without extremes.

    Args:
        profile: Profile of a scan.
    """
    return np.clip(profile.cube, -_CLIP, _CLIP)


def likeness_numbers(profile: Profile, mean: MeanScan) -> dict[str, float]:
    """Correlations with the mean scan, and by how much they exceed those with other channels.

    Args:
        profile: Profile of a scan.
        mean: Mean of scans that it is not one of.
    """
    both = profile.mask & (mean.mask > 0.5)
    numbers = {"outline": float(2 * np.minimum(profile.mask, mean.mask).sum() / (profile.mask + mean.mask).sum())}
    between = channel_likeness(profile, mean, both)
    for index, row in enumerate(between):
        numbers[f"likeness:{index}"] = float(row[index])
        if len(row) > 1:
            numbers[f"own channel:{index}"] = float(row[index] - np.delete(row, index).max())
    if len(between) > 1:
        pairs = combinations(range(len(between)), 2)
        numbers["order"] = float(
            min((between[i, i] + between[j, j] - between[i, j] - between[j, i]) / 2 for i, j in pairs)
        )
    return numbers


def channel_likeness(profile: Profile, mean: MeanScan, both: np.ndarray | None = None) -> np.ndarray:
    """Correlation (C, C) of each channel of a scan with each mean channel, inside the foreground of both.

    Args:
        profile: Profile of a scan.
        mean: Mean scan.
        both: Foreground of both (32, 32, 32), boolean; computed if ``None``.
    """
    both = profile.mask & (mean.mask > 0.5) if both is None else both
    if both.sum() < 2:
        return np.zeros((len(mean.cube),) * 2)
    ours, theirs = (_standard(cube[:, both]) for cube in (clipped(profile), mean.cube))
    return ours @ theirs.T


def turn_margins(profile: Profile, mean: MeanScan) -> np.ndarray:
    """By how much the scan fits the mean scan better as it lies than turned, in every way of :data:`TURNS`.

    Args:
        profile: Profile of a scan.
        mean: Mean scan.

    Returns:
        Differences (47,) of correlations, outline included: below 0 where it would fit better when turned.
    """
    ours = clipped(profile) + _OUTSIDE * ~profile.mask
    theirs = _standard((mean.cube + _OUTSIDE * (1 - mean.mask)).reshape(len(mean.cube), -1)).ravel()
    ours = _standard(ours.reshape(len(ours), -1)).reshape(ours.shape)
    count = len(ours)
    turned = np.array([turn.of(ours).ravel() @ theirs for turn in TURNS])
    return (ours.ravel() @ theirs - turned) / count


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows with mean 0 and length 1, so that their products are correlations; rows of one value become 0."""
    centred = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)
