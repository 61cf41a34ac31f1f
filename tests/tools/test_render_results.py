"""Pages of results show what their rows say."""

from __future__ import annotations

import csv
from collections import defaultdict
from statistics import mean

import pytest
import render_results
from floors import ROOT
from forest import drawn_from
from render_results import Column, forest_of, keys_of, number, read_rows, rendered, table

KEYS = {"rows": "a.csv", "columns": "arm; +d [lo, hi] = to scratch"}


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A CSV of three rows, where pages look for it."""
    monkeypatch.setattr(render_results, "RESULTS", tmp_path)
    (tmp_path / "rows").mkdir()
    text = "arm,cases,d,lo,hi\nscratch,1,,,\n[DAE](dae.md),1,0.0604,0.0091,0.11\nMAE,3,-0.0001,,\n"
    (tmp_path / "rows" / "a.csv").write_text(text)
    return tmp_path


@pytest.mark.parametrize("page", render_results.pages(), ids=lambda p: p.name)
def test_pages_show_their_rows_and_figures_are_those_of_their_rows(page, monkeypatch):
    drawn = {}
    monkeypatch.setattr(render_results, "draw", lambda plan, path: drawn.update({path.name: drawn_from(path)}))
    text = page.read_text(encoding="utf-8")
    assert rendered(page, text) == text, "write it again: python tools/render_results.py"
    assert drawn == {}, "draw it again: python tools/render_results.py"


def test_all_rows_are_shown_somewhere():
    shown = "".join(p.read_text(encoding="utf-8") for p in render_results.pages())
    files = sorted(p.name for folder in ("rows", "figures") for p in (render_results.RESULTS / folder).iterdir())
    assert files and [f for f in files if f not in shown] == []


def test_the_page_of_claims_counts_them():
    verdicts = [row["verdict"] for row in read_rows("claims.csv")]
    beginnings = ("holds", "in part", "undecided", "not tested")
    holds, part, undecided, untested = (sum(v.startswith(s) for v in verdicts) for s in beginnings)
    fail = verdicts.count("not")
    assert holds + part + undecided + untested + fail == len(verdicts)
    shares = f"{holds} hold here, {part} in part, {fail} do not, {undecided} are undecided and {untested} not tested"
    text = (render_results.RESULTS / "claims.md").read_text(encoding="utf-8")
    assert f"Of {len(verdicts)} claims {shares}" in " ".join(text.split())


def test_the_readme_says_what_to_expect_in_five_lines():
    assert len(read_rows("index.csv", "readme = yes")) == 5


@pytest.mark.parametrize("study", ["genesis", "hippocampus", "lgg", "lgg_gpu", "lgg_long", "lgg_schedules"])
def test_the_scores_of_a_study_are_the_means_of_its_rows(study):
    values = defaultdict(lambda: defaultdict(list))
    with (ROOT / "benchmarks" / "studies" / f"{study}.csv").open(newline="") as handle:
        for row in csv.DictReader(handle):
            values[row["budget"], row["trainer"]][row["case"]].append(float(row["dice"]))
    rows = read_rows(f"study_{study}_scores.csv")
    scores = {(row["budget"], row["trainer"]): float(row["dice"]) for row in rows}
    assert scores == {which: pytest.approx(mean(map(mean, cases.values()))) for which, cases in values.items()}


def test_a_table_shows_intervals_signs_and_links_that_fit_its_page(rows):
    expected = "| arm | to scratch |\n| --- | --- |\n| scratch | |\n| [DAE](docs/dae.md) | +0.060 [+0.009, +0.11] |\n"
    page = rows.parent / "README.md"
    moved = expected.replace("docs/", rows.name + "/") + "| MAE | +0.000 |\n"
    assert table(KEYS, page) == moved
    assert table({**KEYS, "where": "cases = 1"}, page) == moved.rpartition("| MAE")[0]
    assert len(read_rows("a.csv", "cases = 1 | 3; arm = MAE")) == 1


def test_a_figure_leaves_out_rows_without_a_value(rows):
    forest = forest_of(
        {"rows": "a.csv", "labels": "arm; cases", "value": "+d [lo, hi]", "axis": "d", "range": "-1 to 1"}
    )
    assert [(m.label, m.ends, m.text) for m in forest.marks] == [
        ("[DAE](dae.md), 1", (0.0091, 0.11), "+0.060 [+0.009, +0.11]"),
        ("MAE, 3", None, "+0.000"),
    ]
    assert forest.limits == (-1, 1) and forest.line is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.6949999", "0.695"),
        ("2.7e-06", "< 0.001"),
        ("585", "585"),
        ("-0.0004", "0.000"),
        ("< 0.001", "< 0.001"),
        ("", ""),
    ],
)
def test_numbers_are_rounded_and_words_are_kept(text, expected):
    assert number(text) == expected


def test_a_column_is_read_with_all_its_parts():
    assert Column.parse(" +a, b [c, d] = e f ") == Column("a, b", "c", "d", True, "e f")
    with pytest.raises(ValueError, match="found an empty one"):
        Column.parse(" ")


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ("rows: a.csv\ncolumns: arms", "a.csv has no column 'arms'; it has: arm; cases; d; lo; hi"),
        ("rows: a.csv\ncolumns: arm\nwhere: cases = 9", "no row is left where 'cases = 9'"),
        ("rows: a.csv\ncolumns: arm\nwhere: case = 1", "has no column 'case'"),
        ("rows: b.csv\ncolumns: arm", "b.csv"),
        ("rows: a.csv\ncolumn: arm", "wrong: column, columns"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_the_page_named(rows, says, message):
    with pytest.raises(ValueError, match=f"page.md: .*{message}"):
        rendered(rows / "page.md", f"<!-- table\n{says}\n-->\n<!-- end -->")


def test_keys_of_a_figure_are_not_those_of_a_table():
    with pytest.raises(ValueError, match=r"A figure needs alt, axis, file.*wrong: .*columns"):
        keys_of("figure", "rows: a.csv\ncolumns: arm")
