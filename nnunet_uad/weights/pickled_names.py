"""What a pickle would import and call, found without doing so; explains why a file is refused."""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

#: A PyTorch file before 1.6 is a row of pickles, with the numbers behind them.
_MOST_PICKLES = 6
_STRINGS = ("UNICODE", "STRING")
#: What tensors, and the numbers that nnU-Net logs, are made of.
_PLAIN = re.compile(
    r"torch\._utils\._rebuild_\w+|torch\.\w*Storage|torch\.(Size|device|Tensor)|torch\.u?(int|float|bfloat|complex)\w*"
    r"|torch\.(bool|double|half|long|nn\.parameter\.Parameter|storage\.\w*Storage|serialization\._get_layout)"
    r"|collections\.(OrderedDict|Counter)|numpy(\._core|\.core)?\.(multiarray\.scalar|dtype|dtypes\.\w+)|_codecs\.encode"
)


def foreign_names(path: Path) -> list[str]:
    """Names of functions and classes that unpickling a file would look up, besides those that tensors need.

    Args:
        path: File to look into: a checkpoint of PyTorch, old or new, or a bare pickle.

    Returns:
        Full names in the order of the file (``posix.system``); what can be read of a damaged file.
    """
    names: dict[str, None] = {}
    try:
        for name in _names(path):
            if not _PLAIN.fullmatch(name):
                names[name] = None
    except Exception:
        # Damaged in any way: what was found until there is what can be said.
        pass
    return list(names)


def _names(path: Path) -> Iterator[str]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".pkl"):
                    with archive.open(member) as handle:
                        yield from _names_in_pickle(handle)
        return
    with path.open("rb") as handle:
        for _ in range(_MOST_PICKLES):
            yield from _names_in_pickle(handle)


def _names_in_pickle(handle: IO[bytes]) -> Iterator[str]:
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(handle):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            # Its module and name were put on the stack before; by detours nobody but an attacker takes.
            yield ".".join(strings[-2:]) or "a name that is made up while reading"
        elif any(kind in opcode.name for kind in _STRINGS):
            strings = [*strings[-1:], str(argument)]
