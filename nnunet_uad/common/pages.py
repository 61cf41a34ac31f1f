"""Self-contained pages: templates that share one frame and style, and pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What all pages share.
TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_page(template: Path, content: Mapping[str, Any]) -> str:
    """A page as HTML; texts are escaped, and what the template names must be there.

    Args:
        template: File of the template, which may extend ``page.html``: head, style, and blocks to fill.
        content: Values of the template's names.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template.name).render(content)


def picture_data(figure: Figure) -> str:
    """A figure as the address of a picture inside the page, ``data:image/png;base64,…``.

    Args:
        figure: Figure to draw.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="black", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
