import pytest
from weights_helpers import make_record

from nnunet_uad.methods import METHODS
from nnunet_uad.sharing.usage import commands


def test_weights_are_named_for_the_trainer_that_uses_them():
    lines = commands("/a b/w.safetensors", make_record())
    assert lines[0] == "nnunet_uad small-plan -d DATASET -c 2d --like '/a b/w.safetensors' --name like_weights"
    assert lines[2:] == [
        "export nnUNet_uad_pretrained='/a b/w.safetensors'",
        "nnUNetv2_train DATASET like_weights FOLD -tr nnUNetTrainerDAEPretrained",
    ]


@pytest.mark.parametrize(("method", "trainer"), [("DDPM", "DiffusionResidual"), ("PatchGAN", "PatchGANScore")])
def test_restorers_are_named_by_the_other_variable(method, trainer):
    *_, export, train = commands("w", make_record(method=method))
    assert export == "export nnUNet_uad_restorer=w" and train.endswith(f"-tr nnUNetTrainer{trainer}")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_use(method):
    assert commands("w", make_record(method=method))[-1].startswith("nnUNetv2_train")


def test_a_method_of_others_is_planned_for_only():
    assert len(commands("w", make_record(method="Mine"))) == 2
