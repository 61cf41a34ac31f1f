"""``<trainer>_<N>epochs_<M>iters``: trainers' names and lengths; importing this loads nothing heavy."""

from __future__ import annotations

import re

#: With the value :data:`NO_VALIDATION` a training of a given length ends without predicting its validation cases: for
#: who predicts them anyway. Weights, losses and checkpoints are the same.
VALIDATION_VARIABLE, NO_VALIDATION = "nnUNet_uad_validation", "no"

_PATTERN = re.compile(r"^(?P<base>.+?)_(?P<epochs>[1-9]\d*)epochs(?:_(?P<iters>[1-9]\d*)iters)?$")


def split_variant(name: str) -> tuple[str, int | None, int | None]:
    """Split a trainer's name into base name, epochs and iterations per epoch (``None`` where not given).

    Example:
        >>> split_variant("nnUNetPretrainerDAE_20epochs_50iters")
        ('nnUNetPretrainerDAE', 20, 50)
        >>> split_variant("nnUNetPretrainerDAE")
        ('nnUNetPretrainerDAE', None, None)
    """
    match = _PATTERN.match(name)
    if match is None:
        return name, None, None
    iters = match["iters"]
    return match["base"], int(match["epochs"]), int(iters) if iters else None


def base_name(name: str) -> str:
    """The trainer's name without the suffix for its length."""
    return split_variant(name)[0]


def length_suffix(name: str) -> str:
    """The suffix for the training length, ``""`` if the name has none.

    Example:
        >>> length_suffix("nnUNetPretrainerDAE_20epochs")
        '_20epochs'
    """
    return name[len(base_name(name)) :]
