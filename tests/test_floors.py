"""The house has floors: imports run down, never up, never in a circle."""

from __future__ import annotations

import pytest
from floors import APART, FLOORS, circles, graph, running_up, sources


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return graph()


def test_every_package_has_a_floor():
    assert {name.split(".")[0] for name in sources() if name} == set(FLOORS)


def test_imports_run_down(edges):
    assert not running_up(edges)


def test_no_circles_of_files(edges):
    assert not circles(edges)


@pytest.mark.parametrize(("one", "other"), [*APART, *(pair[::-1] for pair in APART)])
def test_neighbours_do_not_know_each_other(edges, one, other):
    def inside(name: str, room: str) -> bool:
        return name == room or name.startswith(f"{room}.")

    assert [n for n in edges if inside(n, one)]
    assert not [(n, m) for n, ms in edges.items() if inside(n, one) for m in ms if inside(m, other)]


def test_a_wrong_import_is_found_and_both_files_are_named():
    """The test itself can fail: an import that runs up, and a circle."""
    edges = {"common.files": {"study.layout"}, "study.layout": {"common.files"}, "cli.main": {"common.files"}}
    assert running_up(edges) == ["common.files imports study.layout, which lies above"]
    assert circles(edges) == [["common.files", "study.layout"]]
