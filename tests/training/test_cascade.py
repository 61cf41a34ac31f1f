import json

import pytest
import tiny
import torch

from nnunet_uad.methods import NAMES
from nnunet_uad.plugin import nnunet_uad_trainers as plugin
from nnunet_uad.training.cascade import first_stages, is_second_stage

PLANS = {
    "dataset_name": "Dataset901_Tumour",
    "plans_name": "nnUNetPlans",
    "configurations": {
        "2d": {},
        "3d_fullres": {},
        "3d_lowres": {"inherits_from": "3d_fullres", "next_stage": "3d_cascade_fullres"},
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"},
        "3d_cascade_small": {"inherits_from": "3d_cascade_fullres"},
        "circle": {"inherits_from": "circle"},
    },
}
#: Who needs no pretraining trains the second stage, too.
FREE = ("nnUNetTrainerFromScratch", "nnUNetTrainerAuxReconstruction", "nnUNetTrainerLesionBank")
REFUSED = [name for name in NAMES if name not in FREE]


def test_second_stages_are_told_by_what_they_inherit():
    second = [name for name in PLANS["configurations"] if is_second_stage(PLANS, name)]
    assert second == ["3d_cascade_fullres", "3d_cascade_small"] and not is_second_stage(PLANS, "nothing")
    assert first_stages(PLANS, "3d_cascade_fullres")[:2] == ["3d_fullres", "2d"]


@pytest.fixture
def cascade(tiny_dataset, results):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    plans["configurations"]["3d_cascade"] = {"inherits_from": "3d_tiny", "previous_stage": "3d_tiny"}
    plans["continue_training"] = False
    dataset_json = json.loads((tiny_dataset / "dataset.json").read_text())
    return lambda name: getattr(plugin, name)(plans, "3d_cascade", 0, dataset_json, torch.device("cpu"))


@pytest.mark.parametrize("name", REFUSED)
def test_every_trainer_with_a_pretraining_refuses_and_names_what_works(cascade, name):
    """Before a training step, and never with a command that a pretrainer refuses."""
    with pytest.raises(ValueError, match="second stage of a cascade") as refused:
        cascade(name).before_training()
    commands = [line.split() for line in str(refused.value).splitlines() if line.startswith("  nnUNetv2_train")]
    assert commands and all(words[1:4] == [tiny.DATASET, "3d_tiny", "0"] for words in commands)
    assert commands[-1][5] == name and commands[0][5].startswith("nnUNetPretrainer")


def test_named_weights_of_the_first_stage_start_the_second(cascade, tiny_dataset, monkeypatch):
    """Nothing but the further channels of the first convolution begins at 0."""
    pretrained = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", "3d_tiny")
    pretrained.on_train_start()
    pretrained.save_checkpoint(f"{pretrained.output_folder}/checkpoint_final.pth")
    monkeypatch.setenv("nnUNet_uad_pretrained", f"{pretrained.output_folder}/pretrained.safetensors")
    trainer = cascade("nnUNetTrainerDAEPretrained")
    trainer.initialize()
    trainer.before_training()
    stem, own = (next(t.bare_network.parameters()).detach() for t in (trainer, pretrained))
    assert stem.shape[1] == own.shape[1] + 2 and torch.equal(stem[:, :2], own) and not stem[:, 2:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plans: plans.pop("configurations"), "hold no configurations, as those of nnU-Net v2 do"),
        (lambda plans: plans["configurations"].pop("2d_tiny"), "have no configuration '2d_tiny'; they have: 2d"),
    ],
)
def test_plans_without_the_configuration_are_told_in_words(tiny_dataset, results, change, message):
    plans = json.loads((tiny_dataset / "nnUNetPlans.json").read_text())
    change(plans)
    with pytest.raises(ValueError, match=message):
        plugin.nnUNetTrainerFromScratch(plans, "2d_tiny", 0, {}, torch.device("cpu"))
    assert not list(results.iterdir())
