import numpy as np
import pytest

from nnunet_uad.common.channels import residual_kind
from nnunet_uad.common.settings import read_settings
from nnunet_uad.scoring.score_settings import ScoreSettings, channel_signs, channel_weights, score_settings


def test_auto_looks_where_lesions_are_bright():
    assert channel_weights("auto", ["T1c", "FLAIR"]).tolist() == [0, 1]
    assert channel_weights("auto", ["T2w", "FLAIR", "T1"]).tolist() == [0.5, 0.5, 0]
    assert channel_weights("auto", ["CT"]).tolist() == [1]
    assert residual_kind("auto", ["T1", "flair"]) == "signed" and residual_kind("auto", ["CT"]) == "absolute"
    assert residual_kind("ssim", ["flair"]) == "ssim"


def test_named_weights():
    assert np.allclose(channel_weights("FLAIR:1,T1c:-0.25", ["FLAIR", "T1c"]), [0.8, -0.2])


@pytest.mark.parametrize("text", ["T2:1", "FLAIR", "FLAIR:x", "FLAIR:0"])
def test_bad_weights_are_refused(text):
    with pytest.raises(ValueError, match="channel_weights"):
        channel_weights(text, ["FLAIR", "T1c"])


@pytest.mark.parametrize(
    "bad", [{"residual": "squared"}, {"intensity_weight": 1.5}, {"smoothing_mm": -1}, {"erosion_mm": -0.1}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        ScoreSettings(**bad)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("draws=4", "draws has no effect with score=default: leave it out, or choose score=standardised"),
        ("score=standardised draws=1", r"draws expects a number in \[2, 100\], found 1"),
        (
            "score=small-lesions intensity_factor=true",
            "intensity_factor has no effect with score=small-lesions, .*: leave it out, or choose score=default",
        ),
        ("residual=absolute intensity_factor=true", "looks for bright or dark lesions, residual=absolute for both"),
        ("score=standardised residual=ssim", "divides a signed or absolute residual, found .* residual=ssim"),
        ("score=standardised score_from=sum", "divides a signed or absolute residual, found score_from=sum"),
        ("score=standardized", "score expects one of default, standardised"),
        ("score=standardised draws=101", r"draws expects a (whole )?number in \[2, 100\], found 101"),
    ],
)
def test_what_has_no_effect_or_no_spread_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        read_settings(ScoreSettings, text)


def test_only_a_standardised_score_is_made_of_several_reconstructions():
    assert ScoreSettings().reconstructions == 1
    assert read_settings(ScoreSettings, "score=standardised draws=4").reconstructions == 4
    trained = ScoreSettings(score="standardised", draws=9)
    assert read_settings(ScoreSettings, "draws=3", defaults=trained).reconstructions == 3
    assert read_settings(ScoreSettings, "score=default", defaults=trained).reconstructions == 1


def test_the_score_is_part_of_a_trainings_settings():
    from nnunet_uad.plugin.nnunet_uad_trainers import nnUNetPretrainerDAE

    assert score_settings(nnUNetPretrainerDAE.settings_class(smoothing_mm=7)) == ScoreSettings(smoothing_mm=7)


def test_dark_lesions_are_those_of_negative_weights_of_a_signed_residual():
    dark = ScoreSettings(channel_weights="T1:-2,FLAIR:1")
    assert channel_signs(dark, ["FLAIR", "T1", "T2"]) == [1, -1, 1]
    assert channel_signs(ScoreSettings(channel_weights="T1:-1", residual="absolute"), ["FLAIR", "T1"]) == [1, 1]
    assert channel_signs(ScoreSettings(), ["CT"]) == [1]
