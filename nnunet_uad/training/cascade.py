"""Second stages of cascades, whose networks read a segmentation besides the image: what is possible instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def is_second_stage(plans: Mapping[str, Any], configuration: str) -> bool:
    """Whether a configuration is one; not of names or inheritance that are wrong, which nnU-Net refuses.

    Args:
        plans: Content of the plans.
        configuration: Name of the configuration.
    """
    configurations, name, seen = plans["configurations"], configuration, set()
    while name in configurations and name not in seen:
        if "previous_stage" in configurations[name]:
            return configurations[name]["previous_stage"] is not None
        seen.add(name)
        name = configurations[name].get("inherits_from")
    return False


def first_stages(plans: Mapping[str, Any], configuration: str) -> list[str]:
    """The configurations that read images alone; the one that a second stage inherits from comes first.

    Args:
        plans: Content of the plans.
        configuration: Name of the second stage.
    """
    parent = plans["configurations"][configuration].get("inherits_from")
    names = [name for name in plans["configurations"] if not is_second_stage(plans, name)]
    return sorted(names, key=lambda name: name != parent)


def refuse_second_stage(
    plans: Mapping[str, Any],
    configuration: str,
    fold: int | str,
    why: str,
    trainers: Sequence[str],
    otherwise: str = "",
) -> None:
    """Refuse to train the second stage of a cascade.

    Args:
        plans: Content of the plans.
        configuration: Name of the configuration.
        fold: Fold that is to be trained.
        why: Reason, as the end of a sentence.
        trainers: Names of the trainers that are possible on a first stage, one after the other.
        otherwise: Sentence that says what else is possible.

    Raises:
        ValueError: The configuration is a second stage; names the commands that are possible.
    """
    if not is_second_stage(plans, configuration):
        return
    possible = first_stages(plans, configuration)
    start = f"nnUNetv2_train {plans['dataset_name']} {possible[0] if possible else 'CONFIGURATION'} {fold}"
    commands = "".join(f"\n  {start} -tr {name} -p {plans['plans_name']}" for name in trainers)
    raise ValueError(
        f"Configuration {configuration!r} is the second stage of a cascade; {why}. Use one that reads images alone, of "
        f"these plans: {', '.join(possible) or 'none'}. For example:{commands}{otherwise and chr(10) + otherwise}"
    )
