"""Names of the further channels that a restorer gives a segmentation network; importing this loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence

#: What can be made of an image x and its reconstruction x̂: x − x̂, |x − x̂|, x̂; each has as many channels as the image.
CHANNEL_KINDS = ("signed", "absolute", "reconstruction")
#: The one further channel of a frozen network that returns a score instead of an image.
SCORE = "score"
FORMS = ("channels", "siamese")


def check_channel_choice(kinds: Sequence[str], form: str) -> None:
    """Refuse kinds or forms that do not exist.

    Args:
        kinds: Names of the channels.
        form: Way in which they reach the network.

    Raises:
        ValueError: A kind or form that does not exist, or kinds that the form cannot take; says what there is.
    """
    unknown = [k for k in kinds if k not in CHANNEL_KINDS]
    if unknown or not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"residual_channels expects some of {', '.join(CHANNEL_KINDS)}, each once and separated by commas, found "
            f"{','.join(kinds)!r}."
        )
    if form not in FORMS:
        raise ValueError(f"residual_form expects {' or '.join(FORMS)}, found {form!r}.")
    if form == "siamese" and tuple(kinds) != ("signed",):
        raise ValueError("The siamese form compares image and signed residual; leave residual_channels at signed.")
