"""Print what makes a shell complete subcommands, flags, files, folders and names of trainers.

Examples:
    nnunet_uad completion bash > ~/.local/share/bash-completion/completions/nnunet_uad
    nnunet_uad completion zsh > ~/.zfunc/_nnunet_uad     # a folder of your $fpath, before compinit
    nnunet_uad completion tcsh > ~/.nnunet_uad.tcsh      # source it in ~/.tcshrc

Written once; print it again after an update of nnunet_uad.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from nnunet_uad.methods import PRETRAINERS, TRAINERS

_SHELLS = ("bash", "zsh", "tcsh")
#: What flags call a folder.
_FOLDERS = ("FOLDER", "DIR")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("shell", choices=_SHELLS, help="the shell that completes")


def run(arguments: argparse.Namespace) -> int:
    """Print the script of the shell."""
    import shtab

    from nnunet_uad.cli.main import SUBCOMMANDS, command_line

    parser = command_line(SUBCOMMANDS)
    for action in _actions(parser):
        if action.metavar == "TRAINER":
            # Whole names: an ending of theirs (_20epochs) is typed on.
            action.choices = [*PRETRAINERS, *TRAINERS]
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.type is Path or action.metavar == "FILE":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Flags and arguments of a parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
