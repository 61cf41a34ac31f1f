"""The folders in which nnU-Net looks for external trainers, in its order: the first class of a name is taken."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nnunet_uad.common.nnunet import PLUGIN_FOLDER

VARIABLE = "nnUNet_extTrainer"


def plugin_first(current: str) -> str:
    """The value of ``nnUNet_extTrainer`` that finds this plugin's trainers before others of the same name.

    Args:
        current: Present value of the variable; its other folders stay, in their order.

    Example:
        >>> plugin_first("/mine") == os.pathsep.join([str(PLUGIN_FOLDER), "/mine"])
        True
    """
    return os.pathsep.join([str(PLUGIN_FOLDER), *_others(current)])


def plugin_last(current: str) -> str:
    """The value of ``nnUNet_extTrainer`` with this plugin's folder behind others; a value that has it stays as it is.

    Args:
        current: Present value of the variable.

    Example:
        >>> plugin_last("/mine") == os.pathsep.join(["/mine", str(PLUGIN_FOLDER)])
        True
    """
    folders = [folder for folder in current.split(os.pathsep) if folder.strip()]
    return os.pathsep.join(folders if any(map(_is_plugin, folders)) else [*folders, str(PLUGIN_FOLDER)])


def other_folders() -> list[str]:
    """The folders in the variable that are not this plugin's."""
    return _others(os.environ.get(VARIABLE, ""))


def others_hold_modules() -> bool:
    """Whether nnU-Net finds any file to import in another folder of the variable."""
    return any(next(Path(folder).rglob("*.py"), None) is not None for folder in other_folders())


def defined_elsewhere(name: str) -> Path | None:
    """The first file in another folder of the variable that defines a class of that name, by its text.

    Nothing is imported: a file of others may fail to.

    Args:
        name: Full name of a trainer.
    """
    line = re.compile(rf"^\s*class\s+{re.escape(name)}\b", re.MULTILINE)
    for folder in map(Path, other_folders()):
        for path in sorted(folder.rglob("*.py")) if folder.is_dir() else []:
            if line.search(path.read_text(encoding="utf-8", errors="replace")):
                return path
    return None


def _others(value: str) -> list[str]:
    folders = (folder.strip() for folder in value.split(os.pathsep))
    return [folder for folder in dict.fromkeys(folders) if folder and not _is_plugin(folder)]


def _is_plugin(folder: str) -> bool:
    return folder.rstrip("/\\") == str(PLUGIN_FOLDER)
