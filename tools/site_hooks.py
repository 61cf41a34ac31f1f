"""What the site shows beside ``docs/``; MkDocs calls these functions (``hooks`` in ``mkdocs.yml``).

- The start page is ``README.md``, another page ``CONTRIBUTING.md``.
- Links out of ``docs/`` lead to copies below ``repository/``, so that they hold wherever the site lies.
- The pages of the API and the one of the notebook are made when the site is.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_uad import _HOMES
from nnunet_uad.methods import PRETRAINERS, TRAINERS, trainer_table

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
#: File of the repository outside ``docs/`` → page of the site.
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
#: Where other files of the repository go that pages link to.
ELSEWHERE = "repository"
NOTEBOOK = "notebooks/first_map.ipynb"
#: What contributors build with: module, and what of it is shown.
PARTS = (
    "pretrain.task",
    "restoration.base",
    "networks.recipe",
    "scoring.score",
    "robustness.artefacts",
    "metrics.segmentation",
    "statistics.comparison",
)
#: Options of mkdocstrings: of a class its text alone, of a module all of it.
_BRIEF = "{heading_level: 3, members: false, show_bases: false, show_signature: false}"
_WHOLE = "{heading_level: 3, show_root_full_path: true}"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)\s#]+)")
_FENCE = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_ROLE = re.compile(r":(?:class|meth|func|attr|mod|data):(?=<code>|<a )")


def source_of(page: str) -> str:
    """File of the repository that a page of the site is made of.

    Args:
        page: Path of the page below ``docs/``.

    Examples:
        >>> source_of("index.md"), source_of("results/speed.md")
        ('README.md', 'docs/results/speed.md')
    """
    return {site: file for file, site in PAGES.items()}.get(page, f"docs/{page}")


def place_of(file: str) -> str:
    """Where a file of the repository lies in the site.

    Args:
        file: Path below the root of the repository.

    Examples:
        >>> place_of("docs/check.md"), place_of("README.md"), place_of("setup.py")
        ('check.md', 'index.md', 'repository/setup.py')
    """
    if file.startswith("docs/"):
        return file.removeprefix("docs/")
    return PAGES.get(file, f"{ELSEWHERE}/{file}")


def target_of(link: str, page: str) -> str:
    """File of the repository that a link of a page leads to.

    Args:
        link: Link without anchor, relative to the page's file.
        page: Path of the page in the site.

    Examples:
        >>> target_of("../benchmarks/studies/lgg.csv", "choose.md")
        'benchmarks/studies/lgg.csv'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(source_of(page)), link))


def prose(text: str) -> Iterator[tuple[bool, str]]:
    """Parts of a page, and whether each is prose rather than a block of code.

    Args:
        text: Markdown of the page.
    """
    for index, part in enumerate(_FENCE.split(text)):
        yield index % 2 == 0, part


def linked_files(text: str, page: str) -> set[str]:
    """Files of the repository that a page links to.

    Args:
        text: Markdown of the page.
        page: Path of the page in the site.
    """
    return {target_of(m[1], page) for is_prose, part in prose(text) if is_prose for m in _LINK.finditer(part)}


def links_for_site(text: str, page: str) -> str:
    """Markdown of a page whose links lead to where the files lie in the site.

    Args:
        text: Markdown of the page.
        page: Path of the page in the site.

    Examples:
        >>> links_for_site("[a](docs/check.md#b)", "index.md")
        '[a](check.md#b)'
    """

    def moved(link: re.Match[str]) -> str:
        return posixpath.relpath(place_of(target_of(link[1], page)), posixpath.dirname(page) or ".")

    return "".join(_LINK.sub(moved, part) if is_prose else part for is_prose, part in prose(text))


def four_spaces(text: str) -> str:
    """Markdown whose numbered items are continued by four spaces, as Python-Markdown wants it; GitHub takes three.

    Args:
        text: Markdown of a page.
    """
    lines, inside = [], False
    for line in text.splitlines():
        if re.match(r"\d+\. ", line):
            inside = True
        elif line and not line[0].isspace():
            inside = False
        lines.append(f" {line}" if inside and line.startswith("   ") else line)
    return "\n".join(lines) + "\n"


def api_pages() -> dict[str, str]:
    """Path → Markdown of the pages of the API, for mkdocstrings."""
    face = [f"::: nnunet_uad.{module}.{name}" for module, names in _HOMES.items() for name in names]
    python = ["# Python", "What `import nnunet_uad` offers; [From Python](../python.md) shows it in use.", *face]
    classes = [f"::: nnunet_uad.{row.module}.{name}\n    options: {_BRIEF}" for name, row in PRETRAINERS.items()]
    modules = [f"::: nnunet_uad.{m}\n    options: {_WHOLE}" for m in dict.fromkeys(u.module for u in TRAINERS.values())]
    table = links_for_site(trainer_table(), "index.md").replace("](", "](../")
    trainers = ["# Trainers", "Names for `-tr`; each takes a length: `_20epochs_50iters`.", table]
    trainers += ["## Stage one", *classes, "## Stage two", *modules]
    parts = [
        "# Parts to build with",
        "What new methods, artefacts and metrics are made of ([how](../contributing.md)).",
    ]
    parts += [f"::: nnunet_uad.{module}\n    options: {_WHOLE}" for module in PARTS]
    pages = {"python": python, "trainers": trainers, "parts": parts}
    return {f"api/{name}.md": "\n\n".join(lines) + "\n" for name, lines in pages.items()}


def notebook_page(path: Path) -> str:
    """Markdown of a notebook: its text, its code.

    Args:
        path: File of the notebook.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = []
    for cell in cells:
        text = "".join(cell["source"])
        shown.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*shown, f"[The notebook itself]({path.name})"]) + "\n"


def results_nav(docs: Path) -> list[Any]:
    """Entries of the results: the overview, every page, the archive; titles are the pages' own.

    Args:
        docs: Folder of the documentation.
    """

    def pages(folder: Path) -> list[str]:
        names = sorted(p.relative_to(docs).as_posix() for p in folder.glob("*.md"))
        return sorted(names, key=lambda name: not name.endswith("index.md"))

    return [*pages(docs / "results"), {"Archive": pages(docs / "results" / "archive")}]


def named_in(nav: Any) -> set[str]:
    """Pages that a navigation names.

    Args:
        nav: Navigation, or a part of it.
    """
    if isinstance(nav, str):
        return {nav}
    parts = nav.values() if isinstance(nav, dict) else nav
    return {name for part in parts for name in named_in(part)}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the navigation: results, and among the guides the pages that it does not name.

    Args:
        config: Configuration of MkDocs.
    """
    docs = Path(config.docs_dir)
    sections = {title: entries for section in config.nav or [] for title, entries in section.items()}
    sections["Results"] += results_nav(docs)
    sections["Guides"] += sorted({p.name for p in docs.glob("*.md")} - named_in(config.nav))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made here, and the files that pages link to.

    Args:
        files: Files of ``docs/``.
        config: Configuration of MkDocs.
    """
    from mkdocs.structure.files import File

    made = {site: (ROOT / file).read_text(encoding="utf-8") for file, site in PAGES.items()} | api_pages()
    notebook = Path(config.docs_dir) / NOTEBOOK
    made[NOTEBOOK.replace(".ipynb", ".md")] = notebook_page(notebook)
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    linked = {target for f in files.documentation_pages() for target in linked_files(f.content_string, f.src_uri)}
    for target in sorted(t for t in linked if not t.startswith("docs/") and t not in PAGES):
        if not (ROOT / target).is_file():
            raise FileNotFoundError(f"A page links to {target}, which is no file of the repository.")
        files.append(File.generated(config, place_of(target), abs_src_path=os.fspath(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links and lists of a page, as the site wants them.

    Args:
        markdown: Text of the page.
        page: Page, which knows its place.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    if page.file.src_uri.startswith(("api/", "notebooks/")):
        return markdown
    # GitHub reads Markdown in what is folded, Python-Markdown where it is told to.
    unfolded = markdown.replace("<details>", '<details markdown="1">')
    return four_spaces(links_for_site(unfolded, page.file.src_uri))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """HTML of a page without the marks of Sphinx roles in docstrings.

    Args:
        html: Content of the page.
        page: Page, which knows its place.
        config: Configuration of MkDocs.
        files: Files of the site.
    """
    return _ROLE.sub("", html)
