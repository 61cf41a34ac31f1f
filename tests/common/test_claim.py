import json

import pytest

from nnunet_uad.common.claim import claim


@pytest.fixture
def path(tmp_path):
    claim(tmp_path / "maps" / "record.json", {"seed": 1, "folds": ("0", "1"), "threshold": None}, "maps", "Go away.")
    return tmp_path / "maps" / "record.json"


def test_the_same_record_may_claim_again(path):
    before = path.read_bytes()
    claim(path, {"seed": 1, "folds": ["0", "1"], "threshold": None}, "maps", "Go away.")
    assert path.read_bytes() == before


def test_another_record_is_refused_and_nothing_is_written(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"maps holds maps that were made differently \(seed, more\). Go away."):
        claim(path, {"seed": 2, "folds": ["0", "1"], "threshold": None, "more": 1}, "maps", "Go away.")
    assert path.read_bytes() == before


def test_what_the_record_no_longer_says_differs_too(path):
    with pytest.raises(ValueError, match=r"differently \(threshold2, threshold\)"):
        claim(path, {"seed": 1, "folds": ["0", "1"], "threshold2": 0.5, "threshold": 1}, "maps", "Go away.")
    path.write_text(json.dumps({"seed": 1, "old": True}))
    with pytest.raises(ValueError, match=r"differently \(old\)"):
        claim(path, {"seed": 1}, "maps", "Go away.")


def test_values_may_stand_beside_each_other_where_the_caller_says_so(path):
    claim(
        path,
        {"seed": 1, "folds": ["0", "1"], "threshold": 0.5},
        "maps",
        "Go away.",
        may_differ=lambda key, old, new: key == "threshold" and None in (old, new),
    )
    assert json.loads(path.read_text())["threshold"] == 0.5


def test_earlier_contents_are_cleared_before_the_new_record_is_written(path):
    seen = []
    record = {"seed": 2, "folds": ["0", "1"], "threshold": None}
    claim(path, record, "maps", "Go away.", overwrite=True, clear=lambda: seen.append(json.loads(path.read_text())))
    assert [r["seed"] for r in seen] == [1] and json.loads(path.read_text())["seed"] == 2
    claim(path, record, "maps", "Go away.", clear=lambda: seen.append("again"))
    assert len(seen) == 1
    claim(path, record, "maps", "Go away.", overwrite=True, clear=lambda: seen.append("again"))
    assert seen[1:] == ["again"]
