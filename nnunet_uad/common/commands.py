"""nnU-Net's commands as this package starts them: which executable, in which environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from nnunet_uad.common.nnunet import PLUGIN_FOLDER
from nnunet_uad.common.trainer_folders import VARIABLE, plugin_first


def executable(name: str) -> str:
    """A console script of the environment that runs this process; its bare name if it is not beside Python.

    Args:
        name: Name of the script.

    Example:
        >>> Path(executable("nnUNetv2_train")).name
        'nnUNetv2_train'
    """
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.is_file() else name


def nnunet_environment(folders: Mapping[str, str], shared_cores: bool, keep_others: bool = True) -> dict[str, str]:
    """Variables that a command of nnU-Net needs on top of the present ones.

    Args:
        folders: Paths of nnU-Net's folders, by variable (``nnUNet_raw`` …).
        shared_cores: Whether processes share the cores, so that threads that wait must not keep them busy.
        keep_others: Whether folders with trainers of others stay in ``nnUNet_extTrainer``; nnU-Net imports every file
            in them, so a command that needs our trainers only is safer without.

    Returns:
        nnU-Net's folders and the plugin.
    """
    environment = {
        **folders,
        VARIABLE: plugin_first(os.environ.get(VARIABLE, "")) if keep_others else str(PLUGIN_FOLDER),
        # Whoever follows a log wants to see this epoch, not the last but one.
        "PYTHONUNBUFFERED": "1",
    }
    if shared_cores:
        environment |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    return environment
