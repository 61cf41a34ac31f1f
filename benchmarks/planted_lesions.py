"""Scans with small lesions of known place: real shapes planted into lesion-free slices, to choose a score by.

Cohorts of large lesions say nothing about small ones. Lesions of the masks' shapes are put into the deep tissue of
slices that, with their neighbours, hold no lesion: bright in the first channel (the image's own 93rd to 99.5th
percentile, at half opacity or more), darker in the others. Slices with real lesions have the label 2, which does not
count:

    python benchmarks/planted_lesions.py -i imagesTr -gt labelsTr --masks MASKS -o PLANTED
    nnunet_uad predict -i PLANTED/images -o MAPS -d 905 -c 2d_small -tr nnUNetPretrainerDAE
    nnunet_uad evaluate -maps MAPS -gt PLANTED/labels --ignore-label 2 -i PLANTED/images -o planted.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK
from scipy.ndimage import distance_transform_edt
from tqdm import tqdm

from nnunet_uad.anomalies.blends import replace_tissue
from nnunet_uad.anomalies.randomness import Random
from nnunet_uad.anomalies.shapes import SMALLEST_LESION, LesionShapes
from nnunet_uad.common.whole_image import write_image
from nnunet_uad.data.image_files import channels_in, images_in, read_image

#: Label of what does not count.
IGNORED = 2
#: Depth below the brain's edge from which on a lesion's middle may lie, and width of a lesion's soft edge, mm.
DEEP_MM, EDGE_MM = 10.0, 1.5
#: Foreground voxels that a slice needs to be used; lesions per slice, at most.
LEAST_VOXELS, MOST_LESIONS = 4000, 4
#: Percentiles (shares) of the image that lesions take their intensity from, in the first channel and in the others.
BRIGHT, DARK = (0.93, 0.995), 0.3
OPACITY = (0.5, 1.0)


def plant(
    image: np.ndarray, lesions: np.ndarray, shapes: LesionShapes, spacing: tuple[float, ...], rng: Random
) -> np.ndarray:
    """Plant lesions into an image, in place.

    Args:
        image: Intensities (C, z, y, x), float32.
        lesions: Mask of the real lesions (z, y, x), boolean.
        shapes: Shapes of the lesions, for slices.
        spacing: Voxel size per axis, mm.
        rng: Generator that all randomness comes from.

    Returns:
        Labels (z, y, x): 1 for planted lesions, 2 in slices that do not count.
    """
    foreground = image[0] > 0
    labels = np.full(lesions.shape, IGNORED, np.uint8)
    spread = np.array([channel[foreground].std() for channel in image])[:, None, None]
    for z in range(len(labels)):
        if lesions[max(0, z - 1) : z + 2].any() or foreground[z].sum() <= LEAST_VOXELS:
            continue
        labels[z] = 0
        deep = distance_transform_edt(foreground[z], sampling=spacing[1:]) > DEEP_MM
        for _ in range(rng.randint(0, MOST_LESIONS + 1)):
            shape = shapes.draw(deep, rng)
            if shape is None:
                continue
            shares = [rng.uniform(*BRIGHT), *[DARK] * (len(image) - 1)]
            tissue = [np.quantile(channel[foreground], share) for channel, share in zip(image, shares, strict=True)]
            values = np.array(tissue)[:, None, None] / spread * np.ones((1, *shape.depth.shape))
            changed = (image[:, z] / spread).astype(np.float32)
            mask = replace_tissue(changed, foreground[z], shape, values, float(rng.uniform(*OPACITY)), EDGE_MM)
            # One too small to be marked must not be in the image either.
            if mask.sum() >= SMALLEST_LESION:
                image[:, z] = changed * spread
                labels[z][mask] = 1
    return labels


def as_stored(values: np.ndarray, image: SimpleITK.Image) -> np.ndarray:
    """Values in the number type of the image that they were read from.

    Args:
        values: Intensities (z, y, x), float32.
        image: Image as it was read.
    """
    kind = SimpleITK.GetArrayViewFromImage(image).dtype
    return (np.round(values) if np.issubdtype(kind, np.integer) else values).astype(kind)


def main() -> None:
    """Write the images and their labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "-i", type=Path, required=True, help="raw images, all channels, the lesions bright in the first"
    )
    parser.add_argument("-gt", type=Path, required=True, help="their labels; only the cases in it are used")
    parser.add_argument("--masks", type=Path, required=True, help="folder of masks whose lesions give the shapes")
    parser.add_argument("-o", type=Path, required=True, help="folder for images/ and labels/")
    parser.add_argument("--seed", type=int, default=905, help="seed of places, shapes and intensities (default: 905)")
    arguments = parser.parse_args()
    rng = np.random.RandomState(arguments.seed)
    channels, shapes = channels_in(arguments.i), {}
    for folder in ("images", "labels"):
        (arguments.o / folder).mkdir(parents=True, exist_ok=True)
    for case, path in tqdm(sorted(images_in(arguments.gt).items()), desc="planting"):
        files = [channels[case][k] for k in sorted(channels[case])]
        images = [read_image(file) for file in files]
        spacing = images[0].GetSpacing()[::-1]
        values = np.stack([SimpleITK.GetArrayFromImage(image).astype(np.float32) for image in images])
        lesions = SimpleITK.GetArrayFromImage(read_image(path)) > 0
        if spacing[1:] not in shapes:
            shapes[spacing[1:]] = LesionShapes(arguments.masks, spacing[1:])
        labels = plant(values, lesions, shapes[spacing[1:]], spacing, rng)
        stored = [as_stored(v, image) for v, image in zip(values, images, strict=True)]
        written = [(v, arguments.o / "images" / file.name) for v, file in zip(stored, files, strict=True)]
        for array, target in [*written, (labels, arguments.o / "labels" / path.name)]:
            image = SimpleITK.GetImageFromArray(array)
            image.CopyInformation(images[0])
            write_image(image, target)


if __name__ == "__main__":
    main()
