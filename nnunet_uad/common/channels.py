"""What a channel's name says: on which channels lesions are bright, and what ``auto`` means for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: The setting that leaves a choice to the channels' names.
AUTO = "auto"
#: Channels on which lesions are bright: a residual above zero is what a reader looks for.
BRIGHT = ("flair", "t2")


def residual_kind(kind: str, channel_names: Sequence[str]) -> str:
    """What ``residual=auto`` means for these channels; other kinds are returned as they are.

    Args:
        kind: Kind of residual, or ``auto``.
        channel_names: Names of the channels that are scored.

    Example:
        >>> residual_kind("auto", ["FLAIR", "T1"])
        'signed'
        >>> residual_kind("auto", ["T1"])
        'absolute'
    """
    if kind != AUTO:
        return kind
    return "signed" if bright_channels(channel_names).any() else "absolute"


def bright_channels(channel_names: Sequence[str]) -> np.ndarray:
    """Whether lesions are bright on each channel, by its name.

    Args:
        channel_names: Names of the channels.

    Returns:
        Booleans (C,).
    """
    return np.array([any(b in name.casefold() for b in BRIGHT) for name in channel_names])
