"""Anomaly maps without a model: one channel as robust z, smoothed within the brain.

The floor that every map has to beat. ``nnunet_uad evaluate -i IMAGES`` scores it beside the maps without such files;
they are for looking at, and to score a scale that is not the strongest as closely as a model's maps:

    python benchmarks/smoothed_intensity.py -i imagesTr -o SMOOTHED --mm 2
    nnunet_uad evaluate -maps SMOOTHED -gt labelsTr -o smoothed.json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from nnunet_uad.common.whole_image import write_image
from nnunet_uad.metrics.baseline import above_zero, image_foreground, robust_z


def floor(voxels: np.ndarray, spacing: Sequence[float], mm: float) -> np.ndarray:
    """Score of every voxel (z, y, x): 0 outside the brain, above 0 inside, comparable between cases.

    Args:
        voxels: Intensities (z, y, x).
        spacing: Voxel size per axis, mm.
        mm: Standard deviation of the Gaussian, mm; 0 for none.
    """
    brain = image_foreground(voxels)
    return np.where(brain, above_zero(robust_z(voxels, brain, spacing, mm)), 0).astype(np.float32)


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
        score = SimpleITK.GetImageFromArray(floor(voxels, image.GetSpacing()[::-1], arguments.mm))
        score.CopyInformation(image)
        write_image(score, arguments.o / path.name.replace(f"_{arguments.channel:04d}.nii.gz", "_map.nii.gz"))


if __name__ == "__main__":
    main()
