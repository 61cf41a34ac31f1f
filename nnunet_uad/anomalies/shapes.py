"""Where an anomaly is: Perlin masks, boxes, blobs, lesions from a folder of masks.

A shape is a box (slices) and a field on it: positive inside, and growing with the depth in mm below the edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects, label, zoom

from nnunet_uad.anomalies.perlin import perlin_noise
from nnunet_uad.anomalies.randomness import Random, inside_voxel, log_uniform

#: DRAEM draws 2⁰ to 2⁶ lattice cells across an image, 240 mm in a head.
PERLIN_CELL_MM = (3.75, 240.0)
PERLIN_THRESHOLD = 0.5
#: Lesions of fewer voxels on the plan's grid are not worth learning.
SMALLEST_LESION = 4

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Shape:
    """A place in a patch.

    Attributes:
        box: Place in the patch.
        depth: Depth below the edge, mm, at every voxel of the box (*box); negative outside.
    """

    box: Box
    depth: np.ndarray

    def soft(self, edge_mm: float) -> np.ndarray:
        """Opacity at every voxel of the box (*box): 0.5 on the edge, rising from 0 to 1 over ``edge_mm``."""
        return np.clip(self.depth / edge_mm + 0.5, 0, 1)


def perlin_mask(foreground: np.ndarray, spacing: Sequence[float], rng: Random) -> np.ndarray:
    """Perlin noise above a threshold within the foreground.

    Each axis has a scale of its own. Where the noise nowhere exceeds the threshold, half of its maximum is taken, so
    that the mask is empty only if the foreground is.

    DRAEM: Zavrtanik et al., ICCV 2021, section 3.2, https://arxiv.org/abs/2108.07610

    Args:
        foreground: Voxels that may be changed (*spatial), boolean.
        spacing: Voxel size, mm per axis.
        rng: Generator that all randomness comes from.

    Returns:
        Mask (*spatial), boolean.
    """
    cells = []
    for n, s in zip(foreground.shape, spacing, strict=True):
        # At least two voxels per cell: finer noise is noise in the mask's edge only.
        cells.append(n * s / max(log_uniform(rng, *PERLIN_CELL_MM), 2 * s))
    noise = perlin_noise(foreground.shape, cells, rng)
    mask = (noise > PERLIN_THRESHOLD) & foreground
    if mask.any():
        return mask
    highest = float(noise.max(initial=0, where=foreground))
    return (noise > highest / 2) & foreground if highest > 0 else foreground.copy()


def random_box(foreground: np.ndarray, spacing: Sequence[float], size_mm: Sequence[float], rng: Random) -> Box | None:
    """A box around a foreground voxel; ``None`` without foreground.

    Args:
        foreground: Voxels that may be changed (*spatial), boolean.
        spacing: Voxel size, mm per axis.
        size_mm: Range of the edges, mm.
        rng: Generator that all randomness comes from.
    """
    centre = inside_voxel(foreground, rng)
    if centre is None:
        return None
    box = []
    for c, n, s in zip(centre, foreground.shape, spacing, strict=True):
        edge = min(n, max(4, round(log_uniform(rng, *size_mm) / s)))
        start = min(max(0, c - edge // 2), n - edge)
        box.append(slice(start, start + edge))
    return tuple(box)


def random_place(box: Box, shape: Sequence[int], rng: Random) -> Box:
    """A box of the size of ``box`` anywhere in a patch of ``shape`` voxels."""
    place = []
    for b, n in zip(box, shape, strict=True):
        start = int(rng.randint(n - (b.stop - b.start) + 1))
        place.append(slice(start, start + b.stop - b.start))
    return tuple(place)


def random_blob(
    foreground: np.ndarray, spacing: Sequence[float], size_mm: Sequence[float], rng: Random
) -> Shape | None:
    """An ellipsoid with an irregular surface around a foreground voxel; ``None`` without foreground.

    Args:
        foreground: Voxels that may be changed (*spatial), boolean.
        spacing: Voxel size, mm per axis.
        size_mm: Range of the diameter along each axis, mm.
        rng: Generator that all randomness comes from.
    """
    box = random_box(foreground, spacing, size_mm, rng)
    if box is None:
        return None
    shape = tuple(b.stop - b.start for b in box)
    squared = np.zeros(shape, np.float32)
    for axis, n in enumerate(shape):
        line = (np.arange(n, dtype=np.float32) - (n - 1) / 2) / (n / 2)
        squared += (line**2).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    noise = perlin_noise(shape, [min(3.0, max(1.0, n / 3)) for n in shape], rng)
    radius = min(n * s for n, s in zip(shape, spacing, strict=True)) / 2
    return Shape(box, (0.8 - np.sqrt(squared) + 0.4 * noise) * radius)


class LesionShapes:
    """Shapes of real lesions: the connected components of a folder of masks.

    Args:
        folder: Folder of masks in any format that SimpleITK reads.
        spacing: Voxel size of the patches, mm per axis; a 2D patch gets slices along the first axis of the masks.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: No masks, masks with other values than one besides 0, or nothing but empty masks.
    """

    def __init__(self, folder: str | Path, spacing: Sequence[float]) -> None:
        self.spacing = tuple(float(s) for s in spacing)
        self.fields = [field for path in _mask_files(Path(folder)) for field in self._components(path)]
        if not self.fields:
            raise ValueError(
                f"The masks in {folder} are empty, or hold nothing of {SMALLEST_LESION} voxels at a spacing of "
                f"{' x '.join(f'{s:g}' for s in self.spacing)} mm. Expected masks with lesions (lesion_masks=FOLDER)."
            )

    def _components(self, path: Path) -> list[np.ndarray]:
        mask, spacing = _read_mask(path)
        labels, _ = label(mask)
        fields = []
        for index, box in enumerate(find_objects(labels), start=1):
            component = np.pad(labels[box] == index, 1).astype(np.float32)
            wanted = self.spacing if len(self.spacing) == 3 else (spacing[0], *self.spacing)
            factors = [a / b for a, b in zip(spacing, wanted, strict=True)]
            resampled = zoom(component, factors, order=1, mode="grid-constant", grid_mode=True) > 0.5
            parts = [resampled] if len(self.spacing) == 3 else list(resampled)
            fields += [_depth(p, self.spacing) for p in parts if p.sum() >= SMALLEST_LESION]
        return fields

    def draw(self, foreground: np.ndarray, rng: Random) -> Shape | None:
        """One of the lesions, mirrored at random, around a voxel of a mask (*spatial); ``None`` if it is empty."""
        centre = inside_voxel(foreground, rng)
        if centre is None:
            return None
        field = self.fields[rng.randint(len(self.fields))]
        field = field[tuple(slice(None, None, -1 if rng.random_sample() < 0.5 else 1) for _ in self.spacing)]
        box, part = [], []
        for c, n, size in zip(centre, foreground.shape, field.shape, strict=True):
            start = c - size // 2
            low, high = max(0, start), min(n, start + size)
            box.append(slice(low, high))
            part.append(slice(low - start, high - start))
        return Shape(tuple(box), field[tuple(part)])


def signed_depth(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Depth below the edge of a mask, mm, positive inside; beyond the box is outside.

    Args:
        mask: Mask (*box), boolean.
        spacing: Voxel size, mm per axis.

    Returns:
        Depth at every voxel (*box), float32.
    """
    return _depth(mask, spacing)[(slice(1, -1),) * mask.ndim]


def _depth(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Signed distance to the edge, mm, positive inside; with a voxel of margin."""
    padded = np.pad(mask, 1)
    inside = distance_transform_edt(padded, sampling=spacing)
    outside = distance_transform_edt(~padded, sampling=spacing)
    half = min(spacing) / 2
    return np.where(padded, inside - half, half - outside).astype(np.float32)


def _mask_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"lesion_masks={folder} names no folder. Expected a folder of lesion masks.")
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name.endswith((".nii.gz", ".nii", ".nrrd", ".mha")))
    if not files:
        raise ValueError(f"lesion_masks={folder} holds no masks (.nii.gz, .nii, .nrrd, .mha).")
    return files


def _read_mask(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    import SimpleITK

    image = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(image)
    present = np.unique(values)
    if values.ndim != 3 or len(present) > 2 or present[0] != 0:
        raise ValueError(
            f"{path} is no binary mask: expected a volume of 0 and one other value, found {values.ndim} axes and the "
            f"values {', '.join(f'{v:g}' for v in present[:5])}{' …' if len(present) > 5 else ''}."
        )
    return values != 0, tuple(float(s) for s in image.GetSpacing()[::-1])
