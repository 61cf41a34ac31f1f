r"""The README's figure: one slice of a scan, what raters marked, the anomaly map, and masks.

    python benchmarks/scan_figure.py -i ms_019_0000.nii.gz -gt ms_019.nii.gz -map MAPS/ms_019_map.nii.gz \
        --mask "mask of the map" MAPS/ms_019_mask.nii.gz -o docs/real_scan.png

Titles of masks get their Dice over the whole scan.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK

_MARGIN = 4
_OUTLINE = "#ff5a3c"


def read(path: Path) -> np.ndarray:
    """Voxels (z, y, x) in the orientation of radiologists: anterior on top of an axial slice.

    Args:
        path: File of the image.
    """
    image = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(path)), "LPS")
    return SimpleITK.GetArrayFromImage(image)


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice of two masks of any shape, over the whole scan."""
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


def draw(
    image: np.ndarray,
    truth: np.ndarray,
    score: np.ndarray,
    masks: dict[str, np.ndarray],
    reconstruction: np.ndarray | None,
    path: Path,
) -> int:
    """Draw the slice with the most lesion voxels.

    Args:
        image: Intensities (z, y, x), 0 outside the brain.
        truth: Mask of the lesions, boolean, of the same shape.
        score: Anomaly map of the same shape.
        masks: Title → mask, boolean, of the same shape.
        reconstruction: What the model takes for healthy, of the same shape; ``None`` to leave it out.
        path: File to write, ending in ``.png``.

    Returns:
        Index of the slice.
    """
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    z = int(truth.sum((1, 2)).argmax())
    ys, xs = np.nonzero(image[z])
    crop = tuple(slice(max(0, v.min() - _MARGIN), v.max() + 1 + _MARGIN) for v in (ys, xs))
    panels: list[tuple[str, np.ndarray, np.ndarray | None]] = [("FLAIR", image, None), ("raters", image, truth)]
    if reconstruction is not None:
        panels.append(("reconstruction", reconstruction, None))
    panels.append(("anomaly map", score, None))
    panels += [(f"{title}: Dice {dice(mask, truth):.2f}", image, mask) for title, mask in masks.items()]
    figure, axes = plt.subplots(1, len(panels), figsize=(2.1 * len(panels), 2.7))
    for axis, (title, volume, mask) in zip(axes, panels, strict=True):
        data = np.where(image[z] != 0, volume[z], volume[z][image[z] != 0].min())[crop]
        low, high = np.percentile(data[image[z][crop] != 0], [1, 99.8])
        axis.imshow(data, cmap="inferno" if title == "anomaly map" else "gray", vmin=low, vmax=high)
        if mask is not None and mask[z].any():
            axis.contour(mask[z][crop], levels=[0.5], colors=[_OUTLINE], linewidths=0.9)
        axis.set_title(title, fontsize=8)
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return z


def main() -> None:
    """Read the files and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", type=Path, required=True, help="image")
    parser.add_argument("-gt", type=Path, required=True, help="label")
    parser.add_argument("-map", type=Path, required=True, help="anomaly map")
    parser.add_argument("--reconstruction", type=Path, help="reconstruction")
    parser.add_argument("--mask", nargs=2, action="append", default=[], metavar=("TITLE", "FILE"), help="mask")
    parser.add_argument("-o", type=Path, required=True, help="picture")
    a = parser.parse_args()
    reconstruction = read(a.reconstruction) if a.reconstruction else None
    masks = {title: read(Path(file)) > 0 for title, file in a.mask}
    z = draw(read(a.i).astype(float), read(a.gt) > 0, read(a.map), masks, reconstruction, a.o)
    print(f"{a.o}: slice {z}")


if __name__ == "__main__":
    main()
