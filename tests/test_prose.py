"""What docstrings and pages say, by rules that can be decided (tools/prose.py)."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
from pathlib import Path

import pytest
from floors import FLOORS, ROOT, sources
from prose import Entry, entries, entries_of, fault, undocumented

from nnunet_uad.methods import METHODS, trainer_class


def listed(*suffixes: str) -> list[Path]:
    """Files of the project with such an ending, as git knows them."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / n for n in names.split("\0") if n.endswith(suffixes) and (ROOT / n).is_file()]


@pytest.mark.parametrize("name", FLOORS)
def test_entries_begin_with_a_noun(name):
    paths = [path for module, path in sources().items() if module.split(".")[0] == name]
    assert paths
    wrong = [(p.relative_to(ROOT), e) for p in paths for e in entries(p) if fault(e)]
    assert not [f"{p}:{e.line}: {e.name}: {e.text} ({fault(e)})" for p, e in wrong]


def test_everything_public_has_a_docstring():
    paths = [*sources().values(), *(ROOT / "tools").glob("*.py")]
    assert not {p.name: missing for p in paths if (missing := undocumented(p))}


def test_the_tools_keep_to_the_rule():
    assert not [e for p in (ROOT / "tools").glob("*.py") for e in entries(p) if fault(e)]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_links_to_its_sources_at_the_class_and_on_its_page(name):
    method = METHODS[name]
    page = (ROOT / "docs" / method.page).read_text(encoding="utf-8")
    assert method.links and not [link for link in method.links if link not in page]
    assert any(link in trainer_class(method.pretrainer).__doc__ for link in method.links)


@pytest.mark.parametrize("name", [n for n, path in sources().items() if ">>> " in path.read_text(encoding="utf-8")])
def test_examples_give_what_they_show(name, tmp_path, monkeypatch, request):
    # Examples that read a model or a dataset do so in a folder that has one.
    reads = re.search(r"nnUNet_(results|raw|preprocessed)/Dataset", sources()[name].read_text(encoding="utf-8"))
    monkeypatch.chdir(request.getfixturevalue("example_folder") if reads else tmp_path)
    result = doctest.testmod(importlib.import_module(f"nnunet_uad.{name}".rstrip(".")))
    assert result.attempted and not result.failed


def test_things_are_fixed_rather_than_mended():
    """One word for one act; CONTRIBUTING.md has the glossary."""
    word = re.compile(r"\bmend(s|ed|ing)?\b", re.IGNORECASE)
    texts = [p for p in listed(".py", ".md", ".yaml", ".html", "Snakefile") if p.name != Path(__file__).name]
    assert not [str(p) for p in texts if word.search(p.read_text(encoding="utf-8"))]


#: Words for the act or the image that CONTRIBUTING.md calls *reconstruct* and *reconstruction*; a restorer is a model.
OTHER_WORDS = re.compile(r"\brestor(?:es?|ed|ing|ations?)\b", re.IGNORECASE)


def spoken(page: str) -> str:
    """Text of a page without code, addresses of links and the drawing of the floors, which name modules."""
    return re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", page, flags=re.DOTALL)


def test_images_are_reconstructed_rather_than_restored():
    pages = [p for p in listed(".md") if ROOT / "docs" in p.parents or p == ROOT / "README.md"]
    assert pages
    assert {p.name: words for p in pages if (words := OTHER_WORDS.findall(spoken(p.read_text(encoding="utf-8"))))} == {}


def test_the_rule_tells_words_from_names():
    text = "It restores. `restoration/base.py`, [a](restoration.md) restorer.\n```\nrestoration\n```\nRestoring"
    assert OTHER_WORDS.findall(spoken(text)) == ["restores", "Restoring"]


GOOD = (
    "Standard deviation of the noise, in z-score units.",
    "Copy of the plans.",
    "``l1`` or ``l2``, over the foreground.",
    "nnU-Net's folder of the model.",
    "λ, weight of the second term.",
    "Known thresholds by name.",
    "Wanted voxel size per axis, mm.",
    "Seed of the draws.",
)
BAD = {
    "": "less than two words",
    "Settings.": "less than two words",
    "of the model.": "no noun",
    "Of the model.": "no noun",
    "Where to write.": "no noun",
    "How many cases at a time.": "no noun",
    "Its file.": "no noun",
    "Let the temporary name end like the final one.": "no noun",
    "Copy the images instead of linking them.": "no noun",
    "Drawn by the caller.": "no noun",
    "Boolean, of the patch.": "no noun",
    "Whether to overwrite.": "no noun",
    "(B, C, *spatial).": "a shape",
    "2 or 3 axes.": "a number",
    "mm per axis.": "capital letter",
}


def test_the_rule_tells_nouns_from_fragments():
    assert not [text for text in GOOD if fault(Entry("x", text, False, 1))]
    for text, expected in BAD.items():
        assert expected in str(fault(Entry("x", text, False, 1))), text
    assert fault(Entry("overwrite", "Whether to overwrite.", True, 1)) is None


MODULE = '''
def public(a: bool, *b: int) -> None:
    """Do.

    Args:
        a: Whether it is so,
            which matters: much.
        *b: of it.

    Raises:
        ValueError: never.
    """

class Bare:
    def also(self) -> None:
        def helper() -> None: ...
'''


def test_entries_are_read_from_google_docstrings(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    assert entries(path) == [Entry("a", "Whether it is so,", True, 2), Entry("*b", "of it.", False, 2)]
    assert undocumented(path) == ["Bare", "Bare.also", "module"]
    assert list(entries_of("One line.\n\nArgs:\n    x: Width.\n\nReturns:\n    y: height.")) == [("x", "Width.")]
