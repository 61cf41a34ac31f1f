"""Anomaly maps without a model: one channel as robust z, smoothed within the brain.

The floor that every map has to beat; ``nnunet_uad evaluate`` scores its files like a model's:

    python benchmarks/smoothed_intensity.py -i imagesTr -o SMOOTHED --mm 2
    nnunet_uad evaluate -maps SMOOTHED -gt labelsTr -o smoothed.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import gaussian_filter

from nnunet_uad.common.whole_image import write_image


def smoothed(voxels: np.ndarray, spacing: list[float], mm: float) -> np.ndarray:
    """Score of every voxel (z, y, x): 0 outside the brain, above 0 inside, comparable between cases.

    Args:
        voxels: Intensities (z, y, x), 0 outside the brain.
        spacing: Voxel size per axis, mm.
        mm: Standard deviation of the Gaussian, mm; 0 for none.
    """
    brain = voxels != 0
    low, middle, high = np.percentile(voxels[brain], [25, 50, 75])
    z = np.where(brain, (voxels - middle) / (high - low), 0.0)
    sigma = [mm / s for s in spacing]
    share = gaussian_filter(brain.astype(np.float64), sigma)
    return np.where(brain, np.exp(np.clip(gaussian_filter(z, sigma) / np.maximum(share, 1e-6), -30, 30)), 0.0)


def main() -> None:
    """Write one map per image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", type=Path, required=True, help="raw images")
    parser.add_argument("-o", type=Path, required=True, help="folder for the maps")
    parser.add_argument("--channel", type=int, default=0, help="number of the channel (default: 0)")
    parser.add_argument("--mm", type=float, default=2, help="standard deviation of the Gaussian (default: 2)")
    arguments = parser.parse_args()
    arguments.o.mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.i.glob(f"*_{arguments.channel:04d}.nii.gz")):
        image = SimpleITK.ReadImage(str(path))
        voxels = SimpleITK.GetArrayFromImage(image).astype(np.float64)
        score = SimpleITK.GetImageFromArray(smoothed(voxels, image.GetSpacing()[::-1], arguments.mm).astype(np.float32))
        score.CopyInformation(image)
        write_image(score, arguments.o / path.name.replace(f"_{arguments.channel:04d}.nii.gz", "_map.nii.gz"))


if __name__ == "__main__":
    main()
