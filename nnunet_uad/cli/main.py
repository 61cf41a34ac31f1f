"""``nnunet_uad <subcommand>``."""

from __future__ import annotations

import argparse
import importlib
import os
import select
import sys
from collections.abc import Collection, Sequence
from typing import Any

import nnunet_uad
from nnunet_uad.common.ending import ending_well

#: Subcommand → module with ``add_arguments(parser)`` and ``run(arguments) -> int``; imported when used.
SUBCOMMANDS = {
    "env": "env",
    "doctor": "doctor",
    "settings": "settings",
    "small-plan": "small_plan",
    "preprocess": "preprocess",
    "transfer": "transfer",
    "weights": "weights",
    "check-checkpoint": "check_checkpoint",
    "check": "check",
    "predict": "predict",
    "screen": "screen",
    "next": "next",
    "append-residuals": "append_residuals",
    "evaluate": "evaluate",
    "dicom": "dicom",
    "robustness": "robustness",
    "study": "study",
    "report": "report",
    "choose": "choose",
    "export": "export",
    "demo": "demo",
    "completion": "completion",
}
_HELP = {
    "env": "print the line that lets nnU-Net find the trainers",
    "doctor": "check the environment and say what would fail and why",
    "settings": "list the trainers' settings, or write plans that carry some",
    "small-plan": "add a configuration to the plans of a dataset: a smaller one, or the one that a weight file wants",
    "preprocess": "preprocess unlabelled data with another dataset's plans",
    "check": "say whether raw images are fit for a model, and what is wrong with those that are not",
    "predict": "anomaly maps, reconstructions, residuals, masks of raw images",
    "screen": "segment raw images, and find what is anomalous beside it at a promised false-positive rate",
    "next": "list diverse unlabelled cases or slices to label next, with templates; not shown to beat chance",
    "append-residuals": "write a dataset whose images carry residual channels, for stock nnU-Net",
    "evaluate": "score anomaly maps against labels",
    "dicom": "DICOM series to nnU-Net's images, maps and segmentations back to DICOM",
    "robustness": "predict corrupted images with several models and compare what they lose",
    "study": "plan and run a low-label study: budgets, pretrainings, trainings, tests",
    "report": "write the page and tables of a study",
    "choose": "say which pretraining pays on the labels at hand, within a time budget",
    "export": "write a fine-tuned model as a plain nnU-Net that needs no plugin, or pretrained weights in nnssl's form",
    "transfer": "show what a weight file would give to a network",
    "weights": "show what is known of weights, share them, fetch those of others",
    "check-checkpoint": "say whether weight files are safe to read, without running anything in them",
    "demo": "pretrain, fine-tune and compare on a phantom dataset or on your own",
    "completion": "print what makes a shell complete subcommands, flags, files and names of trainers",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand; errors that teach are printed without a traceback.

    Returns:
        The exit status: 0 done, 1 refused or failed, 2 wrong arguments, 141 nobody reads the output any more.

    Raises:
        SystemExit: Wrong arguments, or a signal: 130 for Ctrl-C, 143 for SIGTERM.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    with ending_well(" ".join(["nnunet_uad", *arguments[:1]])):
        return _run(arguments)


class _Version(argparse.Action):
    """``--version``; the package's metadata are read when it is asked for, not whenever a command starts."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print the version and end."""
        print(nnunet_uad.__version__)
        parser.exit()


def command_line(asked: Collection[str]) -> argparse.ArgumentParser:
    """The parser of the command line.

    Args:
        asked: Subcommands whose flags are declared; only their modules are imported: env must answer without PyTorch.
    """
    parser = argparse.ArgumentParser(
        prog="nnunet_uad", description="Anomaly detection and low-label fine-tuning inside nnU-Net v2."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="SUBCOMMAND")
    for name, module_name in SUBCOMMANDS.items():
        sub = commands.add_parser(name, help=_HELP[name])
        if name in asked:
            module = importlib.import_module(f"nnunet_uad.cli.{module_name}")
            sub.description = module.__doc__
            sub.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return parser


def _run(arguments: list[str]) -> int:
    try:
        parsed = command_line(arguments[:1]).parse_args(arguments)
        status = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 141
        print(f"nnunet_uad {arguments[0]}: {error}", file=sys.stderr)
        return 1


def _nobody_reads() -> bool:
    """Whether it is the output's pipe that broke (``| head``), not one to a worker; what is left is dropped then."""
    try:
        output = sys.stdout.fileno()
    except OSError:
        return False
    if not hasattr(select, "poll"):  # Windows, which knows no broken pipe of the output either
        return False
    poll = select.poll()
    poll.register(output, select.POLLOUT)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    # Python flushes once more at its end, which must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


if __name__ == "__main__":
    sys.exit(main())
