import dataclasses
import json

import numpy as np
import pytest
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunet_uad.inference import scorer
from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.scoring.score_settings import ScoreSettings


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


@pytest.fixture
def restorer(tiny_dataset):
    plans = PlansManager(json.loads((tiny_dataset / "nnUNetPlans.json").read_text()))
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    configuration = plans.get_configuration("2d_tiny")
    model = ModelPlan(plans, configuration, dataset_json)
    return Restorer([Times(1.0), Times(3.0)], Restoration(), model, None, torch.device("cpu"), 0, ScoreSettings())


def test_folds_are_averaged(restorer):
    image = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    assert np.allclose(restorer.reconstruct(image, np.ones((3, 20, 20), bool)), 2 * image, atol=1e-4)


class Noise(Restoration):
    """Adds a noise of known deviation, the same in all channels."""

    kind = "noise"

    def __init__(self):
        self.drawing = self

    def draw(self, image, generator=None):
        return torch.full((len(image), 1, *image.shape[2:]), 0.5).bernoulli(generator=generator) * 4 - 2

    def reconstruct(self, network, image, drawn):
        return network(image + drawn)


def test_several_draws_have_the_mean_and_the_spread_of_their_noise(restorer):
    image = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    inside = np.ones((3, 20, 20), bool)
    noisy = dataclasses.replace(restorer, restoration=Noise(), networks=[Times(1.0)])
    mean, spread = noisy.reconstruct_draws(image, inside, 60)
    # Noise of ± 2: its deviation is 2, of 60 draws to within a few percent.
    assert spread.mean() == pytest.approx(2.0, abs=0.02) and abs(spread - 2.0).max() < 0.7
    assert abs(mean - image).mean() < 0.3
    each = [dataclasses.replace(noisy, seed=seed).reconstruct(image, inside) for seed in range(3)]
    mean, spread = noisy.reconstruct_draws(image, inside, 3)
    assert np.allclose(mean, np.mean(each, 0), atol=1e-5) and np.allclose(spread, np.std(each, 0, ddof=1), atol=1e-4)
    # Of two folds both count: here they have the same draws, the second three times as far from 0.
    folds = dataclasses.replace(noisy, networks=[Times(1.0), Times(3.0)])
    mean, spread = folds.reconstruct_draws(image, inside, 3)
    both = [factor * one for one in each for factor in (1, 3)]
    assert np.allclose(mean, np.mean(both, 0), atol=1e-4) and np.allclose(spread, np.std(both, 0, ddof=1), atol=1e-3)


def test_a_spread_needs_two_draws_of_a_model_that_draws(restorer):
    image, inside = np.zeros((2, 3, 20, 20), np.float32), np.ones((3, 20, 20), bool)
    with pytest.raises(ValueError, match="at least 2 draws, found 1"):
        dataclasses.replace(restorer, restoration=Noise()).reconstruct_draws(image, inside, 1)
    with pytest.raises(ValueError, match="needs a model that draws something"):
        restorer.reconstruct_draws(image, inside, 4)
    with pytest.raises(ValueError, match="this model draws nothing"):
        restorer.source(ScoreSettings(score="standardised"))


class Both(Restoration):
    detects = True

    def detect(self, network, image):
        return torch.sigmoid(network(image)[:, :1])


def settings(source, **more):
    return ScoreSettings(score_from=source, residual="absolute", smoothing_mm=0.0, intensity_weight=0.0, **more)


def test_a_model_that_restores_and_detects_offers_three_scores(restorer):
    both = dataclasses.replace(restorer, restoration=Both(), networks=[Times(0.5)])
    image = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    inside = np.ones((3, 20, 20), bool)
    properties = {"spacing": [3.0, 2.0, 2.0], "shape_after_cropping_and_before_resampling": (3, 20, 20)}
    restored, detection = both.reconstruct(image, inside), both.detect(image)
    maps = {
        source: both.anomaly_score(image, restored, inside, properties, settings(source), detection)
        for source in ("auto", "detection", "residual", "product")
    }
    assert np.array_equal(maps["auto"], maps["detection"]) and np.allclose(maps["detection"], detection)
    assert np.allclose(maps["residual"], np.abs(0.5 * image[0]) + 0.1, atol=1e-4)
    assert np.allclose(maps["product"], maps["detection"] * maps["residual"])


def test_what_several_scores_need_is_filtered_once(restorer, monkeypatch):
    both, filtered = dataclasses.replace(restorer, restoration=Both(), networks=[Times(0.5)]), []
    for name in ("anomaly_map", "detection_map"):
        real = getattr(scorer, name)
        monkeypatch.setattr(scorer, name, lambda *given, real=real: (filtered.append(real), real(*given))[1])
    image = np.random.default_rng(0).standard_normal((2, 3, 20, 20)).astype(np.float32)
    inside = np.ones((3, 20, 20), bool)
    properties = {"spacing": [3.0, 2.0, 2.0], "shape_after_cropping_and_before_resampling": (3, 20, 20)}
    case = ReconstructedCase("a", image, 0.5 * image, inside, properties, np.abs(image[0]))
    maps = both.scorer.scores(case, settings("auto", median_mm=5.0), ["detection", "residual", "product"])
    assert len(filtered) == 2
    for source, expected in maps.items():
        alone = both.anomaly_score(
            image, 0.5 * image, inside, properties, settings(source, median_mm=5.0), case.detection
        )
        assert np.array_equal(alone, expected)


def test_a_score_that_the_model_does_not_offer_is_refused(restorer):
    assert restorer.source(settings("auto")) == "residual"
    with pytest.raises(ValueError, match="score_from=product is not possible with this model, which offers residual"):
        restorer.source(settings("product"))
