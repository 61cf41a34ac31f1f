"""Intensities inside the foreground: how they are spread, whatever the scanner's unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Quartiles of a normal distribution are this many standard deviations apart.
_QUARTILES = 1.349
#: Quantiles that are compared, per cent; the quartiles set the scale.
_SHOWN = (1, 5, 95, 99)


@dataclass(frozen=True)
class Standardised:
    """A channel in units of its own spread.

    Attributes:
        image: Image (z, y, x): 0 at the foreground's median, 1 at a robust standard deviation above; 0 outside.
        scale: Robust standard deviation in the units of the file; 0 of a channel that holds one value.
        middle: Median of the foreground in the units of the file.
    """

    image: np.ndarray
    scale: float
    middle: float

    @classmethod
    def of(cls, channel: np.ndarray, inside: np.ndarray) -> Standardised:
        """Standardise a channel.

        Args:
            channel: Image (z, y, x).
            inside: Foreground, boolean, of the same shape.
        """
        values = channel[inside]
        if not values.size:
            return cls(np.zeros_like(channel, np.float32), 0.0, 0.0)
        low, middle, high = np.percentile(values, (25, 50, 75))
        # More than half of the voxels may hold one value, as where a part of a channel was cut off.
        scale = float((high - low) / _QUARTILES or values.std())
        image = np.where(inside, (channel - middle) / (scale or 1.0), 0.0)
        return cls(image.astype(np.float32), scale, float(middle))


def intensity_numbers(
    channel: np.ndarray, inside: np.ndarray, values: Standardised, absolute: bool
) -> dict[str, float]:
    """Quantiles of a channel, standardised or, where its unit means something, as they are.

    Args:
        channel: Image (z, y, x) in the file's unit.
        inside: Foreground, boolean, of the same shape.
        values: The same channel, standardised.
        absolute: Whether the file's unit means something.
    """
    if absolute:
        quantiles = np.percentile(channel[inside], (5, 50, 95))
        return {f"value {q}": float(v) for q, v in zip((5, 50, 95), quantiles, strict=True)}
    shape = values.image[inside]
    quantiles = np.percentile(shape, (*_SHOWN, 25, 75))
    numbers = {f"quantile {q}": float(v) for q, v in zip(_SHOWN, quantiles, strict=False)}
    return {**numbers, "skew": float(quantiles[-1] + quantiles[-2])}
