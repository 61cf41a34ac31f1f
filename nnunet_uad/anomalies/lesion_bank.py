"""Lesions cut out of annotated cases, ready to be pasted elsewhere.

Example:
    >>> image, labels = np.zeros((1, 9, 32, 32), np.float32), np.zeros((9, 32, 32), np.int16)
    >>> labels[4, 10:16, 10:16] = 2
    >>> bank = LesionBank.cut([("case", image, labels)], (2.0, 2.0))
    >>> bank.cases, int((bank.lesions[0].labels == 2).sum())
    (('case',), 36)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, label
from torch.nn.functional import interpolate

from nnunet_uad.anomalies.randomness import Random, log_uniform
from nnunet_uad.anomalies.shapes import SMALLEST_LESION, Box, signed_depth

#: Width of what is cut out around a lesion, mm: its surroundings, which it is matched and blended by.
SURROUNDINGS_MM = 6.0
#: A bank holds at most so many lesions, and bytes. nnU-Net's workers share it.
MOST_LESIONS, MOST_BYTES = 5000, 2**29


@dataclass(frozen=True)
class Lesion:
    """A connected component of an annotated case, with its surroundings.

    Attributes:
        case: Identifier of the case.
        image: Image in the lesion's box (C, *box), z-score units.
        labels: Classes within the lesion (*box), 0 outside.
        healthy: Voxels that are labelled as background and inside the image's nonzero region (*box), boolean.
        depth: Depth below the lesion's edge, mm (*box); negative outside.
    """

    case: str
    image: np.ndarray
    labels: np.ndarray
    healthy: np.ndarray
    depth: np.ndarray

    @cached_property
    def voxels(self) -> int:
        """Number of voxels within the lesion."""
        return int(np.count_nonzero(self.labels))

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return self.image.nbytes + self.labels.nbytes + self.healthy.nbytes + self.depth.nbytes

    def mirrored(self, axes: Sequence[int]) -> Lesion:
        """The lesion with some spatial axes reversed.

        Args:
            axes: Indices of the axes of the box.
        """
        flip = tuple(slice(None, None, -1 if a in axes else 1) for a in range(self.labels.ndim))
        return Lesion(
            self.case, self.image[(slice(None), *flip)], self.labels[flip], self.healthy[flip], self.depth[flip]
        )

    def scaled(self, factor: float) -> Lesion:
        """The lesion made larger or smaller: linear in intensities, nearest neighbours in labels.

        Args:
            factor: Size as a multiple of the present one.
        """
        shape = self.labels.shape
        size = [max(1, round(n * factor)) for n in shape]
        if size == list(shape):
            return self
        linear = np.concatenate([self.image, self.depth[None] * np.float32(factor)])
        mode = "bilinear" if len(shape) == 2 else "trilinear"
        smooth = interpolate(torch.from_numpy(linear)[None], size, mode=mode)[0].numpy()
        exact = np.ix_(*((2 * np.arange(m) + 1) * n // (2 * m) for m, n in zip(size, shape, strict=True)))
        return Lesion(self.case, smooth[:-1], self.labels[exact], self.healthy[exact], smooth[-1])


class LesionBank:
    """Lesions by case.

    Args:
        lesions: Lesions of the bank.
        incomplete: Number of lesions that were left out because they end where nobody labelled.
        beyond: Number of lesions that were left out because the bank was full.
    """

    def __init__(self, lesions: Sequence[Lesion], incomplete: int = 0, beyond: int = 0) -> None:
        self.lesions = tuple(lesions)
        self.incomplete, self.beyond = incomplete, beyond
        by_case: dict[str, list[Lesion]] = {}
        for lesion in self.lesions:
            by_case.setdefault(lesion.case, []).append(lesion)
        self._by_case = list(by_case.values())
        self.cases = tuple(by_case)

    @classmethod
    def cut(
        cls,
        cases: Iterable[tuple[str, Any, np.ndarray]],
        spacing: Sequence[float],
        *,
        ignore: int | None = None,
        count: int = 1,
        seed: int = 0,
    ) -> LesionBank:
        """Cut the lesions out of annotated cases; where there are too many, a random choice of each case.

        Args:
            cases: Identifier, image (C, z, y, x) and labels (z, y, x) of each case; −1 outside the nonzero region.
            spacing: Voxel size of the patches, mm per axis; with two axes lesions are those of slices.
            ignore: Label of what nobody annotated.
            count: Number of the cases, among which the room is shared.
            seed: Seed of the choice.
        """
        rng = np.random.RandomState(seed % 2**32)
        kept: list[Lesion] = []
        incomplete, beyond, left_bytes = 0, 0, MOST_BYTES
        for number, (case, image, labels) in enumerate(cases):
            sharing = max(1, count - number)
            places, cut_short = _places(labels, spacing, ignore)
            incomplete += cut_short
            room, quota = left_bytes // sharing, (MOST_LESIONS - len(kept)) // sharing
            order = rng.permutation(len(places))
            own = 0
            for taken, index in enumerate(order):
                lesion = _cut(case, image, labels, places[index], spacing)
                # A case's first lesion may be larger than its share, but not than the room that is left.
                if taken >= quota or own + lesion.nbytes > (room if own else left_bytes):
                    beyond += len(order) - taken
                    break
                own += lesion.nbytes
                kept.append(lesion)
            left_bytes -= own
        return cls(kept, incomplete, beyond)

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(lesion.nbytes for lesion in self.lesions)

    def draw(self, mirror: bool, scale: tuple[float, float], room: float, rng: Random) -> Lesion:
        """A lesion: each case as likely as the others, and each lesion of the case.

        Args:
            mirror: Whether each axis is reversed as often as not.
            scale: Range of the factor of its size.
            room: Number of voxels that it should have at most; what is larger at the least factor stays so.
            rng: Generator that all randomness comes from.
        """
        lesions = self._by_case[rng.randint(len(self._by_case))]
        lesion = lesions[rng.randint(len(lesions))]
        most = (room / lesion.voxels) ** (1 / lesion.labels.ndim)
        lesion = lesion.scaled(log_uniform(rng, scale[0], min(scale[1], max(scale[0], most))))
        if not mirror:
            return lesion
        return lesion.mirrored(np.flatnonzero(rng.random_sample(lesion.labels.ndim) < 0.5).tolist())


def _places(
    labels: np.ndarray, spacing: Sequence[float], ignore: int | None
) -> tuple[list[tuple[Box, np.ndarray]], int]:
    """Boxes (z, y, x) of the complete lesions with their masks, and how many are incomplete."""
    foreground = labels > 0
    unknown = np.zeros_like(foreground) if ignore is None else labels == ignore
    foreground &= ~unknown
    if len(spacing) == 3:
        found = list(_components(foreground, unknown, spacing))
    else:
        slices = np.flatnonzero(foreground.any((1, 2)))
        found = [
            part and ((slice(int(z), int(z) + 1), *part[0]), part[1])
            for z in slices
            for part in _components(foreground[z], unknown[z], spacing)
        ]
    whole = [part for part in found if part is not None]
    return whole, len(found) - len(whole)


def _components(
    foreground: np.ndarray, unknown: np.ndarray, spacing: Sequence[float]
) -> Iterator[tuple[Box, np.ndarray] | None]:
    """Box and mask of each connected component; ``None`` for one that ends where nobody labelled."""
    everywhere = generate_binary_structure(foreground.ndim, foreground.ndim)
    components, _ = label(foreground, everywhere)
    margin = [max(2, round(SURROUNDINGS_MM / s)) for s in spacing]
    for index, tight in enumerate(find_objects(components), start=1):
        box = tuple(
            slice(max(0, b.start - m), min(n, b.stop + m))
            for b, m, n in zip(tight, margin, foreground.shape, strict=True)
        )
        mask = components[box] == index
        if mask.sum() < SMALLEST_LESION:
            continue
        nearby = unknown[box]
        yield None if nearby.any() and (binary_dilation(mask, everywhere) & nearby).any() else (box, mask)


def _cut(case: str, image: Any, labels: np.ndarray, place: tuple[Box, np.ndarray], spacing: Sequence[float]) -> Lesion:
    box, mask = place
    here, part = np.array(image[(slice(None), *box)], np.float32), labels[box]
    if len(spacing) == 2:
        here, part = here[:, 0], part[0]
    return Lesion(case, here, np.where(mask, part, 0).astype(np.int16), part == 0, signed_depth(mask, spacing))
