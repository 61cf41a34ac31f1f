"""What several subcommands need: how many processes, how failures are told."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def default_processes() -> int:
    """nnU-Net's number of background processes, ``nnUNet_def_n_proc``, at most 8."""
    return min(8, int(os.environ.get("nnUNet_def_n_proc", os.cpu_count() or 1)))


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
