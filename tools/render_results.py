"""Tables and figures of ``docs/results/`` and the README, made from the rows in ``docs/results/rows/``.

    python tools/render_results.py          # after a change of the rows, or of what a page shows of them

A page says in a comment what stands below it, one ``key: value`` per line::

    <!-- table
    rows: study_tumours.csv
    where: test = 901; labelled = 1 case | 3 cases
    columns: trainer; Dice [Dice low, Dice high]; +difference [difference low, difference high] = to scratch
    -->
    | trainer | Dice | to scratch |
    ...
    <!-- end -->

``where`` keeps rows (``|`` between values that are both kept). A column is the name of one in the CSV; ``[low, high]``
adds an interval, ``+`` a sign, ``= text`` another heading. Numbers of more than three decimals are rounded (``digits``
says to how many), everything else is shown as it is written. A ``figure`` is a forest plot (``tools/forest.py``):
``file``, ``alt``, ``labels`` (columns), ``value`` (a column with its interval), ``axis`` (its title), and, if wanted,
``line`` (a vertical line), ``range`` (ends of the axis), ``digits`` and ``where``.
"""

from __future__ import annotations

import csv
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from forest import Forest, Mark, draw, drawn_from

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
Row = dict[str, str]
_BLOCK = re.compile(r"<!-- (table|figure)\n(.*?)\n-->\n(.*?)<!-- end -->", re.DOTALL)
_COLUMN = re.compile(r"(\+?)(.+?)(?: \[(.+?), (.+?)\])?(?: = (.+))?")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
#: What a block may say, and what it must.
_KEYS = {
    "table": ({"rows", "columns"}, {"where", "digits"}),
    "figure": ({"rows", "file", "alt", "labels", "value", "axis"}, {"where", "line", "range", "digits"}),
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: Name in the CSV.
        low: Name of the column of the interval's lower end, empty without interval.
        high: Name of the column of the interval's upper end.
        signed: Whether numbers show their sign.
        heading: Heading in the table.
    """

    name: str
    low: str
    high: str
    signed: bool
    heading: str

    @classmethod
    def parse(cls, text: str) -> Column:
        """Read ``+name [low, high] = heading``.

        Raises:
            ValueError: The text is empty.
        """
        found = _COLUMN.fullmatch(text.strip())
        if found is None:
            raise ValueError("columns: expected names between semicolons, found an empty one.")
        sign, name, low, high, heading = found.groups()
        return cls(name, low or "", high or "", bool(sign), heading or name)

    @property
    def sources(self) -> list[str]:
        """Names of the CSV's columns that are shown."""
        return [n for n in (self.name, self.low, self.high) if n]

    def cell(self, row: Row, digits: int) -> str:
        """What a row shows in this column.

        Args:
            row: Row of the CSV.
            digits: Number of decimals that longer numbers are rounded to.
        """
        value = number(row[self.name], digits, self.signed)
        if not self.low or not row[self.low]:
            return value
        return f"{value} [{number(row[self.low], digits, self.signed)}, {number(row[self.high], digits, self.signed)}]"


def number(text: str, digits: int = 3, signed: bool = False) -> str:
    """A cell's number, rounded if it has more decimals (if small and unsigned: ``< 0.001``); other text as it is.

    Args:
        text: Cell of a CSV.
        digits: Number of decimals at most.
        signed: Whether to show the sign of a positive number.

    Examples:
        >>> number("0.0174148"), number("0.70"), number("0.031", signed=True), number("1 case"), number("2.7e-06")
        ('0.017', '0.70', '+0.031', '1 case', '< 0.001')
    """
    try:
        value = float(text)
    except ValueError:
        return text
    if "e" in text.lower() or len(text.partition(".")[2]) > digits:
        text = f"{value:.{digits}f}"
    if float(text) == 0 < value and not signed:
        return f"< {10.0**-digits:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return f"+{text}" if signed and not text.startswith("-") else text


def read_rows(name: str, where: str = "") -> list[Row]:
    """Rows of a CSV in ``docs/results/rows/``.

    Args:
        name: Name of the file.
        where: Condition as in a block: ``column = value | value; column = value``.

    Raises:
        ValueError: A column is not in the file, or no row is left.
    """
    with (RESULTS / "rows" / name).open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    for condition in filter(None, (c.strip() for c in where.split(";"))):
        column, _, values = (part.strip() for part in condition.partition(" = "))
        require(rows, [column], name)
        rows = [r for r in rows if r[column] in [v.strip() for v in values.split("|")]]
    if not rows:
        raise ValueError(f"{name}: no row is left where {where!r}.")
    return rows


def require(rows: list[Row], names: list[str], file: str) -> None:
    """Refuse columns that a CSV does not have.

    Args:
        rows: Rows of the CSV.
        names: Names of the columns.
        file: Name of the CSV.

    Raises:
        ValueError: One is missing; names those that there are.
    """
    missing = [n for n in names if not rows or n not in rows[0]]
    if missing:
        raise ValueError(f"{file} has no column {missing[0]!r}; it has: {'; '.join(rows[0]) if rows else 'no row'}.")


def table(keys: dict[str, str], page: Path) -> str:
    """Lines of a table.

    Args:
        keys: Keys of the block and their values.
        page: File that shows the table; links of the rows, which start in ``docs/results/``, are made to fit.
    """
    rows = read_rows(keys["rows"], keys.get("where", ""))
    columns = [Column.parse(c) for c in keys["columns"].split(";")]
    require(rows, [n for c in columns for n in c.sources], keys["rows"])
    cells = [[c.cell(r, int(keys.get("digits", 3))).replace("|", "\\|") for c in columns] for r in rows]
    lines = [[c.heading for c in columns], ["---"] * len(columns), *cells]
    text = "".join(f"| {' | '.join(line)} |\n".replace("  ", " ") for line in lines)
    return _LINK.sub(lambda m: "](" + os.path.relpath(RESULTS / m[1], page.parent), text)


def figure(keys: dict[str, str], page: Path) -> str:
    """Line that shows a figure, which is drawn anew if its rows have changed.

    Args:
        keys: Keys of the block and their values.
        page: File that shows the figure.
    """
    path = RESULTS / "figures" / keys["file"]
    plan = forest_of(keys)
    if drawn_from(path) != plan.digest():
        draw(plan, path)
    return f"![{keys['alt']}]({os.path.relpath(path, page.parent)})\n"


def forest_of(keys: dict[str, str]) -> Forest:
    """What a figure shows; rows without a value are left out.

    Args:
        keys: Keys of the block and their values.
    """
    rows = read_rows(keys["rows"], keys.get("where", ""))
    value, labels = Column.parse(keys["value"]), [n.strip() for n in keys["labels"].split(";")]
    require(rows, [*value.sources, *labels], keys["rows"])
    digits = int(keys.get("digits", 3))
    marks = []
    for row in (r for r in rows if r[value.name]):
        ends = (float(row[value.low]), float(row[value.high])) if value.low and row[value.low] else None
        marks.append(Mark(", ".join(row[n] for n in labels), float(row[value.name]), ends, value.cell(row, digits)))
    limits = tuple(float(v) for v in keys["range"].split(" to ")) if "range" in keys else None
    line = float(keys["line"]) if "line" in keys else None
    return Forest(tuple(marks), keys["axis"], line, limits)


def keys_of(kind: str, text: str) -> dict[str, str]:
    """What a block says.

    Args:
        kind: Kind of the block, ``table`` or ``figure``.
        text: Lines of ``key: value``.

    Raises:
        ValueError: A key is missing or unknown.
    """
    keys = {k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())}
    needed, possible = _KEYS[kind]
    wrong = sorted((needed - set(keys)) | (set(keys) - needed - possible))
    if wrong:
        raise ValueError(f"A {kind} needs {', '.join(sorted(needed))}; wrong: {', '.join(wrong)}, in\n{text}")
    return keys


def rendered(page: Path, text: str) -> str:
    """A page's text with its tables and figures made anew.

    Args:
        page: File of the page.
        text: Text of the page as it is.

    Raises:
        ValueError: A block cannot be made; names the page.
    """

    def block(found: re.Match[str]) -> str:
        kind, says = found[1], found[2]
        try:
            made = {"table": table, "figure": figure}[kind](keys_of(kind, says), page)
        except (ValueError, OSError) as error:
            raise ValueError(f"{page.name}: {error}") from None
        return f"<!-- {kind}\n{says}\n-->\n{made}<!-- end -->"

    return _BLOCK.sub(block, text)


def pages() -> list[Path]:
    """Files that may hold such blocks."""
    return [ROOT / "README.md", *sorted(RESULTS.rglob("*.md"))]


def main() -> int:
    """Write all pages again and name those that changed."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = rendered(page, text)
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
