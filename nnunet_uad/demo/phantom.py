"""Brain-like volumes from smooth random fields, with and without lesions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

DATASET = "Dataset990_Phantom"
HEALTHY_CASES, LESION_CASES = 10, 6
SHAPE = (24, 96, 96)
SPACING_MM = (4.0, 2.0, 2.0)  # z, y, x
# Mean intensities of background, fluid, grey and white matter in a FLAIR-like and a T1-like channel.
_TISSUE = np.array([[0.0, 150.0, 520.0, 430.0], [0.0, 120.0, 380.0, 560.0]])


def _smooth(rng: np.random.Generator, mm: float) -> np.ndarray:
    """A Gaussian random field of unit variance with a correlation length in mm."""
    field = gaussian_filter(rng.standard_normal(SHAPE), [mm / s for s in SPACING_MM], mode="wrap")
    return field / field.std()


def _radius() -> np.ndarray:
    """Distance from the centre in units of an ellipsoid that fills most of the volume."""
    half = [0.46 * n for n in SHAPE]
    axes = [(np.arange(n) - (n - 1) / 2) / h for n, h in zip(SHAPE, half, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(z**2 + y**2 + x**2)


def make_case(seed: int, with_lesion: bool) -> tuple[np.ndarray, np.ndarray]:
    """One phantom.

    Args:
        seed: the same seed gives the same phantom.
        with_lesion: paint one to three soft-edged blobs, bright in the first and darker in the second channel.

    Returns:
        Two channels (2, z, y, x), float32 with background 0, and the lesion mask (z, y, x), uint8.
    """
    rng = np.random.default_rng(seed)
    radius = _radius() + 0.05 * _smooth(rng, 25)
    brain = radius < 0.95
    folds = radius + 0.10 * _smooth(rng, 9)
    tissue = np.where(folds > 0.72, 2, 3)
    tissue[(np.abs(_radius() - 0.15 + 0.05 * _smooth(rng, 12)) < 0.1) & brain] = 1  # ventricles
    tissue[(folds > 0.90) & brain] = 1  # outer fluid
    tissue[~brain] = 0
    soft = [gaussian_filter(means[tissue], [0.3, 0.6, 0.6]) for means in _TISSUE]
    lesion = _lesion(rng, radius, tissue) if with_lesion else np.zeros(SHAPE)
    images = []
    for channel, (image, change) in enumerate(zip(soft, (220.0, -130.0), strict=True)):
        bias = 1 + 0.10 * _smooth(rng, 60)
        image = (image + change * lesion) * bias + 22 * rng.standard_normal(SHAPE) + 12 * _smooth(rng, 6)
        images.append(np.where(brain, np.clip(image, 1 + channel, None), 0))
    return np.stack(images).astype(np.float32), (lesion > 0.5).astype(np.uint8)


def _lesion(rng: np.random.Generator, radius: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Opacity in [0, 1] of one to three irregular blobs inside the tissue."""
    opacity = np.zeros(SHAPE)
    inside = np.argwhere((radius < 0.75) & (tissue >= 2))
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    for _ in range(rng.integers(1, 4)):
        centre = inside[rng.integers(len(inside))]
        distance = np.linalg.norm((grid - centre) * np.array(SPACING_MM), axis=-1)
        size_mm = rng.uniform(9, 18)
        blob = 1 / (1 + np.exp((distance / size_mm + 0.25 * _smooth(rng, 8) - 1) * 10))
        opacity = np.maximum(opacity, blob)
    return np.where(radius < 0.95, opacity, 0)


def write_dataset(raw: Path, seed: int = 990) -> Path:
    """Write the phantom dataset in nnU-Net's raw format; returns its folder.

    Cases ``healthy_00`` … hold no lesion (their labels are all background), ``lesion_00`` … hold some.
    """
    folder = raw / DATASET
    for sub in ("imagesTr", "labelsTr"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    names = [f"healthy_{i:02d}" for i in range(HEALTHY_CASES)] + [f"lesion_{i:02d}" for i in range(LESION_CASES)]
    for index, name in enumerate(tqdm(names, desc="phantoms")):
        image, mask = make_case(seed * 1000 + index, name.startswith("lesion"))
        for channel, volume in enumerate(image):
            _write(volume, folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz")
        _write(mask, folder / "labelsTr" / f"{name}.nii.gz")
    description = {
        "channel_names": {"0": "FLAIR", "1": "T1"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(names),
        "file_ending": ".nii.gz",
        "name": "Phantom",
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=2))
    return folder


def _write(volume: np.ndarray, path: Path) -> None:
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(SPACING_MM[::-1])
    SimpleITK.WriteImage(image, str(path), useCompression=True)
