"""Names of users as matplotlib shows them: letter by letter."""

from __future__ import annotations


def plain_text(name: str) -> str:
    r"""A name for titles and legends, in which ``$`` begins no formula and no leading ``_`` hides the line.

    Args:
        name: Name of a case, a channel or an arm, as a user wrote it.

    Example:
        >>> print(plain_text("$\\frac$"))
        \$\frac\$
    """
    # matplotlib leaves lines whose label begins with an underscore out of legends; a space of no width does not.
    shown = f"\u200b{name}" if name.startswith("_") else name
    return shown.replace("$", r"\$")
