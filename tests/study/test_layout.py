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
