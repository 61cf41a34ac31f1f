"""Print the line that lets nnU-Net find the trainers.

Use it like this:
    eval "$(nnunet_uad env)"
    nnunet_uad env --shell fish | source
    nnunet_uad env --shell powershell | Invoke-Expression
"""

from __future__ import annotations

import argparse
import os

from nnunet_uad.common.trainer_folders import VARIABLE, plugin_first

_LINES = {
    "bash": 'export {name}="{value}"',
    "fish": 'set -gx {name} "{value}"',
    "powershell": '$Env:{name} = "{value}"',
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--shell", choices=sorted(_LINES), default="bash", help="bash also serves sh and zsh")


def export_line(shell: str, current: str) -> str:
    """The assignment for ``shell``, keeping the folders in ``current`` (the variable's value) behind the plugin's."""
    return _LINES[shell].format(name=VARIABLE, value=plugin_first(current))


def run(arguments: argparse.Namespace) -> int:
    """Print the line."""
    print(export_line(arguments.shell, os.environ.get(VARIABLE, "")))
    return 0
