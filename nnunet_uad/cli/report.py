"""The report of a study: one page that needs no network, and its tables as CSV.

A study that is not finished is reported as far as it is; what is missing is a gap, never a zero. What
nnunet_uad robustness -o STUDY_FOLDER/robustness has left is shown, too.

Example:
    nnunet_uad report study.yaml -o report
    nnunet_uad report study.yaml -o report --target 0.85
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nnunet_uad.cli.common import number
from nnunet_uad.common.bounds import Bounds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("study", type=Path, metavar="STUDY.yaml")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER", help="folder to write into")
    parser.add_argument(
        "--target",
        type=number(float, Bounds(0, 1, without_low=True, without_high=True)),
        metavar="DICE",
        help="mean Dice whose need of labels is forecast (default: the next multiple of 0.05 above the baseline)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the report; exit status 0 also for an unfinished study."""
    from nnunet_uad.report.page import write_report
    from nnunet_uad.study.layout import Layout
    from nnunet_uad.study.study_file import output_folder, read_study

    if arguments.o.exists() and not arguments.o.is_dir():
        raise ValueError(f"-o expects a folder to write into, found the file {arguments.o}.")
    layout = Layout(output_folder(arguments.study, read_study(arguments.study)))
    page = write_report(layout, arguments.study.read_text(encoding="utf-8"), arguments.o, arguments.target)
    print(f"Written: {page}")
    return 0
