import dataclasses
import json

import pytest

from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.screening.map_folders import MapScore

OWN = ScoreSettings()


@pytest.fixture
def fold(tmp_path):
    """A validation: the model's own score, small lesions, and maps of the residual beside a detection."""
    folder = tmp_path / "D" / "nnUNetPretrainerDAE__nnUNetPlans__2d" / "fold_1"
    for place, settings in {"": OWN, "small-lesions": dataclasses.replace(OWN, score="small-lesions")}.items():
        (folder / "validation" / place).mkdir(parents=True)
        stored = settings_to_json(settings)
        del stored["erosion_mm"]
        record = {"thresholds": {}, "score": stored}
        (folder / "validation" / place / MAPS_RECORD).write_text(json.dumps(record))
    (folder / "validation" / "residual").mkdir()
    for place in ("", "small-lesions", "residual"):
        (folder / "validation" / place / "a_map.nii.gz").touch()
        (folder / "validation" / place / "a_montage.png").touch()
    return folder


def score(default="detection", **changes):
    settings = dataclasses.replace(OWN, **changes)
    return MapScore(settings, default if settings.score_from == "auto" else settings.score_from, default)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "validation"),
        ({"score_from": "detection"}, "validation"),
        ({"score_from": "residual"}, "residual"),
        ({"score": "small-lesions"}, "small-lesions"),
    ],
)
def test_maps_are_found_where_the_validation_keeps_those_of_the_score(fold, changes, place):
    maps = score(**changes).maps_of(fold)
    assert list(maps) == ["a"] and maps["a"].parent.name == place


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smoothing_mm": 4.0}, "smoothing_mm: 2.0 there, 4.0 wanted"),
        ({"score_from": "product"}, "score_from: detection there, product wanted"),
        ({"erosion_mm": 1.0}, "erosion_mm: 0.0 there, 1.0 wanted"),
    ],
)
def test_maps_of_another_score_are_refused_with_the_command(fold, changes, words):
    with pytest.raises(ValueError, match=words) as raised:
        score(**changes).maps_of(fold)
    (name, value), *_ = changes.items()
    assert f'nnUNet_uad_settings="{name}={value}" nnUNetv2_train D 2d 1 -tr nnUNetPretrainerDAE --val' in str(
        raised.value
    )


def test_a_fold_without_validation_has_no_maps(tmp_path):
    assert score().maps_of(tmp_path / "D" / "nnUNetPretrainerDAE__nnUNetPlans__2d" / "fold_0") == {}
