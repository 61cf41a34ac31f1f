"""What the trainers of stage two need from stage one, without importing any: a plan of a study must be light."""

from __future__ import annotations

from nnunet_uad.common.schema import nearest
from nnunet_uad.methods import ATTRIBUTES, NEEDS


def needs_of(trainer: str) -> dict[str, str]:
    """``weights`` and ``restorer`` → pretrainer.

    Trainers of others are looked up as nnU-Net does, which takes its time; subclasses of ours need what ours need.

    Raises:
        ValueError: there is no such trainer; the nearest are named.
    """
    if trainer in NEEDS:
        return NEEDS[trainer]
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    try:
        trainer_class = recursive_find_trainer_class_by_name(trainer)
    except RuntimeError as error:
        raise ValueError(f"trainers: {error}") from error
    if trainer_class is None:
        hint = nearest(trainer, list(NEEDS))
        raise ValueError(f"trainers: there is no trainer {trainer!r}.{hint} (nnunet_uad doctor lists all of ours)")
    return needs_of_class(trainer_class)


def needs_of_class(trainer_class: type) -> dict[str, str]:
    """The same, of the class."""
    return {
        kind: getattr(trainer_class, name) for kind, name in ATTRIBUTES.items() if getattr(trainer_class, name, None)
    }
