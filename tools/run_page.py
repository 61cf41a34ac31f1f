"""Run the commands of a page one by one, in one shell, and say how long each block took.

    python tools/run_page.py docs/tutorial.md --without "pip install" "curl"

Blocks that match one of ``--without`` are shown and left out: what they would fetch must be there already. The shell
stops at the first command that fails. Everything happens in the folder that this is started in.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

#: What the shell prints around every block; the times are read off the lines.
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str) -> list[str]:
    r"""Blocks of shell commands of a page, in order; those that are indented in a list do not count.

    Args:
        page: Text of the page.

    Examples:
        >>> blocks("Text\n```bash\nls\n```\n")
        ['ls\n']
    """
    return _BLOCK.findall(page)


def script(commands: list[str], without: list[str]) -> str:
    r"""Text of one shell script that runs blocks and says how long each took.

    Args:
        commands: Blocks of shell commands.
        without: Regular expressions; blocks in which one is found are left out.

    Examples:
        >>> "echo" in script(["ls"], ["l."]) and "\nls" not in script(["ls"], ["l."])
        True
    """
    lines = ["set -eo pipefail"]
    for index, block in enumerate(commands, 1):
        left_out = any(re.search(pattern, block) for pattern in without)
        lines.append(f"echo '== block {index}{', left out' if left_out else ''}: {_first_line(block)}'")
        if not left_out:
            lines += ["SECONDS=0", block.rstrip(), f'echo "== block {index} took $SECONDS s"']
    return "\n".join(lines) + "\n"


def _first_line(block: str) -> str:
    """What a block begins with, without the character that would end its quotes."""
    return block.strip().splitlines()[0].replace("'", '"')


def main() -> int:
    """Run the page that is named; its exit status is that of the first command that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--without", nargs="+", default=[], metavar="REGEX", help="blocks that are left out")
    args = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as handle:
        handle.write(script(blocks(args.page.read_text(encoding="utf-8")), args.without))
        handle.flush()
        return subprocess.run(["bash", handle.name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
