import json

import numpy as np
import pytest

from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.scoring.thresholds import ThresholdChoice, resolve_threshold, stored_thresholds, write_thresholds


@pytest.fixture
def choice():
    rng = np.random.default_rng(0)
    made = ThresholdChoice()
    scores = rng.random((4, 50, 50)).astype(np.float32)
    lesion = np.zeros(scores.shape, bool)
    lesion[1, :10, :10] = True
    scores[lesion] += 0.9
    foreground = np.ones(scores.shape, bool)
    foreground[0] = False
    made.add("lesion", scores, foreground, lesion)
    made.add("healthy", rng.random((4, 50, 50)).astype(np.float32), foreground, None)
    return made


def test_rates_are_those_of_healthy_foreground(choice):
    chosen = choice.thresholds()
    assert set(chosen) == {"fpr:0.05", "fpr:0.01", "fpr:0.001", "best"}
    assert chosen["fpr:0.05"]["value"] == pytest.approx(0.95, abs=0.01)
    assert chosen["fpr:0.05"]["cases"] == ["healthy", "lesion"] and chosen["best"]["cases"] == ["lesion"]
    assert 0.85 < chosen["best"]["value"] < 1.1


def test_parts_make_the_same_as_the_whole(choice):
    assert ThresholdChoice.of([choice, ThresholdChoice()]).thresholds() == choice.thresholds()


def test_without_lesions_there_is_no_best():
    made = ThresholdChoice()
    made.add("a", np.random.default_rng(0).random((2, 9, 9)), np.ones((2, 9, 9), bool), None)
    assert "best" not in made.thresholds() and "fpr:0.01" in made.thresholds()


def test_folds_are_averaged_and_another_score_has_no_threshold(tmp_path):
    for k, value in enumerate((1.0, 2.0)):
        (tmp_path / f"fold_{k}").mkdir()
        entry = {"fpr:0.01": {"value": value, "cases": [f"c{k}"], "how": "x"}}
        write_thresholds(tmp_path / f"fold_{k}", entry, {"residual": "signed"})
    folds = [tmp_path / "fold_0", tmp_path / "fold_1"]
    stored = stored_thresholds(folds, {"residual": "signed"})
    assert stored["fpr:0.01"]["value"] == 1.5 and stored["fpr:0.01"]["cases"] == ["c0", "c1"]
    assert stored_thresholds(folds, {"residual": "absolute"}) == {}
    assert stored_thresholds([*folds, tmp_path], {"residual": "signed"}) == {}
    assert resolve_threshold("fpr:0.01", stored) == 1.5 and resolve_threshold("0.3", stored) == 0.3
    with pytest.raises(ValueError, match=r"Stored: fpr:0.01.*--val"):
        resolve_threshold("best", stored)


def test_each_score_has_thresholds_of_its_own(tmp_path):
    """Folds validated by an earlier version have those of one score alone."""
    own, small = settings_to_json(ScoreSettings()), settings_to_json(ScoreSettings(score="small-lesions"))

    def entry(value):
        return {"best": {"value": value, "cases": ["a"], "how": ""}}

    write_thresholds(tmp_path, entry(0.5), own, [{"thresholds": entry(7.0), "score": small}])
    assert stored_thresholds([tmp_path], own)["best"]["value"] == 0.5
    assert stored_thresholds([tmp_path], small)["best"]["value"] == 7.0
    assert not stored_thresholds([tmp_path], {**small, "residual": "absolute"})
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    (earlier / "anomaly_thresholds.json").write_text(json.dumps({"thresholds": entry(1.5), "score": own}))
    assert stored_thresholds([tmp_path, earlier], own)["best"]["value"] == 1.0
    assert not stored_thresholds([tmp_path, earlier], small)
    write_thresholds(tmp_path, entry(0.5), own, [{"thresholds": entry(7.0)}])
    with pytest.raises(ValueError, match=r"anomaly_thresholds.json: further.*score"):
        stored_thresholds([tmp_path], small)


def test_a_setting_that_earlier_versions_lack_counts_as_its_default(tmp_path):
    now = settings_to_json(ScoreSettings())
    then = {k: v for k, v in now.items() if k != "score_from"}
    write_thresholds(tmp_path, {"best": {"value": 0.5, "cases": ["a"], "how": ""}}, then)
    assert stored_thresholds([tmp_path], now)["best"]["value"] == 0.5
    assert not stored_thresholds([tmp_path], {**now, "score_from": "product"})
