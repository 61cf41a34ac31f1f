import json

import pytest
import tiny
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.methods import METHODS
from nnunet_uad.pretrain.record import make_record
from nnunet_uad.pretrain.task import PretrainTask
from nnunet_uad.weights.case_names import hidden_name
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_pretrained


def test_the_record_of_a_training(dae_fold):
    _, record = read_pretrained(dae_fold / "pretrained.safetensors")
    trained = (*tiny.HEALTHY, tiny.LESION[0])
    assert record.cases == tuple(sorted(hidden_name(case, record.salt) for case in trained))
    assert {record.seen.find(case) for case in trained} == set(record.cases)
    assert record.method == "DAE" and record.trainer == "nnUNetPretrainerDAE_2epochs_3iters"
    assert (record.epochs_trained, record.num_epochs, record.iterations_per_epoch) == (2, 2, 3)
    assert record.channel_names == ("FLAIR", "T1") and record.spacing == (2.0, 2.0)
    assert record.patch_size == (32, 32) and record.settings["noise_std"] == [1.0, 2.0]


class Other(PretrainTask):
    method = "NobodysMethod"


@pytest.mark.parametrize("configuration", ["2d_tiny", "3d_tiny"])
def test_everything_about_the_network_comes_from_the_plans(tiny_dataset, configuration):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    manager = PlansManager(plans)
    dataset = json.loads((tiny_dataset / "dataset.json").read_text())
    record = make_record(
        Other.__new__(Other),
        ModelPlan(manager, manager.get_configuration(configuration), dataset),
        trainer="nnUNetPretrainerOther_9epochs",
        configuration=configuration,
        fold="all",
        cases=("b", "a"),
        epochs=(3, 9, 250),
        seed=17,
        settings={"learning_rate": 0.5},
        restorer={},
        keep_names=True,
    )
    content = manager.get_configuration(configuration).configuration
    assert (record.dataset, record.plans, record.fold) == (tiny.DATASET, "nnUNetPlans", "all")
    assert list(record.spacing) == content["spacing"] and list(record.patch_size) == content["patch_size"]
    assert list(record.normalization) == content["normalization_schemes"]
    assert record.architecture == content["architecture"]["network_class_name"]
    assert record.architecture_kwargs == content["architecture"]["arch_kwargs"]
    assert list(record.architecture_requires_import) == content["architecture"]["_kw_requires_import"]
    assert (record.epochs_trained, record.num_epochs, record.iterations_per_epoch) == (3, 9, 250)
    assert record.cases == ("b", "a") and record.seed == 17 and record.restorer == {}
    assert torch.__version__.startswith(record.versions["torch"])
    assert record.plan["configuration"]["batch_size"] == content["batch_size"]
    assert record.plan["transpose_forward"] == plans["transpose_forward"]
    # A method that is not listed has no citation; none is made up.
    assert record.method == "NobodysMethod" and record.citation == ""
    assert PretrainRecord.from_json(record.to_json()) == record


def test_a_listed_method_is_cited(dae_fold):
    record = read_pretrained(dae_fold / "pretrained.safetensors")[1]
    assert record.citation == METHODS["DAE"].citation
