"""What is kept of a scan: some fifty numbers, and each channel at a size at which all scans can be compared."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from nnunet_uad.quality.intensities import Standardised, intensity_numbers
from nnunet_uad.quality.layers import bias_number, layer_numbers
from nnunet_uad.quality.scan import Box, Scan, box_of
from nnunet_uad.quality.texture import texture_numbers

#: Voxels along each edge of the cube that the foreground's box is brought to.
CUBE = 32
#: Ratios to the median beyond these are vessels or holes, not a drift of brightness.
_RATIOS = (0.1, 10.0)
#: Two channels that agree better than this are copies of one another.
_COPY = 0.9995


@dataclass(frozen=True)
class Profile:
    """A scan, summarised.

    Attributes:
        numbers: Numbers by name: ``noise:0`` is the noise of the first channel.
        cube: Image (C, 32, 32, 32) of the foreground's box, standardised inside the foreground.
        mask: Foreground (32, 32, 32) of that box, boolean.
        axes: Directions of the axes by the header, as of :class:`Scan`.
        faults: Sentences on what cannot be right whatever the cohort: empty channels, one channel twice.
    """

    numbers: dict[str, float]
    cube: np.ndarray
    mask: np.ndarray
    axes: str = ""
    faults: tuple[str, ...] = field(default=())


def profile_of(scan: Scan, channels: tuple[str, ...], absolute: tuple[bool, ...]) -> Profile:
    """Summarise a scan.

    Args:
        scan: Scan to summarise.
        channels: Names of the channels.
        absolute: Whether the intensities of each channel mean something as they are (CT), so that the network sees
            them without a standardisation per scan.
    """
    foreground = scan.foreground()
    box = box_of(foreground)
    inside = foreground[box]
    numbers = geometry_numbers(scan, box, inside)
    cubes, gains, flat = [], [], []
    for index, channel in enumerate(scan.image):
        values = Standardised.of(channel[box], inside)
        cubes.append(cube_of(values.image))
        gains.append(gain_of(cubes[-1], values, absolute[index]))
        if values.scale == 0:
            flat.append(index)
            continue
        own = {
            **intensity_numbers(channel[box], inside, values, absolute[index]),
            **texture_numbers(values.image, inside),
            "coverage": float((channel[box][inside] != 0).mean()),
        }
        numbers |= {f"{name}:{index}": value for name, value in own.items()}
    mask = cube_of(inside.astype(np.float32)) > 0.5
    cube = np.stack(cubes) * mask
    for index in (k for k in range(len(cube)) if k not in flat):
        own = {**layer_numbers(cube[index], mask), "bias": bias_number(gains[index], mask)}
        numbers |= {f"{name}:{index}": value for name, value in own.items()}
    return Profile(numbers, cube, mask, scan.axes, tuple(_faults(cube, mask, flat, channels)))


def geometry_numbers(scan: Scan, box: Box, inside: np.ndarray) -> dict[str, float]:
    """Sizes in mm, as decimal logarithms, and how much of its box the foreground fills.

    Args:
        scan: Scan that is summarised.
        box: Box of its foreground.
        inside: Foreground within the box (z, y, x), boolean.
    """
    numbers = {}
    for axis, side, spacing in zip("zyx", box, scan.spacing, strict=True):
        numbers[f"voxel {axis}"] = float(np.log10(spacing))
        numbers[f"extent {axis}"] = float(np.log10((side.stop - side.start) * spacing))
    return {**numbers, "filling": float(inside.mean())}


def gain_of(cube: np.ndarray, values: Standardised, absolute: bool) -> np.ndarray:
    """A cube as a field multiplies it: logarithms of ratios to the median, where 0 means that there is no signal.

    Args:
        cube: Standardised image (32, 32, 32).
        values: The channel that it was made of.
        absolute: Whether the unit means something, so that 0 may be any value: the cube is returned as it is.
    """
    if absolute or values.middle <= 0:
        return cube
    return np.log(np.clip(1 + cube * (values.scale / values.middle), *_RATIOS))


def cube_of(volume: np.ndarray) -> np.ndarray:
    """A volume at the size of all cubes, averaged where it is larger.

    Args:
        volume: Image (z, y, x).

    Returns:
        Image (32, 32, 32), float32.
    """
    smooth = ndimage.uniform_filter(volume, [max(1, round(n / CUBE)) for n in volume.shape], mode="nearest")
    factors = [CUBE / n for n in volume.shape]
    cube = ndimage.zoom(smooth, factors, order=1, mode="nearest", grid_mode=True)
    return np.asarray(cube, np.float32)


def _faults(cube: np.ndarray, mask: np.ndarray, flat: list[int], channels: tuple[str, ...]) -> list[str]:
    """Sentences on channels that are empty, or there twice."""
    found = [
        f"{channels[k]} holds one value only in the foreground: the channel is missing. Give its image." for k in flat
    ]
    filled = [k for k in range(len(cube)) if k not in flat]
    for k, first in enumerate(filled):
        for other in filled[k + 1 :]:
            if mask.any() and np.corrcoef(cube[first][mask], cube[other][mask])[0, 1] > _COPY:
                found.append(
                    f"{channels[first]} and {channels[other]} are the same image: a channel is missing, and another "
                    "stands in its place. Give the right file."
                )
    return found
