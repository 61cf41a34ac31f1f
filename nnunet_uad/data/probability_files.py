"""Probabilities as ``nnUNetv2_predict --save_probabilities`` writes them, as lesion scores."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

ENDING = ".npz"
#: Name of the array in a file.
_KEY = "probabilities"
#: What readers of broken archives raise.
_UNREADABLE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    MemoryError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def probabilities_in(folders: Iterable[Path]) -> dict[str, Path]:
    """Files ``<case>.npz`` by case.

    Args:
        folders: Folders to look into.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A case is in two folders, or a folder has none.
    """
    result: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}.")
        files = {p.name[: -len(ENDING)]: p for p in sorted(folder.glob(f"*{ENDING}"))}
        if not files:
            raise ValueError(
                f"{folder} holds no probabilities (<case>{ENDING}). Predict with them: nnUNetv2_predict "
                "--save_probabilities …, or nnUNetv2_train … --val --npz"
            )
        twice = sorted(set(result) & set(files))
        if twice:
            raise ValueError(f"Probabilities of {', '.join(twice[:5])} are in more than one of the folders.")
        result |= files
    return result


def lesion_probability(path: Path, shape: tuple[int, ...], lesion_labels: Sequence[int] = ()) -> np.ndarray:
    """Probability of a lesion at every voxel of an image.

    A softmax (channels sum to 1) gives 1 − the background's probability, or the sum over ``lesion_labels`` if some are
    named. Region-based models, whose channels are independent, give the highest of their probabilities.

    Args:
        path: File with ``probabilities`` (classes or regions, z, y, x) on the grid of the raw image.
        shape: Shape (z, y, x) or (y, x) of the labels, which is expected.
        lesion_labels: Label values that count as lesion; all but the background if empty.

    Returns:
        Probabilities, float32 (z, y, x), or (y, x) where the labels have two axes.

    Raises:
        ValueError: The file is unreadable, holds no probabilities or lies on another grid, or the model does not know
            the labels.
    """
    probabilities = _read(path, shape)
    unknown = [label for label in lesion_labels if label >= len(probabilities)]
    if unknown and _is_softmax(probabilities):
        raise ValueError(
            f"{path.name} has the classes 0 to {len(probabilities) - 1}, without {', '.join(map(str, unknown))}."
        )
    return combined_probability(probabilities, lesion_labels)


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The probabilities of a file; what its header says is judged before memory is taken for it."""
    try:
        claimed = _claimed_shape(path)
        if claimed[1:] in (shape, (1, *shape)):
            with np.load(path, allow_pickle=False) as content:
                probabilities = content[_KEY].reshape(claimed[0], *shape)
    except _UNREADABLE as error:
        raise ValueError(f"{path.name} is not a readable file of nnU-Net's --save_probabilities ({error}).") from error
    if claimed[1:] not in (shape, (1, *shape)):
        raise ValueError(
            f"{path.name} has the grid {claimed[1:]}, its labels {shape}. Predict the images that the labels belong to."
        )
    if not np.isfinite(probabilities).all():
        raise ValueError(f"{path.name} holds NaN or infinite values. Predict the case again.")
    return probabilities


def _claimed_shape(path: Path) -> tuple[int, ...]:
    """The shape that a file's header names, which must be as long as what follows."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{_KEY}.npy") as member:
        first = np.lib.format.read_magic(member) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(member)
        size = archive.getinfo(f"{_KEY}.npy").file_size - member.tell()
    if dtype.kind not in "fui" or size != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"it claims {shape} values of the type {dtype} and holds {size} bytes")
    return shape


def combined_probability(probabilities: np.ndarray, lesion_labels: Sequence[int] = ()) -> np.ndarray:
    """As :func:`lesion_probability`, of the array itself.

    Args:
        probabilities: Probabilities (classes or regions, *spatial).
        lesion_labels: Label values that count as lesion; all but the background if empty.

    Returns:
        Probabilities (*spatial,), float32.

    Example:
        >>> combined_probability(np.array([[0.7], [0.1], [0.2]]), lesion_labels=[2]).round(3).tolist()
        [0.20000000298023224]
    """
    if not _is_softmax(probabilities):
        return probabilities.max(0).astype(np.float32)
    if not lesion_labels:
        return (1 - probabilities[0].astype(np.float32)).astype(np.float32)
    return probabilities[list(lesion_labels)].sum(0).astype(np.float32)


def _is_softmax(probabilities: np.ndarray) -> bool:
    return np.allclose(probabilities.sum(0, dtype=np.float64), 1, atol=0.02)
