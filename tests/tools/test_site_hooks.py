"""What the site shows beside docs/, and that it builds."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest
import site_hooks
from floors import ROOT

from nnunet_uad import __all__ as face
from nnunet_uad.methods import PRETRAINERS


def test_examples_give_what_they_show():
    assert doctest.testmod(site_hooks) == (0, 4)


def test_links_are_moved_and_code_is_left():
    page = "[a](../README.md#x) [b](https://x.org/y.md) [c](#here)\n```\n[d](../README.md)\n```\n[e](check.md)"
    moved = "[a](index.md#x) [b](https://x.org/y.md) [c](#here)\n```\n[d](../README.md)\n```\n[e](check.md)"
    assert site_hooks.links_for_site(page, "gpu.md") == moved
    assert site_hooks.links_for_site("[a](../../setup.py)", "results/speed.md") == "[a](../repository/setup.py)"
    assert site_hooks.linked_files(page, "gpu.md") == {"README.md", "docs/check.md"}


def test_numbered_items_are_continued_by_four_spaces():
    text = "1. one\n   ```\n   code\n     more\n   ```\n2. two\n\ntext\n   as it is\n"
    assert (
        site_hooks.four_spaces(text) == "1. one\n    ```\n    code\n      more\n    ```\n2. two\n\ntext\n   as it is\n"
    )


def test_the_api_names_everything_public():
    pages = site_hooks.api_pages()
    assert {line.rpartition(".")[2] for line in pages["api/python.md"].splitlines() if line[:3] == ":::"} == set(face)
    assert all(f".{name}\n" in pages["api/trainers.md"] for name in PRETRAINERS)


def test_a_notebook_becomes_a_page(tmp_path):
    path = tmp_path / "n.ipynb"
    cells = [{"cell_type": "markdown", "source": ["# A\n", "b"]}, {"cell_type": "code", "source": ["x = 1"]}]
    path.write_text(json.dumps({"cells": cells}))
    assert site_hooks.notebook_page(path) == "# A\nb\n\n```python\nx = 1\n```\n\n[The notebook itself](n.ipynb)\n"


def test_roles_of_docstrings_leave_no_marks():
    html = site_hooks.on_page_content("<p>:class:<code>A</code>, at 12:30</p>", None, None, None)
    assert html == "<p><code>A</code>, at 12:30</p>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as ``make docs`` does."""
    pytest.importorskip("material", reason="pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_the_site_has_every_page_and_asks_nobody(site):
    pages = [p.relative_to(ROOT / "docs").with_suffix(".html") for p in (ROOT / "docs").rglob("*.md")]
    assert [p for p in [*pages, Path("index.html"), Path("contributing.html")] if not (site / p).is_file()] == []
    html = (site / "index.html").read_text(encoding="utf-8")
    assert 'src="http' not in html and "fonts.g" not in html and "nnUNetPretrainerDAE" in html
    # Folded tables are tables.
    assert "| one |" not in html and html.count("<details>") == (ROOT / "README.md").read_text().count("<details>")
    menu = html[html.index('class="md-nav') :]
    assert all(f'href="{p.as_posix()}"' in menu for p in pages), "a page is in no menu"
    assert (site / "repository" / "benchmarks" / "studies" / "lgg.csv").is_file()
