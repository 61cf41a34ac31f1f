"""Maps divided by what is normal there: the residual over the spread that healthy tissue of its kind has.

A trial that did not become part of the project (docs/results/anomaly-maps.md). On lesion-free voxels of training scans
the residual's spread is measured per bin of intensity and of depth below the brain's edge; residuals of other scans
are divided by it, smoothed and written as maps. Both folders come from
``nnunet_uad predict --save map reconstruction residual``:

    python benchmarks/normal_variation.py --fit FIT FIT_IMAGES FIT_LABELS --test TEST TEST_IMAGES -o DIVIDED --mm 3
    nnunet_uad evaluate -maps DIVIDED -gt TEST_LABELS -o divided.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from nnunet_uad.common.whole_image import write_image
from nnunet_uad.data.image_files import read_image
from nnunet_uad.metrics.baseline import above_zero, image_foreground
from nnunet_uad.metrics.smoothing import smoothed

#: Depths below the brain's edge where a bin ends, mm; number of bins of the intensity, of equal voxel counts.
DEPTHS_MM, INTENSITIES = (3.0, 6.0, 10.0, 20.0), 12
#: Share of the overall spread that a bin has at least: rare bins hold few voxels.
LEAST_SPREAD = 0.1


class Scan:
    """What ``predict`` wrote of a case: residual, intensity and depth of every voxel (z, y, x), on the raw grid.

    Args:
        case: Name of the case.
        predicted: Folder that ``predict`` wrote into.
        images: Folder of the raw images.
        channel: Number of the channel.
        weight: Share of the image itself in the residual, 0 to 1.
    """

    def __init__(self, case: str, predicted: Path, images: Path, channel: int, weight: float) -> None:
        self.image = read_image(images / f"{case}_{channel:04d}.nii.gz")
        self.spacing = self.image.GetSpacing()[::-1]
        self.brain = image_foreground(SimpleITK.GetArrayFromImage(self.image))
        residual, reconstruction = (
            SimpleITK.GetArrayFromImage(read_image(predicted / f"{case}_{kind}_{channel:04d}.nii.gz"))
            for kind in ("residual", "reconstruction")
        )
        self.intensity = residual + reconstruction
        self.residual = residual + np.float32(weight) * reconstruction
        self.depth = np.digitize(distance_transform_edt(self.brain, sampling=self.spacing), DEPTHS_MM)


class NormalSpread:
    """Spread of the residual on healthy voxels, per bin of intensity and depth.

    Args:
        scans: Scans with the masks of their healthy voxels (z, y, x).
    """

    def __init__(self, scans: list[tuple[Scan, np.ndarray]]) -> None:
        intensity, depth, residual = (
            np.concatenate([getattr(scan, name)[healthy] for scan, healthy in scans])
            for name in ("intensity", "depth", "residual")
        )
        self.edges = np.quantile(intensity, np.linspace(0, 1, INTENSITIES + 1)[1:-1])
        bins = self._bins(intensity, depth)
        size = INTENSITIES * (len(DEPTHS_MM) + 1)
        counts, squares = np.bincount(bins, minlength=size), np.bincount(bins, residual**2, size)
        overall = float(np.sqrt(squares.sum() / counts.sum()))
        self.spread = np.maximum(np.sqrt(squares / np.maximum(counts, 1)), LEAST_SPREAD * overall)

    def _bins(self, intensity: np.ndarray, depth: np.ndarray) -> np.ndarray:
        return np.digitize(intensity, self.edges) * (len(DEPTHS_MM) + 1) + depth

    def of(self, scan: Scan) -> np.ndarray:
        """What is normal in every voxel of a scan (z, y, x), z-score units."""
        return self.spread[self._bins(scan.intensity, scan.depth)].astype(np.float32)


def cases_in(predicted: Path) -> list[str]:
    """Names of the cases whose maps a folder holds."""
    return sorted(path.name.removesuffix("_map.nii.gz") for path in predicted.glob("*_map.nii.gz"))


def main() -> None:
    """Write one map per tested case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--fit", type=Path, nargs=3, metavar=("PREDICTED", "IMAGES", "LABELS"), help="left out: nothing is divided"
    )
    parser.add_argument("--test", type=Path, nargs=2, metavar=("PREDICTED", "IMAGES"), required=True)
    parser.add_argument("-o", type=Path, required=True, help="folder for the maps")
    parser.add_argument("--channel", type=int, default=0, help="number of the channel (default: 0)")
    parser.add_argument("--intensity-weight", type=float, default=0.0, help="share of the image itself (default: 0)")
    parser.add_argument("--mm", type=float, default=3.0, help="standard deviation of the Gaussian, mm (default: 3)")
    arguments = parser.parse_args()
    arguments.o.mkdir(parents=True, exist_ok=True)
    normal = None
    if arguments.fit:
        predicted, images, labels = arguments.fit
        scans = []
        for case in cases_in(predicted):
            scan = Scan(case, predicted, images, arguments.channel, arguments.intensity_weight)
            lesions = SimpleITK.GetArrayFromImage(read_image(labels / f"{case}.nii.gz")) > 0
            scans.append((scan, scan.brain & ~lesions))
        normal = NormalSpread(scans)
    predicted, images = arguments.test
    for case in tqdm(cases_in(predicted), desc="maps"):
        scan = Scan(case, predicted, images, arguments.channel, arguments.intensity_weight)
        score = scan.residual / normal.of(scan) if normal else scan.residual
        filtered = smoothed(np.where(scan.brain, score, 0), scan.brain, scan.spacing, arguments.mm)
        image = SimpleITK.GetImageFromArray(np.where(scan.brain, above_zero(filtered), 0).astype(np.float32))
        image.CopyInformation(scan.image)
        write_image(image, arguments.o / f"{case}_map.nii.gz")


if __name__ == "__main__":
    main()
