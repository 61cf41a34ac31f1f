"""Print the line that lets nnU-Net find the trainers.

Use it like this:
    eval "$(nnunet_uad env)"
    nnunet_uad env --shell fish | source
    nnunet_uad env --shell powershell | Invoke-Expression
"""

from __future__ import annotations

import argparse
import os

from nnunet_uad.common.trainer_folders import VARIABLE, others_hold_modules, plugin_first, plugin_last

_LINES = {
    "bash": 'export {name}="{value}"',
    "fish": 'set -gx {name} "{value}"',
    "powershell": '$Env:{name} = "{value}"',
}
#: Per shell, what a character becomes between double quotes, so that it means itself there. PowerShell takes
#: typographic quotes for quotes, and reads what it is piped line by line.
_ESCAPES = {
    "bash": str.maketrans({c: f"\\{c}" for c in '\\"$`'}),
    "fish": str.maketrans({c: f"\\{c}" for c in '\\"$'}),
    "powershell": str.maketrans({c: f"`{c}" for c in '`"$“”„'} | {"\n": "`n", "\r": "`r"}),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--shell", choices=sorted(_LINES), default="bash", help="bash also serves sh and zsh")


def export_line(shell: str, current: str) -> str:
    """The assignment, quoted so that the shell takes every character as it is.

    Args:
        shell: Name of the shell: ``bash``, ``fish`` or ``powershell``.
        current: Value of the variable, whose folders are kept.
    """
    # Behind the others, as one adds to a path; before modules that could fail or take the place of our trainers.
    join = plugin_first if others_hold_modules() else plugin_last
    return _LINES[shell].format(name=VARIABLE, value=join(current).translate(_ESCAPES[shell]))


def run(arguments: argparse.Namespace) -> int:
    """Print the line."""
    print(export_line(arguments.shell, os.environ.get(VARIABLE, "")))
    return 0
