"""Phantom scans of a cohort, in memory: two contrasts of a head that is not the same from all sides."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
from scipy import ndimage

from nnunet_uad.quality.profile import Profile, profile_of
from nnunet_uad.quality.reference import Reference, Setup
from nnunet_uad.quality.scan import Scan

CHANNELS = ("FLAIR", "T1")
SETUP = Setup(CHANNELS, ".nii.gz", "SimpleITKIO", (False, False))
SHAPE = (22, 44, 36)


def scan(seed: int) -> Scan:
    """A head with a dark ventricle towards one end of each axis, a bright core, a smooth texture and some noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in SHAPE), indexing="ij")
    size = 1 + 0.03 * rng.standard_normal(3)
    brain = (z / size[0]) ** 2 + (y / size[1]) ** 2 * (1 + 0.25 * y) + (x / size[2]) ** 2 < 1
    dark = (z - 0.25) ** 2 + (y + 0.3) ** 2 + (x * 1.5) ** 2 < 0.12
    bright = (z + 0.35) ** 2 + (y - 0.35) ** 2 + x**2 < 0.15
    texture = ndimage.gaussian_filter(rng.standard_normal((2, *SHAPE)), (0, 1, 1.5, 1.5)) * 60
    gain = 1 + 0.1 * rng.standard_normal(2)
    image = np.stack([200 - 80 * dark + 60 * bright + 20 * y, 300 + 60 * y - 90 * bright - 20 * dark]) + texture
    image = (image + 4 * rng.standard_normal(image.shape)) * gain[:, None, None, None]
    return Scan(np.where(brain, np.clip(image, 1, None), 0).astype(np.float32), (3.0, 1.0, 1.0), "LPS")


def profile(which: Scan) -> Profile:
    """Its profile."""
    return profile_of(which, CHANNELS, SETUP.absolute)


def reference(count: int = 24) -> Reference:
    """The reference of the first phantoms."""
    return Reference.of([profile(scan(seed)) for seed in range(count)], SETUP, "made of phantoms")


def tiny_workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny dataset in folders of its own, that references may be kept in; returns the preprocessed one."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed"):
        source, target = (root / tiny.DATASET for root in (Path(os.environ[variable]), tmp_path / variable))
        target.mkdir(parents=True)
        for name in ("dataset.json", "nnUNetPlans.json", "splits_final.json"):
            if (source / name).is_file():
                shutil.copy(source / name, target)
        if (source / "imagesTr").is_dir():
            shutil.copytree(source / "imagesTr", target / "imagesTr")
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path / "nnUNet_preprocessed" / tiny.DATASET
