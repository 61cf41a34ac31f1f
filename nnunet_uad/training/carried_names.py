"""Names in the settings that plans carry: a misspelt one would be passed over by every trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nnunet_uad.common.plan_settings import carried_settings, is_trainer_name
from nnunet_uad.common.schema import nearest
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.methods import NAMES, settings_classes
from nnunet_uad.training.variants import refuse_misspelling


def refuse_unknown_names(cls: type, plans: Mapping[str, Any]) -> None:
    """Refuse settings that no trainer has, and those below the misspelt name of a trainer.

    Args:
        cls: Settings dataclass of the trainer that runs, which may be one of another package.
        plans: Content of the plans.

    Raises:
        ValueError: Naming the plans, the setting or trainer, and the nearest one.
    """
    own = {f.name for f in dataclasses.fields(cls)}
    foreign = [key for key in carried_settings(plans) if key not in own and key not in NAMES]
    # Only a key that this trainer lacks is worth the import of all the others.
    if not foreign:
        return
    classes = settings_classes()
    known = own | {f.name for c in classes.values() for f in dataclasses.fields(c)}
    for key in foreign:
        if base_name(key) in NAMES:
            raise ValueError(
                f"plans {plans.get('plans_name')}: found settings of {key!r}, but they hold for "
                f"every length and stand below {base_name(key)!r}."
            )
        if is_trainer_name(key):
            refuse_misspelling(key, classes)
        elif key not in known:
            raise ValueError(
                f"plans {plans.get('plans_name')}: no trainer has a setting {key!r}.{nearest(key, sorted(known))} "
                "What only a trainer of another package has stands below that trainer's name "
                "(nnunet_uad settings --list shows all)"
            )
