"""The numbers that are checked, a row each: what each means, which end is suspicious, what to say of it.

A further number is a further row, and its name in :func:`nnunet_uad.quality.profile.profile_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Ends of a range that are suspicious.
LOW, HIGH, BOTH = "low", "high", "both"
#: Checks in the order in which a user would fix what they find.
FILE, CHANNELS, GEOMETRY, ORIENTATION = "file", "channels", "geometry", "orientation"
ANATOMY, SKULL, INTENSITY, NOISE, BIAS = "anatomy", "skull", "intensity", "noise", "bias field"
ANOMALY, AGREEMENT = "anomaly", "agreement"


@dataclass(frozen=True)
class Descriptor:
    """A number of a scan.

    Attributes:
        name: Name in profiles, without the channel's index.
        check: Name of the check that it belongs to.
        words: Noun phrase for tables.
        suspicious: Ends of the training's range beyond which it counts.
        floor: Least standard deviation that is assumed of the training scans: what differs by less is no fault.
        low: Sentence for a value below the range: what is likely wrong, and what to do.
        high: Sentence for a value above the range.
        unit: Unit of what is shown.
        logarithm: Whether it is a decimal logarithm of what is shown.
    """

    name: str
    check: str
    words: str
    suspicious: str
    floor: float
    low: str = ""
    high: str = ""
    unit: str = ""
    logarithm: bool = False


_SPACING = "The voxel size is not one of the training's: is the header right? Correct it, or resample the scan."
_SMALL = (
    "The foreground is smaller than in training: wrong voxel size in the header, a part of the head is missing, or "
    "another anatomy. Look at it."
)
_LARGE = (
    "The foreground is larger than in training: wrong voxel size in the header, the skull is still on, or another "
    "anatomy. Look at it."
)
_FILLING = (
    "The foreground has another shape than in training: skull on or off, a background that is not 0, or another "
    "anatomy. Prepare the scan as the training data were."
)
_OTHER = "It does not look like the training scans: another anatomy or sequence, or badly cut out. Look at it."
_SWAPPED = "It looks less like its own channel than the training scans do: wrong sequence, or channels swapped."
_STRIP = (
    "Its rim is not as in training: was the skull removed (or left) as it was there? Use the same brain extraction."
)
_CONTRAST = (
    "Its intensities are spread otherwise than in training: another contrast or protocol, clipped or equalised "
    "values. Use the sequence and the preparation of the training data."
)
_UNIT = "Its values are not the training's: wrong unit or offset (Hounsfield units?). Convert them."
_NOISY = "It is noisier than the training scans: expect errors; denoise it, or scan again."
_SMOOTH = "It is blurred, was upsampled or denoised, unlike the training scans: use the original images."
_DRIFT = "Brightness drifts through it more than in training: correct the bias field (N4)."

#: Every descriptor; those of a channel exist once per channel.
DESCRIPTORS: tuple[Descriptor, ...] = (
    *(
        Descriptor(f"voxel {axis}", GEOMETRY, f"voxel size, {axis}", BOTH, 0.03, _SPACING, _SPACING, "mm", True)
        for axis in "zyx"
    ),
    *(
        Descriptor(
            f"extent {axis}", GEOMETRY, f"size of the foreground, {axis}", BOTH, 0.02, _SMALL, _LARGE, "mm", True
        )
        for axis in "zyx"
    ),
    Descriptor("filling", SKULL, "share of its box that the foreground fills", BOTH, 0.01, _FILLING, _FILLING),
    Descriptor("outline", ANATOMY, "overlap with the mean outline (Dice)", LOW, 0.01, _OTHER),
    Descriptor("likeness", ANATOMY, "correlation with the mean image", LOW, 0.05, _OTHER),
    Descriptor(
        "order", CHANNELS, "likeness of the channels in their order above that when swapped", LOW, 0.03, _SWAPPED
    ),
    Descriptor("own channel", CHANNELS, "likeness of its own channel above others", LOW, 0.03, _SWAPPED),
    Descriptor(
        "coverage",
        CHANNELS,
        "share of the foreground that the channel covers",
        LOW,
        0.01,
        "A part of the channel is missing: it was cut off, or lies elsewhere than the other channels. Register them.",
    ),
    Descriptor("upright", ORIENTATION, "likeness as it lies above that when turned", LOW, 0.03),
    *(
        Descriptor(f"rim {k}", SKULL, f"intensity of layer {k} from the rim", BOTH, 0.1, _STRIP, _STRIP)
        for k in (1, 2, 3)
    ),
    *(
        Descriptor(f"quantile {q}", INTENSITY, f"intensity quantile {q} %", BOTH, 0.1, _CONTRAST, _CONTRAST)
        for q in (1, 5, 95, 99)
    ),
    Descriptor("skew", INTENSITY, "skew of the intensities", BOTH, 0.05, _CONTRAST, _CONTRAST),
    *(Descriptor(f"value {q}", INTENSITY, f"value at {q} %", BOTH, 1e-6, _UNIT, _UNIT) for q in (5, 50, 95)),
    Descriptor("noise", NOISE, "noise, share of the intensities' spread", BOTH, 0.03, _SMOOTH, _NOISY, "", True),
    Descriptor("sharpness", NOISE, "fine detail to coarse", BOTH, 0.01, _SMOOTH, _NOISY, "", True),
    Descriptor("bias", BIAS, "drift of brightness", HIGH, 0.02, "", _DRIFT),
)
_BY_NAME = {row.name: row for row in DESCRIPTORS}


def descriptor(name: str) -> Descriptor:
    """The row of a number.

    Args:
        name: Name of the number in a profile, with or without the channel's index: ``noise:0``.
    """
    return _BY_NAME[name.partition(":")[0]]


def described(name: str, channels: Sequence[str]) -> str:
    """What a number is, for tables: ``FLAIR: noise``.

    Args:
        name: Name of the number in a profile: ``noise:0``.
        channels: Names of the channels.
    """
    _, _, index = name.partition(":")
    words = descriptor(name).words
    return f"{channels[int(index)]}: {words}" if index else words
