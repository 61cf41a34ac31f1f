"""Maps, labels and masks as files: which belong together, and whether their grids agree."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import cast

import nibabel
import numpy as np
import SimpleITK

from nnunet_uad.data.grids import grid_difference
from nnunet_uad.data.whole_files import check_whole

#: File endings that nnU-Net's readers accept.
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".png", ".bmp", ".tif", ".tiff")
#: Formats of photographs: one file may hold all channels, its colours.
COLOURS = (".png", ".bmp")
_NIFTI = (".nii", ".nii.gz")
MAP_SUFFIX = "_map"


def ending_of(path: Path) -> str:
    """The image ending of a path, ``""`` if it is no image.

    Example:
        >>> ending_of(Path("case_0000.nii.gz"))
        '.nii.gz'
    """
    return next((e for e in ENDINGS if path.name.lower().endswith(e)), "")


def images_in(folder: Path, suffix: str = "") -> dict[str, Path]:
    """Images of a folder: name without ending and suffix → path.

    Args:
        folder: Folder to look into; hidden files are passed over.
        suffix: End of the wanted names, before the image ending.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder holds no image, or one name in two formats.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder.")
    chosen: dict[str, Path] = {}
    for path in sorted(p for p in folder.iterdir() if ending_of(p) and p.name[0] != "."):
        name = path.name[: -len(ending_of(path))]
        if not name.endswith(suffix):
            continue
        earlier = chosen.setdefault(name.removesuffix(suffix), path)
        if earlier != path:
            raise ValueError(f"{folder} holds {earlier.name} and {path.name}: nobody knows which counts. Remove one.")
    if not chosen:
        raise ValueError(f"{folder} holds no image (expected *{suffix} with one of the endings {', '.join(ENDINGS)}).")
    return chosen


def maps_in(folders: Iterable[Path]) -> dict[str, Path]:
    """Anomaly maps by case: ``<case>_map.*`` if there are any, else every image.

    Args:
        folders: Folders to look into.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: A case has maps in two folders, or a folder has none.
    """
    result: dict[str, Path] = {}
    for folder in folders:
        try:
            maps = images_in(folder, MAP_SUFFIX)
        except ValueError:
            maps = images_in(folder)
        twice = sorted(set(result) & set(maps))
        if twice:
            raise ValueError(f"Maps of {', '.join(twice[:5])} are in more than one of the folders.")
        result |= maps
    return result


def channels_in(folder: Path) -> dict[str, dict[int, Path]]:
    """nnU-Net's images ``<case>_0000.*``: case → channel → path.

    Args:
        folder: Folder to look into.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: The folder holds no image of that form.
    """
    result: dict[str, dict[int, Path]] = {}
    for name, path in images_in(folder).items():
        match = re.fullmatch(r"(.+)_(\d{4})", name)
        if match:
            result.setdefault(match[1], {})[int(match[2])] = path
    if not result:
        raise ValueError(f"{folder} holds no image named like nnU-Net's channels, <case>_0000.nii.gz.")
    return result


def read_image(path: Path) -> SimpleITK.Image:
    """Read an image file.

    Raises:
        ValueError: SimpleITK cannot read the file.
    """
    try:
        return SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be read as an image: {str(error).strip().splitlines()[-1]}") from error


def read_values(path: Path) -> np.ndarray:
    """The values of an image file, which must be whole; what SimpleITK cannot read of NIfTI, nibabel does.

    Args:
        path: File of the image.

    Returns:
        Values as they are stored (z, y, x) or (y, x).

    Raises:
        ValueError: The file is unreadable, cut short, or holds NaN or several volumes.
        FileNotFoundError: There is no such file.
    """
    check_whole(path)
    try:
        image = read_image(path)
    except ValueError:
        # Axes that are not at right angles: SimpleITK refuses them, and nnU-Net falls back to nibabel as well.
        if ending_of(path) not in _NIFTI:
            raise
        values = np.asanyarray(cast("nibabel.Nifti1Image", nibabel.load(path)).dataobj).T
    else:
        if image.GetNumberOfComponentsPerPixel() > 1:
            raise ValueError(
                f"{path.name} holds {image.GetNumberOfComponentsPerPixel()} values per voxel where 1 was expected."
            )
        values = SimpleITK.GetArrayFromImage(image)
    volumes = math.prod(values.shape[:-3])
    if volumes > 1:
        raise ValueError(f"{path.name} holds {volumes} volumes where 1 was expected.")
    values = values.reshape(values.shape[-3:])
    if np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
        raise ValueError(f"{path.name} holds NaN or infinite values. Fix the file.")
    return values


def read_on_grid(path: Path, reference: Path, resample: bool = False) -> np.ndarray:
    """The values of an image that must lie on the grid of another.

    NIfTI describes in two ways where its voxels lie (sform and qform): files agree if they do in either.

    Args:
        path: File of the image.
        reference: File of the image whose grid is expected, usually the labels.
        resample: Whether to resample (linearly, 0 outside) where the grids differ, instead of refusing.

    Returns:
        Values, float32 (z, y, x) or (y, x).

    Raises:
        ValueError: The image is unreadable, cut short, holds NaN, or lies on another grid; both are named.
    """
    values = read_values(path)
    difference = grid_difference(path, reference)
    if difference:
        if not resample:
            raise ValueError(
                f"{path.name} has {difference}. Maps and labels must lie on the same grid; to resample it to the "
                "labels: --resample"
            )
        image = SimpleITK.Cast(read_image(path), SimpleITK.sitkFloat32)
        resampled = SimpleITK.Resample(image, read_image(reference), SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0)
        values = SimpleITK.GetArrayFromImage(resampled)
    return values.astype(np.float32, copy=False)
