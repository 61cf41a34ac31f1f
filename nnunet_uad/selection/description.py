"""What is known of every case before anything is chosen: features, anomaly and agreement, slice by slice."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from nnunet_uad.common.files import atomic_path
from nnunet_uad.selection.encoder import Moments

#: Share of the foreground, the most anomalous, whose mean score stands for a case or slice.
HIGHEST = 0.01
#: Slices with less foreground than this share of the fullest one of their case are not worth a label.
_LEAST_FOREGROUND = 0.1


@dataclass(frozen=True)
class Description:
    """A case as the models see it.

    Attributes:
        first_slice: Index in the raw image of the first slice that nnU-Net keeps, along the axis of the plan's slices.
        raw_slices: Number of slices that it keeps.
        weight: Foreground per preprocessed slice, (slices,), of :class:`~nnunet_uad.selection.encoder.Moments`.
        first: Sums of features, (slices, features).
        second: Sums of their squares, (slices, features).
        peak: Highest values, (slices, features).
        anomaly: Mean score of the most anomalous voxels of the case, shape ().
        slice_anomaly: The same per preprocessed slice, (slices,).
        agreement: Mean Dice between the folds' segmentations, shape (); NaN without several folds.
        slice_agreement: The same per preprocessed slice, (slices,).
    """

    first_slice: np.ndarray
    raw_slices: np.ndarray
    weight: np.ndarray
    first: np.ndarray
    second: np.ndarray
    peak: np.ndarray
    anomaly: np.ndarray
    slice_anomaly: np.ndarray
    agreement: np.ndarray
    slice_agreement: np.ndarray

    @property
    def moments(self) -> Moments:
        """Features of the slices."""
        return Moments(self.weight, self.first, self.second, self.peak)

    def worthwhile_slices(self) -> list[tuple[int, int]]:
        """Slices that show enough to be labelled: index in the raw image, and the preprocessed slice that shows it."""
        count, shown = int(self.raw_slices), len(self.weight)
        pairs = [(k, min(shown - 1, int((k + 0.5) * shown / count))) for k in range(count)]
        least = _LEAST_FOREGROUND * float(self.weight.max(initial=0.0))
        return [(int(self.first_slice) + k, z) for k, z in pairs if self.weight[z] > least]

    def write(self, path: Path) -> None:
        """Write the description, whole or not at all.

        Args:
            path: File to write, ending in ``.npz``.
        """
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **vars(self))

    @classmethod
    def read(cls, path: Path) -> Description:
        """Read what :meth:`write` wrote; nothing is unpickled.

        Args:
            path: File ending in ``.npz``.

        Raises:
            ValueError: The file is damaged, or of another form; says what to do.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                found = cls(**{field.name: stored[field.name] for field in fields(cls)})
        except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} is damaged. Remove it, and run the same again.") from error
        slices = len(found.weight)
        whole = [len(getattr(found, name)) == slices for name in ("first", "second", "peak", "slice_anomaly")]
        if not all(whole) or found.first.shape != found.peak.shape or int(found.raw_slices) < 1:
            raise ValueError(f"{path} does not hold the description of a case. Remove it, and run the same again.")
        return found


def highest_mean(score: np.ndarray, foreground: np.ndarray) -> float:
    """Mean of the highest scores of the foreground, one voxel in a hundred and at least one; 0 without foreground.

    Args:
        score: Anomaly score, any shape.
        foreground: Boolean mask of the same shape.
    """
    values = score[foreground]
    if not values.size:
        return 0.0
    count = max(1, round(HIGHEST * values.size))
    return float(np.partition(values, -count)[-count:].mean())
