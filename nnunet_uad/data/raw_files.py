"""The raw files of one case: whole, without NaN, one volume each, all on one grid; labels that are whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK

from nnunet_uad.common.whole_image import atomic_image, write_image
from nnunet_uad.data.grids import SIMPLEITK, grid_difference, grid_of
from nnunet_uad.data.image_files import COLOURS
from nnunet_uad.data.whole_files import check_whole

#: How far a label may lie from a whole number: labels stored as floats, or as numbers with a scale.
ROUNDING = 1e-3


def check_case(
    images: Sequence[str | Path], label: str | Path | None = None, reader: str = SIMPLEITK, channels: int = 0
) -> None:
    """Refuse a case whose files nnU-Net would read without a word, or with a warning, though they do not belong.

    Args:
        images: Files of the images, one per channel.
        label: File of the labels, if there are any.
        reader: Reader of the headers, :data:`~nnunet_uad.data.grids.SIMPLEITK` or
            :data:`~nnunet_uad.data.grids.NIBABEL`.
        channels: Number of channels that are expected; as many as there are files if 0.

    Raises:
        ValueError: A file is cut short, damaged, holds NaN or several volumes, or lies on another grid than the first.
        FileNotFoundError: A file is missing.
    """
    first, *others = [Path(p) for p in images]
    for path in (first, *others):
        check_whole(path)
        _check_volumes(path, reader, len(images), channels or len(images))
    if label is not None:
        check_whole(Path(label))
        _check_volumes(Path(label), reader, 1, 1)
        others.append(Path(label))
    for path in others:
        difference = grid_difference(path, first, (reader,))
        if difference:
            what = "The labels" if label is not None and path == Path(label) else "Channels of one case"
            raise ValueError(
                f"{path.name} has {difference}, as in {first.name}. {what} must lie on the grid of the image: resample "
                "the file to it, or correct its header if the voxels do correspond."
            )


def _check_volumes(path: Path, reader: str, files: int, channels: int) -> None:
    volumes = grid_of(path, reader).volumes
    colours = path.name.lower().endswith(COLOURS)
    expected = channels if files == 1 and colours else 1
    if volumes != expected:
        raise ValueError(
            f"{path.name} holds {volumes} {'colours' if colours else 'volumes'} where {expected} was expected. nnU-Net "
            "wants a file per channel, _0000, _0001 and so on: split it, or keep the part that the model needs."
        )


def label_values(dataset_json: Mapping[str, Any]) -> dict[int, str]:
    """Values that labels may have: value → name.

    Args:
        dataset_json: Content of the dataset's ``dataset.json``.

    Example:
        >>> label_values({"labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}})
        {0: 'background', 1: 'whole', 2: 'core', 3: 'ignore'}
    """
    values: dict[int, str] = {}
    for name, value in dataset_json["labels"].items():
        regions = value if isinstance(value, (list, tuple)) else [value]
        for v in regions:
            if int(v) not in values or len(regions) == 1:
                values[int(v)] = str(name)
    return values


def whole_numbers(values: np.ndarray, name: str) -> np.ndarray:
    """Labels as integers, of files that store them as floats.

    Args:
        values: Values of a label file, any shape.
        name: Name of the file, for the error.

    Raises:
        ValueError: A value is no whole number.
    """
    if np.issubdtype(values.dtype, np.integer) or values.dtype == bool:
        return values
    rounded = np.rint(values)
    apart = ~(np.abs(values - rounded) <= ROUNDING)
    if apart.any():
        raise ValueError(
            f"{name} holds {float(values[apart][0]):g}, which is no label: labels are whole numbers. Interpolated "
            "labels must be made anew, with nearest-neighbour interpolation."
        )
    return rounded.astype(np.int32)


def check_labels(values: np.ndarray, known: Mapping[int, str], name: str) -> None:
    """Refuse labels that the dataset does not know.

    Args:
        values: Labels as integers, any shape.
        known: Value → name, of :func:`label_values`.
        name: Name of the file, for the error.

    Raises:
        ValueError: There are other values.
    """
    unknown = sorted({int(v) for v in np.unique(values)} - set(known))
    if unknown:
        expected = ", ".join(f"{v} ({n})" for v, n in sorted(known.items()))
        raise ValueError(
            f"{name} holds the label {_few(unknown)}, which dataset.json does not know; it has {expected}. Correct the "
            "labels, or name them in the dataset.json of the dataset that is preprocessed like."
        )


def _few(values: Iterable[int]) -> str:
    listed = [str(v) for v in values]
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def write_whole_numbers(source: Path, target: Path) -> bool:
    """Write a copy of a label file whose values are integers, where the file itself stores them as floats.

    Args:
        source: File of the labels.
        target: File to write, of the same format.

    Returns:
        Whether a copy was written; a file that holds integers is left alone.

    Raises:
        ValueError: A value is no whole number.
    """
    if source.name.lower().endswith((".nii", ".nii.gz")):
        image: Any = nibabel.load(source)
        if np.issubdtype(image.dataobj.dtype, np.integer) and (image.dataobj.slope, image.dataobj.inter) == (1, 0):
            return False
        values = whole_numbers(np.asanyarray(image.dataobj), source.name)
        header = image.header.copy()
        header.set_data_dtype(np.int32)
        header.set_slope_inter(1, 0)
        with atomic_image(target) as temporary:
            nibabel.save(type(image)(values.astype(np.int32), None, header), temporary)
        return True
    read = SimpleITK.ReadImage(str(source))
    values = SimpleITK.GetArrayViewFromImage(read)
    if np.issubdtype(values.dtype, np.integer):
        return False
    made = SimpleITK.GetImageFromArray(whole_numbers(values, source.name))
    made.CopyInformation(read)
    write_image(made, target)
    return True
