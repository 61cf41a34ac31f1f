"""Maps, labels and masks as files: which belong together, and whether their grids agree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
import SimpleITK

#: File endings that nnU-Net's readers accept.
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".png", ".bmp", ".tif", ".tiff")
_WITHOUT_HEADER = (".png", ".bmp", ".tif", ".tiff")
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
        ValueError: The folder holds no image.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder.")
    images = {p.name[: -len(ending_of(p))]: p for p in sorted(folder.iterdir()) if ending_of(p) and p.name[0] != "."}
    chosen = {name.removesuffix(suffix): path for name, path in images.items() if name.endswith(suffix)}
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


def has_hidden_nan(path: Path) -> bool:
    """Whether a NIfTI file holds NaN or infinity: SimpleITK, and so nnU-Net's default reader, turns them into 0."""
    if ending_of(path) not in (".nii", ".nii.gz"):
        return False
    stored: Any = cast("nibabel.Nifti1Image", nibabel.load(path)).dataobj
    return bool(np.issubdtype(stored.dtype, np.floating) and not np.isfinite(np.asarray(stored)).all())


def read_on_grid(path: Path, reference: SimpleITK.Image, resample: bool = False) -> np.ndarray:
    """The values of an image that must lie on the grid of another.

    Args:
        path: File of the image.
        reference: Image whose grid is expected, usually the labels.
        resample: Whether to resample (linearly, 0 outside) where the grids differ, instead of refusing.

    Returns:
        Values, float32 (z, y, x) or (y, x).

    Raises:
        ValueError: The image is unreadable, holds NaN, or lies on another grid; both are named.
    """
    image = read_image(path)
    difference = _grid_difference(image, reference, header=ending_of(path) not in _WITHOUT_HEADER)
    if difference:
        if not resample:
            raise ValueError(
                f"{path.name} has {difference}. Maps and labels must lie on the same grid; to resample it to the "
                "labels: --resample"
            )
        image = SimpleITK.Resample(
            SimpleITK.Cast(image, SimpleITK.sitkFloat32), reference, SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0
        )
    values = SimpleITK.GetArrayFromImage(image).astype(np.float32, copy=False)
    if np.isnan(values).any() or has_hidden_nan(path):
        raise ValueError(f"{path.name} holds NaN, which cannot be ranked. Fix the file.")
    return values


def _grid_difference(image: SimpleITK.Image, reference: SimpleITK.Image, header: bool) -> str:
    """In words how the grid of an image differs from the expected one; ``""`` if it does not."""
    if image.GetSize() != reference.GetSize():
        return f"shape {image.GetSize()} where {reference.GetSize()} was expected"
    if not header:
        return ""
    spacing, expected = np.array(image.GetSpacing()), np.array(reference.GetSpacing())
    if not np.allclose(spacing, expected, rtol=1e-3):
        return f"spacing {_short(spacing)} mm where {_short(expected)} mm was expected"
    if not np.allclose(image.GetDirection(), reference.GetDirection(), atol=1e-3):
        return f"orientation {_short(image.GetDirection())} where {_short(reference.GetDirection())} was expected"
    if not np.allclose(image.GetOrigin(), reference.GetOrigin(), atol=1e-2 * float(expected.min())):
        return f"origin {_short(image.GetOrigin())} mm where {_short(reference.GetOrigin())} mm was expected"
    return ""


def _short(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in values) + ")"
