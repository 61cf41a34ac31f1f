"""Text of files of others inside Markdown, where it must stay text: no HTML, link, heading or table of its own."""

from __future__ import annotations

import re
from typing import Any

from nnunet_uad.weights.printable import printable

#: What means something wherever it stands; underscores inside a word do not.
_ANYWHERE = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])")
#: What means something at the beginning of a line: headings, lists, rules.
_FIRST = re.compile(r"(\d{1,9}(?=[.)](?:\s|$))|)([.)]|[#+=:-](?!\d))")


def plain_markdown(value: Any) -> Any:
    r"""A value as Markdown shows it unchanged, on one line (CommonMark 0.31, section 2.4; GitHub's tables).

    Args:
        value: Value that somebody else wrote; what the filter ``safe`` marked is ours and stays.

    Example:
        >>> plain_markdown("# <b>a|b</b>\n[x](y) T1_w")
        '\\# \\<b\\>a\\|b\\</b\\> \\[x\\](y) T1_w'
    """
    if hasattr(value, "__html__"):
        return value
    text = _ANYWHERE.sub(r"\\\g<0>", printable(str(value)))
    return _FIRST.sub(r"\1\\\2", text, count=1) if _FIRST.match(text) else text
