"""What files say, as people and terminals read it."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str, most: int | None = None) -> str:
    r"""Text on one line, without what would steer a terminal.

    Args:
        text: Text that somebody else wrote.
        most: Number of letters that are shown; all of them if ``None``.

    Example:
        >>> printable("a\x1b[31m\nb"), printable("abc", 2)
        ('a [31m b', 'ab…')
    """
    plain = "".join(c if c.isprintable() else " " for c in text).strip()
    return plain if most is None or len(plain) <= most else f"{plain[:most]}…"


def by(lengths: Sequence[float]) -> str:
    """Lengths per axis in words: ``96 x 96``.

    Args:
        lengths: Numbers, one per axis.
    """
    return " x ".join(f"{length:g}" for length in lengths)
