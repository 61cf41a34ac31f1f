import copy
import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.screening import models
from nnunet_uad.screening.models import Plans, SupervisedModel


@pytest.fixture
def plan(tiny_dataset):
    """A function that gives the plan of a configuration, changed."""
    from nnunet_uad.common.json_files import read_mapping

    content, dataset = (read_mapping(tiny_dataset / name) for name in ("nnUNetPlans.json", "dataset.json"))

    def make(configuration="2d_tiny", of_dataset=(), of_plans=(), **changes):
        plans = {**copy.deepcopy(content), **dict(of_plans)}
        plans["configurations"][configuration].update(changes)
        manager = PlansManager(plans)
        return ModelPlan(manager, manager.get_configuration(configuration), {**dataset, **dict(of_dataset)})

    return make


def test_an_image_is_prepared_once_where_both_were_planned_alike(plan):
    assert Plans(plan(), plan(patch_size=[16, 16], batch_size=7)).shared
    assert not Plans(plan(), plan("3d_tiny")).shared
    assert not Plans(plan(), plan(spacing=[3.0, 3.0])).shared
    assert not Plans(plan(), plan(normalization_schemes=["CTNormalization"] * 2)).shared
    assert not Plans(plan(), plan(of_plans={"transpose_forward": [1, 0, 2]})).shared
    assert not Plans(plan(), plan(of_plans={"foreground_intensity_properties_per_channel": {"0": {}}})).shared


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_names": {"0": "T2", "1": "T1"}}, "their channels differ: FLAIR, T1 of the supervised model, T2, T1"),
        ({"file_ending": ".mha"}, r"their file endings differ: \.nii\.gz of the supervised model, \.mha"),
    ],
)
def test_models_of_other_images_are_refused(plan, changes, message):
    Plans(plan(), plan()).refuse_different_images()
    with pytest.raises(ValueError, match=message):
        Plans(plan(), plan(of_dataset=changes)).refuse_different_images()


def test_a_second_stage_is_refused(plan):
    with pytest.raises(ValueError, match="second stage of a cascade"):
        Plans(plan(previous_stage="2d"), plan()).refuse_different_images()


def test_a_score_of_several_draws_is_made_of_them(monkeypatch):
    drawn = []
    monkeypatch.setattr(models, "reconstruct_prepared", lambda *arguments: drawn.append(arguments[-1]))
    predictor = SimpleNamespace(predict_logits_from_preprocessed_data=lambda image: image)
    prepared = (np.zeros((1, 2, 2, 2), np.float32), None, {models.IMAGES_HASH: "hash"})
    for score in (ScoreSettings(), ScoreSettings(score="standardised", draws=5)):
        both = models.Models(predictor, SimpleNamespace(source=lambda settings: "residual"), None, score)
        assert both.compute("case", (prepared, prepared))[0] == "hash"
    assert drawn == [1, 5]


def test_what_segments_and_what_makes_maps_are_told_apart(segmenter_fold, dae_fold, tmp_path):
    model = SupervisedModel(segmenter_fold.parent, (), "checkpoint_final.pth")
    assert model.fold_folders() == [segmenter_fold]
    with pytest.raises(ValueError, match="found the pretrainer nnUNetPretrainerDAE"):
        dataclasses.replace(model, folder=dae_fold.parent).fold_folders()
    with pytest.raises(FileNotFoundError, match=r"Models that segment .*: .*nnUNetTrainerFromScratch.*nnUNetv2_train"):
        dataclasses.replace(model, folder=segmenter_fold.parent.with_name("nnUNetTrainer__p__2d")).fold_folders()
    with pytest.raises(FileNotFoundError, match="segment D: none"):
        SupervisedModel(Path(tmp_path / "D" / "nnUNetTrainer__p__2d"), (), "checkpoint_final.pth").fold_folders()
    with pytest.raises(FileNotFoundError, match="in fold_7"):
        dataclasses.replace(model, folds=["7"]).fold_folders()
