"""Brain-like volumes from smooth random fields, with and without lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from nnunet_uad.common.files import write_json
from nnunet_uad.common.whole_image import write_image

DATASET = "Dataset990_Phantom"
HEALTHY_CASES, LESION_CASES = 10, 6
SHAPE = (24, 96, 96)
SPACING_MM = (4.0, 2.0, 2.0)  # z, y, x
_ANATOMY_SEED = 7
# Mean intensities of background, fluid, grey and white matter in a FLAIR-like and a T1-like channel.
_TISSUE = np.array([[0.0, 150.0, 520.0, 430.0], [0.0, 120.0, 380.0, 560.0]])


def _smooth(rng: np.random.Generator, mm: float) -> np.ndarray:
    """A Gaussian random field of unit variance with a correlation length in mm."""
    field = gaussian_filter(rng.standard_normal(SHAPE), [mm / s for s in SPACING_MM], mode="wrap")
    return field / field.std()


def _radius(share: tuple[float, float, float] = (0.92, 0.92, 0.80)) -> np.ndarray:
    """Distance from the centre in units of an ellipsoid that fills this share of each axis."""
    half = [0.5 * s * n for s, n in zip(share, SHAPE, strict=True)]
    axes = [(np.arange(n) - (n - 1) / 2) / h for n, h in zip(SHAPE, half, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.sqrt(z**2 + y**2 + x**2)


def make_case(seed: int, with_lesion: bool) -> tuple[np.ndarray, np.ndarray]:
    """One phantom.

    Args:
        seed: Seed of the phantom; the same seed gives the same phantom.
        with_lesion: Whether to paint one to three soft-edged blobs, bright in the first and darker in the second
            channel.

    Returns:
        Two channels (2, z, y, x), float32 with background 0, and the lesion mask (z, y, x), uint8.
    """
    rng = np.random.default_rng(seed)
    common = np.random.default_rng(_ANATOMY_SEED)  # what all phantoms share, so that normality can be learnt
    shape = _radius() + 0.03 * _smooth(common, 30) + 0.02 * _smooth(rng, 30)
    folds = shape + 0.05 * _smooth(common, 8) + 0.02 * _smooth(rng, 8)
    ventricles = _radius((0.55, 0.45, 0.16)) + 0.08 * _smooth(common, 15) + 0.06 * _smooth(rng, 15)
    radius, brain = shape, shape < 0.95
    tissue = np.where(folds > 0.74, 2, 3)
    tissue[(folds > 0.88) | (ventricles < 0.95)] = 1
    tissue[~brain] = 0
    soft = [gaussian_filter(means[tissue], [0.3, 0.6, 0.6]) for means in _TISSUE]
    # A stream of its own: the same seed without a lesion is the same patient before the disease.
    lesion = _lesion(np.random.default_rng([seed, 1]), radius, tissue) if with_lesion else np.zeros(SHAPE)
    images = []
    for channel, (image, change) in enumerate(zip(soft, (190.0, -120.0), strict=True)):
        bias = 1 + 0.06 * _smooth(rng, 60)
        image = (image + change * lesion) * bias + 14 * rng.standard_normal(SHAPE) + 10 * _smooth(rng, 6)
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
        size_mm = rng.uniform(10, 20)
        blob = 1 / (1 + np.exp((distance / size_mm + 0.25 * _smooth(rng, 8) - 1) * 10))
        opacity = np.maximum(opacity, blob)
    return np.where(radius < 0.95, opacity, 0)


def write_dataset(raw: Path, seed: int = 990) -> Path:
    """Write the phantom dataset in nnU-Net's raw format.

    Cases ``healthy_00`` … hold no lesion (their labels are all background), ``lesion_00`` … hold some.

    Args:
        raw: Folder of raw datasets, nnUNet_raw.
        seed: Seed of the phantoms.

    Returns:
        Folder of the dataset.
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
    write_json(folder / "dataset.json", description)
    return folder


def _write(volume: np.ndarray, path: Path) -> None:
    image = SimpleITK.GetImageFromArray(volume)
    image.SetSpacing(SPACING_MM[::-1])
    write_image(image, path)
