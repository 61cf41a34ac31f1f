"""Whether tag, changelog and citation say the same version: ``python tools/release.py v0.1.0``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def disagreements(tag: str, changelog: str, citation: str) -> Iterator[str]:
    """Sentences on what does not fit the tag; none if all does.

    Args:
        tag: Name of the tag.
        changelog: Text of ``CHANGELOG.md``.
        citation: Text of ``CITATION.cff``.
    """
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        yield f"A release's tag looks like v1.2.3, found {tag!r}."
        return
    version = tag.removeprefix("v")
    cited = yaml.safe_load(citation)
    if cited["version"] != version:
        yield f"CITATION.cff says version {cited['version']}, the tag {version}."
    heading = re.search(r"^## \[(\d.*?)\] - (\S+)$", changelog, re.MULTILINE)
    if heading is None or heading[1] != version:
        yield f"The newest release in CHANGELOG.md is {heading[1] if heading else 'none'}, that of the tag {version}."
    elif heading[2] != str(cited["date-released"]):
        yield f"CHANGELOG.md dates the release {heading[2]}, CITATION.cff {cited['date-released']}."
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        yield "CHANGELOG.md still has entries under Unreleased: they belong to this release."


def main() -> int:
    """Print what does not fit; the exit status is 1 if there is anything."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff")]
    found = list(disagreements(sys.argv[1], *texts))
    print("\n".join(found) or f"{sys.argv[1]}: changelog and citation agree.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
