"""How far several segmentations of one image agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def pairwise_dice(segmentations: Sequence[np.ndarray]) -> float:
    """Mean Dice between every two segmentations, over the classes that either of them marks.

    Two that mark nothing agree: 1. Unlike the Dice with a reference it needs none, so it stands in for it where
    there is no label (Roy et al., NeuroImage 2019, https://doi.org/10.1016/j.neuroimage.2019.03.042).

    Args:
        segmentations: Whole numbers (z, y, x) of the same shape, 0 is background; at least two.

    Raises:
        ValueError: There are fewer than two.

    Example:
        >>> pairwise_dice([np.array([0, 1, 1]), np.array([0, 1, 0])])
        0.6666666666666666
    """
    if len(segmentations) < 2:
        raise ValueError(f"an agreement needs at least two segmentations, found {len(segmentations)}.")
    found = []
    for one, other in itertools.combinations(segmentations, 2):
        classes = (set(np.unique(one).tolist()) | set(np.unique(other).tolist())) - {0}
        dices = [_dice(one == c, other == c) for c in sorted(classes)]
        found.append(float(np.mean(dices)) if dices else 1.0)
    return float(np.mean(found))


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    both = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / both
