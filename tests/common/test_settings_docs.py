from dataclasses import dataclass
from typing import Annotated

import pytest

from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.settings_docs import (
    attribute_texts,
    markdown_table,
    own_tables,
    settings_page,
    settings_rows,
    settings_sections,
    trainers_in_words,
)
from nnunet_uad.methods import settings_classes


@dataclass(frozen=True)
class Base:
    """Settings of all.

    Attributes:
        rate: Peak rate
            of the optimiser, see :class:`~torch.optim.AdamW`.
        smoothing_mm: Width of the filter.
        kind: ``a`` | ``b``, in voxels.
    """

    rate: float = 0.1
    smoothing_mm: float = 2.0
    kind: str = "a"


@dataclass(frozen=True)
class Child(Base):
    """Settings of one.

    Attributes:
        times: Time steps that are averaged.

    More text: that is no entry.
    """

    smoothing_mm: float = 0.0
    times: tuple[Annotated[int, Bounds(0, 9)], ...] = (1, 2)


def test_meanings_are_read_from_the_docstrings():
    rows = {row.name: row for row in settings_rows(Child)}
    assert list(rows) == ["rate", "smoothing_mm", "kind", "times"]
    assert rows["rate"].meaning == "Peak rate of the optimiser, see `AdamW`."
    assert rows["kind"].meaning == "`a` | `b`, in voxels."
    assert attribute_texts(Child) == {"times": "Time steps that are averaged."}


def test_defaults_are_shown_as_they_are_typed_and_units_where_they_are_known():
    rows = {row.name: row for row in settings_rows(Child)}
    assert {n: r.default for n, r in rows.items()} == {
        "rate": "0.1",
        "smoothing_mm": "0.0",
        "kind": "a",
        "times": "[1,2]",
    }
    assert {n: r.unit for n, r in rows.items()} == {"rate": "", "smoothing_mm": "mm", "kind": "", "times": ""}


def test_a_child_repeats_what_it_changes_with_the_parents_words():
    rows = settings_rows(Child, own_only=True)
    assert [(r.name, r.default) for r in rows] == [("smoothing_mm", "0.0"), ("times", "[1,2]")]
    assert rows[0].meaning == "Width of the filter."


def test_a_setting_without_words_is_refused():
    @dataclass(frozen=True)
    class Mute(Base):
        """Settings of nobody."""

        colour: str = "red"

    with pytest.raises(ValueError, match="Mute does not say what colour means"):
        settings_rows(Mute)


def test_sections_go_from_what_all_take_to_what_one_takes():
    sections = list(settings_sections({"one": Child, "other": Base}))
    assert [(s, t, [r.name for r in rows]) for s, t, rows in sections] == [
        ("Settings of all", ["one", "other"], ["rate", "smoothing_mm", "kind"]),
        ("Settings of one", ["one"], ["smoothing_mm", "times"]),
    ]
    assert "\n| `kind` | a |  | `a` \\| `b`, in voxels. |" in markdown_table(sections[0][2])


def test_trainers_of_a_kind_are_named_together():
    everyone = ["nnUNetPretrainerA", "nnUNetPretrainerB", "nnUNetTrainerC"]
    assert trainers_in_words(everyone, everyone) == "All trainers"
    assert trainers_in_words(everyone[:2], everyone) == "All pretrainers"
    assert trainers_in_words(everyone[2:], everyone) == "All supervised trainers"
    assert trainers_in_words(everyone[::2], everyone) == "`nnUNetPretrainerA`, `nnUNetTrainerC`"


@pytest.mark.parametrize("trainer", settings_classes())
def test_every_setting_of_every_trainer_is_on_the_page_with_its_default(trainer):
    classes = settings_classes()
    sections = [rows for _, trainers, rows in settings_sections(classes) if trainer in trainers]
    listed = {(row.name, row.default) for rows in sections for row in rows}
    assert {(row.name, row.default) for row in settings_rows(classes[trainer])} <= listed


def test_what_several_take_is_on_the_page_and_what_one_takes_in_its_own_table():
    classes = {"one": Child, "other": Base}
    page, tables = settings_page(classes), own_tables(classes)
    assert "## Settings of all\n\n| key" in page and "| `kind` |" in page and "times" not in page
    assert list(tables) == ["one"] and "| `times` | [1,2] | [0, 9] |" in tables["one"]
