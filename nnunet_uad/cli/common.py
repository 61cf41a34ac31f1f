"""What several subcommands need: how many processes, how failures are told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.schema import shown
from nnunet_uad.common.workers import cores, process_limit

T = TypeVar("T", int, float)

#: Processes of a command, seeds of what it draws, labels.
PROCESSES, SEED, LABEL = Bounds(0, 1000), Bounds(0, 2**32 - 1), Bounds(-1, 2**16)
#: Letters of a number that are read; Python refuses to read thousands.
_LONGEST = 400


def default_processes() -> int:
    """nnU-Net's number of background processes, ``nnUNet_def_n_proc``, at most 8.

    Raises:
        ValueError: The variable holds no number.
    """
    given = process_limit()
    return min(8, cores() if given is None else given)


def number(kind: type[T], bounds: Bounds) -> Callable[[str], T]:
    """What makes a number of a command-line argument (``type=`` of an argument), refusing others in words.

    Args:
        kind: Whole numbers or real ones.
        bounds: Values that it may have.

    Example:
        >>> number(int, Bounds(0, 9))("3")
        3
    """

    def read(text: str) -> T:
        """The number.

        Raises:
            ArgumentTypeError: The text is no number, or one out of the bounds.
        """
        try:
            value = kind(text[:_LONGEST])
        except ValueError as error:
            noun = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"expects {noun} in {bounds.interval}, found {shown(text)}") from error
        if value not in bounds:
            raise argparse.ArgumentTypeError(f"expects {bounds}, found {shown(text)}")
        return value

    return read


def report_failures(done: str, failed: Mapping[str, str]) -> int:
    """List the cases that failed on standard error.

    Args:
        done: Participle for what could not be done to them: ``predicted``.
        failed: Reasons by identifier.

    Returns:
        Exit status: 1 if a case failed, else 0.
    """
    if failed:
        print(f"{len(failed)} case(s) could not be {done}; the others are done:", file=sys.stderr)
        for case, reason in sorted(failed.items()):
            print(f"  {case}: {reason}", file=sys.stderr)
    return 1 if failed else 0
