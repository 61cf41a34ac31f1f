"""Show what is known of weights, share them, fetch those of others.

push writes licence and data statement into a copy of the weights, a model card and a manifest beside it, and puts all
three into a folder, to an address that takes PUT (WebDAV), or into a repository of the Hugging Face Hub. It refuses
weights without licence or data statement, with names of cases in clear, and unfinished ones, unless you say so. pull
fetches them, continues what was cut off, checks the SHA-256, and prints the commands that use the file.

Example:
    nnunet_uad weights show pretrained.safetensors
    nnunet_uad weights push pretrained.safetensors SHARED --licence CC-BY-4.0 --data "Public scans of …"
    nnunet_uad weights pull hf://OWNER/NAME -o WEIGHTS
"""

from __future__ import annotations

import argparse
import json
from itertools import combinations
from pathlib import Path

from nnunet_uad.sharing.usage import commands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags.

    Args:
        parser: Parser of the command.
    """
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="what is known of weights, and what is not; of several: common cases")
    show.add_argument("files", nargs="+", type=Path, metavar="FILE", help="weights, whoever wrote them")
    show.add_argument("--json", action="store_true", help="print the record of the pretraining instead")
    push = actions.add_parser("push", help="share weights")
    push.add_argument("file", type=Path, metavar="FILE", help="pretrained.safetensors of a pretrainer")
    push.add_argument("target", metavar="TARGET", help="folder, http(s):// address or hf://OWNER/NAME")
    push.add_argument("--licence", "--license", default="", metavar="SPDX", help="for example CC-BY-4.0")
    push.add_argument("--data", default="", metavar="TEXT", help="where the scans come from and why they may be used")
    names = push.add_mutually_exclusive_group()
    names.add_argument("--hash-names", action="store_true", help="replace names of cases by salted hashes")
    names.add_argument("--keep-names", action="store_true", help="share names of cases that stand in clear")
    push.add_argument("--unfinished", action="store_true", help="share a pretraining before its end")
    push.add_argument("--overwrite", action="store_true", help="replace other weights at the target")
    pull = actions.add_parser("pull", help="fetch weights that others share")
    pull.add_argument("source", metavar="SOURCE", help="folder, http(s):// address or hf://OWNER/NAME[@REVISION]")
    pull.add_argument("-o", type=Path, metavar="FOLDER", help="folder to write into (default: the last name of SOURCE)")
    pull.add_argument("--sha256", default="", help="SHA-256 that the weights must have")
    pull.add_argument("--overwrite", action="store_true", help="replace other weights in the folder")


def run(arguments: argparse.Namespace) -> int:
    """Show, push or pull.

    Args:
        arguments: Parsed flags.
    """
    return {"show": _show, "push": _push, "pull": _pull}[arguments.action](arguments)


def _show(arguments: argparse.Namespace) -> int:
    from nnunet_uad.weights.in_common import cases_in_common
    from nnunet_uad.weights.passport import passport_lines
    from nnunet_uad.weights.readers import read_weights

    sources = [read_weights(path) for path in arguments.files]
    records = [source.record for source in sources if source.record]
    if arguments.json:
        if strangers := [str(source.path) for source in sources if not source.record]:
            raise ValueError(
                f"--json prints the record of a pretraining, which {', '.join(strangers)} does not have. What else is "
                "known: nnunet_uad weights show FILE"
            )
        print("\n".join(json.dumps(json.loads(record.to_json()), indent=2) for record in records))
        return 0
    for source in sources:
        print("\n".join(passport_lines(source)), end="\n\n")
    for one, other in combinations([s for s in sources if s.record], 2):
        if one.record and other.record:
            print(cases_in_common(one.record, other.record, (str(one.path), str(other.path))))
    for stranger in [s for s in sources if not s.record] if len(sources) > 1 else []:
        print(f"LEAKAGE? {stranger.path} has no record of its cases, so it cannot be compared.")
    return 0


def _push(arguments: argparse.Namespace) -> int:
    from nnunet_uad.sharing.push import PushRequest, push

    push(
        PushRequest(
            arguments.file,
            arguments.target,
            arguments.licence,
            arguments.data,
            arguments.keep_names,
            arguments.hash_names,
            arguments.unfinished,
            arguments.overwrite,
        )
    )
    print(f"To fetch them: nnunet_uad weights pull {arguments.target}")
    return 0


def _pull(arguments: argparse.Namespace) -> int:
    from nnunet_uad.sharing.pull import PullRequest, pull

    name = arguments.source.rstrip("/").rsplit("/", 1)[-1].partition("@")[0]
    folder = arguments.o or Path(name or "weights")
    path, record = pull(PullRequest(arguments.source, folder, arguments.sha256, arguments.overwrite))
    print("To use them:")
    for line in commands(path.resolve(), record):
        print(f"  {line}")
    return 0
