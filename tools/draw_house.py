"""Draw the floors of the house, ``docs/house.svg``: in the order of ``tools/floors.py``, in the packages' own words.

python tools/draw_house.py          # after a change of the floors, or of what a package says of itself
"""

from __future__ import annotations

import ast
import sys
from html import escape

from floors import FLOORS, ROOT, WINGS

PICTURE = ROOT / "docs" / "house.svg"
_WIDTH, _FLOOR, _GAP, _ROOF, _LEFT = 860, 30, 4, 64, 56
#: Fill and edge of ordinary floors and of the two wings, ink and quiet ink.
_PLAIN, _WING, _INK, _QUIET = ("#eef6f5", "#7fb3ad"), ("#fdf3e1", "#d9a441"), "#1f2a30", "#54646d"


def says(package: str) -> str:
    """First sentence that a package says of itself, without marks of code.

    Args:
        package: Name of the package or module.
    """
    folder = ROOT if package in WINGS else ROOT / "nnunet_uad"
    file = folder / package / "__init__.py"
    if not file.exists():
        file = folder / f"{package}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].replace("`", "")


def rows() -> list[tuple[str, ...]]:
    """Packages from the roof to the ground; the wings share a row."""
    shown = [name for name in reversed(FLOORS) if name != "__main__" and name not in WINGS[1:]]
    return [WINGS if name == WINGS[0] else (name,) for name in shown]


def room(x: float, y: float, width: float, height: float, colours: tuple[str, str]) -> str:
    """A box.

    Args:
        x: Left edge, pixels.
        y: Upper edge.
        width: Width, pixels.
        height: Height, pixels.
        colours: Fill and edge.
    """
    fill, edge = colours
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{fill}" stroke="{edge}"/>'


def words(x: float, y: float, text: str, name: bool = False) -> str:
    """A line of text.

    Args:
        x: Beginning, pixels.
        y: Line on which the letters stand.
        text: Words of the line.
        name: Whether it is the name of a package.
    """
    style = f'class="name" fill="{_INK}"' if name else f'fill="{_QUIET}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


def floor(row: tuple[str, ...], y: float) -> tuple[list[str], float]:
    """Elements of a row, and the upper edge of the next.

    Args:
        row: Packages that stand beside each other.
        y: Upper edge of the row, pixels.
    """
    if len(row) == 1:
        parts = [room(_LEFT, y, _WIDTH - _LEFT - 10, _FLOOR, _PLAIN)]
        parts += [words(_LEFT + 10, y + 19, row[0], name=True), words(_LEFT + 110, y + 19, says(row[0]))]
        return parts, y + _FLOOR + _GAP
    width = (_WIDTH - _LEFT - 10 - 12) / 2
    parts = []
    for index, package in enumerate(row):
        x, first = _LEFT + index * (width + 12), says(package).partition(",")[0]
        parts += [room(x, y, width, 48, _WING), words(x + 10, y + 19, package, name=True), words(x + 10, y + 38, first)]
    return parts, y + 48 + _GAP


def house() -> str:
    """The drawing, as SVG."""
    parts, y = [], float(_ROOF)
    for row in rows():
        more, y = floor(row, y)
        parts += more
    middle, right = (_LEFT + _WIDTH - 10) / 2, _WIDTH - 10
    parts.append(f'<path d="M{_LEFT - 14} {_ROOF - 6} L{middle} 8 L{right + 8} {_ROOF - 6} Z" fill="#009688"/>')
    parts.append(f'<text x="{middle}" y="{_ROOF - 18}" class="roof" text-anchor="middle" fill="#fff">nnunet_uad</text>')
    arrow = f'<path d="M24 {_ROOF} V{y - 16} m-6 -10 l6 10 l6 -10" fill="none" stroke="{_QUIET}" stroke-width="2"/>'
    turned = f"translate(16 {(y + _ROOF) / 2}) rotate(-90)"
    parts += [
        arrow,
        f'<text transform="{turned}" text-anchor="middle" fill="{_QUIET}">imports run down, never up</text>',
    ]
    style = "text{font:12px sans-serif}.name{font-weight:bold}.roof{font:bold 18px sans-serif}"
    top = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:g}" role="img" aria-label="The floors">'
    return "\n".join([top, f"<style>{style}</style>", *parts, "</svg>"]) + "\n"


def main() -> int:
    """Write the drawing."""
    PICTURE.write_text(house(), encoding="utf-8")
    print(PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
