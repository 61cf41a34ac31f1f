"""Annotated cases and healthy patches in one dataset, in a fixed proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from nnunet_uad.anomalies.randomness import numpy_random

#: Label of the healthy voxels of a patch that a synthetic lesion is to be put into; no dataset has so many classes.
HEALTHY_MARKER = 10_000
#: Marks the entries of a dataset that stand for healthy patches of a case.
PREFIX = "healthy patch of "


class HealthyPatches:
    """Cases cut down to the neighbourhood of a healthy place, drawn anew each time a case is loaded.

    Whatever patch nnU-Net's loader then takes is healthy, wherever it is centred. Its voxels carry
    :data:`HEALTHY_MARKER`.

    Args:
        dataset: Any nnU-Net dataset.
        locations: Healthy centres per case, rows of (0, z, y, x).
        patch_size: Voxels that the loader cuts out, per axis; two axes for slices.
        annotated: Key under which the loader looks for annotated voxels where there is an ignore label.
    """

    def __init__(
        self, dataset: Any, locations: Mapping[str, np.ndarray], patch_size: Sequence[int], annotated: tuple | None
    ) -> None:
        self.dataset = dataset
        self.locations = {key: value for key, value in locations.items() if len(value)}
        self.patch_size = (1, *patch_size) if len(patch_size) == 2 else tuple(patch_size)
        self.slices = len(patch_size) == 2
        self.annotated = annotated

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        """Image, marked segmentation and properties of a healthy place of the case."""
        data, seg, seg_prev, properties = self.dataset.load_case(identifier)
        rows = self.locations[identifier]
        centre = rows[numpy_random().randint(len(rows))][1:]
        box = [slice(None)]
        for axis, (c, n, p) in enumerate(zip(centre, data.shape[1:], self.patch_size, strict=True)):
            if self.slices and axis > 0:
                box.append(slice(0, n))
                continue
            low = max(0, int(c) - p // 2)
            box.append(slice(low, min(n, low + p)))
        place = np.array([[0, *(int(c) - b.start for c, b in zip(centre, box[1:], strict=True))]])
        # Labels of few classes are stored in a byte, which cannot hold the marker.
        labels = np.asarray(seg[tuple(box)]).astype(np.int16)
        marked = np.where(labels == 0, np.int16(HEALTHY_MARKER), labels)
        locations = {1: place} if self.annotated is None else {1: place, self.annotated: place}
        return np.asarray(data[tuple(box)]), marked, seg_prev, {**properties, "class_locations": locations}


class MixedDataset:
    """An nnU-Net dataset of annotated cases and healthy patches.

    The loader draws entries with equal probability; entries are repeated so that the share comes out.

    Args:
        annotated: Dataset of nnU-Net with the annotated cases; may be empty when ``share`` is 1.
        healthy: Healthy patches.
        share: Share of the entries that are healthy patches, from 0 to 1.

    Raises:
        ValueError: A share above 0 without healthy patches, or below 1 without annotated cases.
    """

    def __init__(self, annotated: Any, healthy: HealthyPatches, share: float) -> None:
        self.annotated, self.healthy = annotated, healthy
        names = [PREFIX + key for key in healthy.locations]
        if share > 0 and not names:
            raise ValueError("There is no healthy patch.")
        if share < 1 and not annotated.identifiers:
            raise ValueError("There is no annotated case.")
        ratio = Fraction(share).limit_denominator(100)
        # Each annotated entry a times and each healthy one b times: b·h : a·n = ratio : 1 − ratio.
        weight = (ratio.denominator - ratio.numerator) * max(1, len(names))
        repeat = ratio.numerator * max(1, len(annotated.identifiers))
        divisor = int(np.gcd(weight, repeat)) or 1
        self.identifiers = [*annotated.identifiers] * (weight // divisor) + names * (repeat // divisor)

    def load_case(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        """An annotated case as it is, or a healthy place of a case."""
        if identifier.startswith(PREFIX):
            return self.healthy.load_case(identifier.removeprefix(PREFIX))
        return self.annotated.load_case(identifier)

    def __getitem__(self, identifier: str) -> tuple[Any, Any, Any, dict]:
        return self.load_case(identifier)
