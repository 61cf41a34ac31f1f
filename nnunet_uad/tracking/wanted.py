"""Where a training logs to besides nnU-Net's own files: an environment variable, checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec

from nnunet_uad.common.schema import nearest, shown

#: Environment variable that names the destinations. Not a setting: a training goes on with ``--c`` without it, too.
LOG_VARIABLE = "nnUNet_uad_log_to"
TENSORBOARD, MLFLOW = "tensorboard", "mlflow"
#: Destination → modules that it needs; the extra that brings them has the destination's name.
NEEDED: Mapping[str, tuple[str, ...]] = {TENSORBOARD: ("tensorboard",), MLFLOW: ("mlflow",)}
_NNUNETS_OWN = ("wandb", "w&b")


def wanted_destinations() -> tuple[str, ...]:
    """Destinations that :data:`LOG_VARIABLE` names, between spaces or commas, each once; none if it is not set.

    Raises:
        ValueError: A name is none of them; says which was meant.
        RuntimeError: The package of a destination is not installed; names the command that installs it.
    """
    names = os.environ.get(LOG_VARIABLE, "").replace(",", " ").lower().split()
    for name in names:
        if name in _NNUNETS_OWN:
            raise ValueError(
                f"{LOG_VARIABLE}: Weights & Biases is nnU-Net's own and switched on by its variables: "
                "nnUNet_wandb_enabled=1 nnUNetv2_train … (pip install wandb). Beside it this variable takes: "
                f"{', '.join(NEEDED)}."
            )
        if name not in NEEDED:
            raise ValueError(
                f"{LOG_VARIABLE} expects {' or '.join(NEEDED)}, or both, found {shown(name)}."
                f"{nearest(name, list(NEEDED))} For example: {LOG_VARIABLE}={TENSORBOARD} nnUNetv2_train …"
            )
        require_modules(name, NEEDED[name])
    return tuple(dict.fromkeys(names))


def require_modules(destination: str, modules: tuple[str, ...]) -> None:
    """Refuse a destination whose packages are not installed.

    Args:
        destination: Name of the destination.
        modules: Names of the modules that it needs.

    Raises:
        RuntimeError: A module is not there; names the command that installs it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise RuntimeError(
            f"{LOG_VARIABLE}={destination} needs {' and '.join(missing)}, which is not installed: "
            f"pip install 'nnunet_uad[{destination}]'. Or train without: unset {LOG_VARIABLE}"
        )
