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
