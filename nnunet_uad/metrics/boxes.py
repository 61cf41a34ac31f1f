"""Boxes around masks: what lies outside need not be looked at."""

from __future__ import annotations

import numpy as np


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box that holds every voxel of a mask; an empty one of an empty mask.

    Args:
        mask: Mask of any shape, boolean.

    Example:
        >>> bounding_box(np.array([[False, False, False], [False, True, True]]))
        (slice(1, 2, None), slice(1, 3, None))
    """
    box: list[slice] = []
    for axis in range(mask.ndim):
        # Axis by axis on what is left, so that most of a volume is looked at once.
        inside = mask[tuple(box)].any(axis=tuple(k for k in range(mask.ndim) if k != axis))
        held = np.flatnonzero(inside)
        box.append(slice(int(held[0]), int(held[-1]) + 1) if len(held) else slice(0, 0))
    return tuple(box)
