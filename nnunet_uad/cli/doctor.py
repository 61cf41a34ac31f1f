"""Check the environment and say what would fail, why, and what to do.

Exit status 1 if anything that training or prediction needs is missing.
"""

from __future__ import annotations

import argparse

from nnunet_uad.cli.checks import run_checks

_MARKS = {"ok": "ok  ", "warning": "WARN", "failed": "FAIL"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("-device", default="cuda", choices=("cuda", "cpu", "mps"), help="device to train on")


def run(arguments: argparse.Namespace) -> int:
    """Print one line per check, and the remedy under what is not well."""
    failed = 0
    for result in run_checks(arguments.device):
        print(f"[{_MARKS[result.status]}] {result.name}: {result.found}")
        if result.status != "ok":
            print(f"        {result.fix}")
        failed += result.status == "failed"
    print(
        "Checkpoints of others: nnU-Net's own commands (nnUNetv2_predict) run what such a file carries; look before, "
        "with nnunet_uad check-checkpoint FILE."
    )
    print("Everything needed is there." if not failed else f"{failed} check(s) failed; see FAIL above.")
    return 1 if failed else 0
