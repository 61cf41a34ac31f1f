"""The documentation names what exists."""

import re
import subprocess

import pytest
from floors import FLOORS, ROOT

from nnunet_uad.cli.main import SUBCOMMANDS, main
from nnunet_uad.common.settings_docs import own_tables
from nnunet_uad.methods import METHODS, PRETRAINERS, TRAINERS, settings_classes, trainer_table
from nnunet_uad.plugin import nnunet_uad_trainers as plugin

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [PAGES[0], *(ROOT / "docs" / "results").rglob("*.md")], ids=lambda p: p.name)
def test_lines_of_the_readme_and_of_results_are_short(page):
    """Tables, code and comments are as long as they are."""
    prose = re.sub(r"```.*?```|<!--.*?-->|^[|!].*?$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert prose.strip() and [line for line in prose.splitlines() if len(line) > 120] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_of_code_begin_and_end_on_lines_of_their_own(page):
    """Text that was wrapped anew can pull them into a paragraph."""
    fences = [line.strip() for line in page.read_text().splitlines() if "```" in line]
    assert [line for line in fences if not re.fullmatch(r"```\w*", line)] == [] and len(fences) % 2 == 0


def rows_of(table: str) -> dict[str, tuple[str, str, str]]:
    """Trainer → stage, what it does, page, of a table like the README's."""
    rows = re.findall(r"^\| (one|two) \| (.+?) \| (.+?) \| \[.+?\]\(docs/(.+?)\) \|$", table, re.MULTILINE)
    return {name: (stage, text, page) for stage, names, text, page in rows for name in re.findall(r"`(\w+)`", names)}


def test_the_readme_says_of_trainers_what_the_list_says():
    """Of those it shows; a method that is not released yet may be missing."""
    listed, shown = rows_of(trainer_table()), rows_of((ROOT / "README.md").read_text())
    assert set(listed) == set(plugin.__all__)
    assert shown and shown == {name: listed[name] for name in shown}


@pytest.mark.parametrize("name", plugin.__all__)
def test_every_trainer_is_named_on_its_page(name):
    entry = PRETRAINERS.get(name) or TRAINERS[name]
    pages = [entry.page] if name in PRETRAINERS else [m.page for m in METHODS.values()] + [entry.page]
    assert any(f"`{name}`" in (ROOT / "docs" / page).read_text() for page in pages)


def test_the_architecture_page_shows_the_floors_in_their_order():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert [*re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE), "__main__"] == list(FLOORS)


def test_files_that_pages_for_contributors_name_exist():
    for page in ("docs/architecture.md", "CONTRIBUTING.md"):
        for name in re.findall(r"`([\w/]+\.(?:py|md|yaml))`", (ROOT / page).read_text()):
            assert [p for p in (ROOT / name, ROOT / "nnunet_uad" / name) if p.exists()], f"{page}: {name}"


def test_commands_that_are_shown_exist():
    text = "\n".join(p.read_text() for p in PAGES)
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
    assert set(re.findall(r"nnunet_uad ([a-z-]+)", code)) == set(SUBCOMMANDS)


def test_the_page_of_settings_is_what_the_command_prints(capsys):
    assert main(["settings", "--markdown"]) == 0
    expected = capsys.readouterr().out
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == expected, "write it again: nnunet_uad settings --markdown > docs/settings.md"


@pytest.mark.parametrize(("name", "table"), own_tables(settings_classes()).items(), ids=lambda v: v[:40])
def test_the_page_of_a_method_shows_the_settings_that_are_its_own(name, table):
    page = (PRETRAINERS.get(name) or TRAINERS[name]).page
    written = (ROOT / "docs" / page).read_text()
    assert table in written, f"write its table again: nnunet_uad settings --markdown -tr {name}"


def test_nothing_tells_of_one_machine():
    """Paths of somebody's machine do not belong into the project."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(r"(/" + r"work/|/" + r"root/|/home/[a-z])")
    texts = [ROOT / f for f in listed if f.endswith((".py", ".md", ".toml", ".txt", ".cfg")) or f == "Makefile"]
    assert not [p.name for p in texts if p.exists() and pattern.search(p.read_text())]
