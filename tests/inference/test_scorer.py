"""Scores of a case by source, made without the networks."""

from dataclasses import replace

import numpy as np
import pytest

from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.methods import PRETRAINERS, trainer_class
from nnunet_uad.metrics.baseline import above_zero, robust_z
from nnunet_uad.scoring.score import positive, small_lesion_map
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.scoring.standardised import DRAWING


@pytest.fixture
def case():
    """A case with a reconstruction and a detection of the networks."""
    rng = np.random.default_rng(0)
    image, reconstruction = rng.standard_normal((2, 2, 4, 16, 16)).astype(np.float32)
    detection, features = rng.random((2, 4, 16, 16)).astype(np.float32)
    properties = {"spacing": [3.0, 2.0, 2.0], "shape_after_cropping_and_before_resampling": (4, 16, 16)}
    return ReconstructedCase("a", image, reconstruction, np.ones((4, 16, 16), bool), properties, detection, features)


@pytest.mark.parametrize(
    ("abilities", "source", "further"),
    [
        ((True, False), "residual", set()),
        ((False, True), "detection", set()),
        ((True, True), "detection", {"residual", "product", "sum"}),
        ((True, True, True), "detection", {"residual", "product", "sum", "features"}),
    ],
)
def test_a_model_is_scored_with_what_it_offers(model, abilities, source, further):
    scorer = Scorer(model, *abilities)
    assert scorer.source(ScoreSettings()) == source and set(scorer.further(ScoreSettings())) == further


@pytest.mark.parametrize("source", ["product", "sum", "features"])
def test_what_a_model_does_not_offer_is_refused(model, source):
    said = f"score_from={source} is not possible with this model, which offers residual"
    with pytest.raises(ValueError, match=said):
        Scorer(model, True, False).source(ScoreSettings(score_from=source))


def test_scores_of_all_sources_at_once_are_those_one_by_one(model, case):
    scorer, settings = Scorer(model, True, True, True), ScoreSettings()
    sources = ("detection", "residual", "features", "product", "sum")
    together = scorer.scores(case, settings, sources)
    assert tuple(together) == sources
    for source in sources:
        assert np.array_equal(together[source], scorer.scored(case, replace(settings, score_from=source)).score)
    assert np.array_equal(together["product"], together["detection"] * together["residual"])
    assert np.allclose(together["sum"], together["residual"] + 2 * together["detection"])


@pytest.mark.parametrize(("weights", "sign"), [("FLAIR:1", 1), ("FLAIR:-2,T1:1", -1)])
def test_a_factor_of_intensity_multiplies_every_source(model, case, weights, sign):
    scorer, sources = Scorer(model, True, True, True), ("detection", "residual", "features", "product", "sum")
    plain = ScoreSettings(residual="signed", channel_weights=weights)
    multiplied = replace(plain, intensity_factor=True)
    z = robust_z(case.image[0], case.foreground, model.spacing_of(case.properties), plain.smoothing_mm)
    maps, expected = scorer.scores(case, multiplied, sources), scorer.scores(case, plain, sources)
    for source in sources:
        assert np.allclose(maps[source], expected[source] * above_zero(sign * z), rtol=1e-5), source
        assert np.array_equal(maps[source], scorer.scored(case, replace(multiplied, score_from=source)).score)
    small = replace(multiplied, score="small-lesions")
    # That score has intensity of its own: beside a main score with the factor it stays what it is.
    assert np.array_equal(
        scorer.scores(case, small, ["residual"])["residual"],
        scorer.scores(case, replace(small, intensity_factor=False), ["residual"])["residual"],
    )


def test_small_lesions_are_looked_for_in_what_the_source_is_made_of(model, case):
    scorer, settings = Scorer(model, True, True, True), ScoreSettings(score="small-lesions", residual="signed")
    residual = (case.image[:1] - 0.25 * case.reconstruction[:1])[0]
    raw = {
        "detection": case.detection,
        "residual": residual,
        "features": case.features,
        "product": case.detection * positive(residual),
        "sum": residual + 2 * case.detection,
    }
    together = scorer.scores(case, settings, tuple(raw))
    spacing = model.spacing_of(case.properties)
    for source, plain in raw.items():
        expected = small_lesion_map(plain, case.foreground, spacing, settings)
        assert np.allclose(together[source], expected, atol=1e-4), source
        assert np.array_equal(together[source], scorer.scored(case, replace(settings, score_from=source)).score)
    assert scorer.source(settings) == "residual" and scorer.source(ScoreSettings()) == "detection"


def test_the_pretrainers_that_are_named_are_those_that_draw(model):
    def draws(name, settings):
        trainer = trainer_class(name)
        configuration = trainer.adapt_configuration(settings, model.configuration)
        restoration = trainer.make_task(settings, configuration).restoration
        return restoration is not None and restoration.drawing is not None

    found = {name for name in PRETRAINERS if draws(name, trainer_class(name).settings_class())}
    assert found == set(DRAWING)
    dae = trainer_class("nnUNetPretrainerDAE").settings_class
    for without in (
        dae(corruption="anomalies"),
        dae(corruption="anomalies", test_noise_copies=3),
        dae(corruption="both", detection=True),
    ):
        assert not draws("nnUNetPretrainerDAE", without)
    assert draws("nnUNetPretrainerDAE", dae(corruption="both")) and draws(
        "nnUNetPretrainerDAE", dae(test_noise_copies=3)
    )
