import json

import pytest

from nnunet_uad.study.layout import Layout


def test_layout_knows_where_things_are(workplace):
    layout = workplace.plan(draws=1, budgets=[1])
    jobs = list(layout.jobs())
    assert [stage for stage, _ in jobs] == ["pretrain", "train", "train", "test", "test"]
    assert not any(layout.finished(*job) for job in jobs)
    (layout.folder / "study.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match="has format 99"):
        Layout(layout.folder).plan  # noqa: B018


def test_a_screen_has_tests_and_no_training(workplace):
    trainers = {"both": {"screen": ["a b", "map"]}, "a b": "nnUNetTrainer", "map": "nnUNetPretrainerDAE"}
    layout = workplace.plan(draws=1, budgets=[1], trainers=trainers)
    jobs = [job for job in layout.jobs() if job[0] != "pretrain"]
    assert jobs == [
        ("map", "map/fold0"),
        ("train", "a_b/fold0_1_draw0"),
        ("test", "a_b/fold0_1_draw0"),
        ("test", "both/fold0_1_draw0"),
    ]
    segments, maps = layout.parts(layout.cells["both/fold0_1_draw0"])
    assert (segments.identifier, maps.identifier) == ("a_b/fold0_1_draw0", "map/fold0")
    assert layout.parts(segments) is None and layout.needed(layout.cells["both/fold0_1_draw0"]) == {}
