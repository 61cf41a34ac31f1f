import inspect

import pytest
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunet_uad.plugin import nnunet_uad_trainers as plugin


def test_public_names_never_change():
    """Checkpoints store these names: none may go. New ones join this list when they are released."""
    released = [
        "nnUNetPretrainerAE",
        "nnUNetPretrainerAnoVAEGAN",
        "nnUNetPretrainerDAE",
        "nnUNetPretrainerDDPM",
        "nnUNetPretrainerGenesis",
        "nnUNetPretrainerMAE",
        "nnUNetPretrainerPatchGAN",
        "nnUNetPretrainerSyntheticAnomaly",
        "nnUNetPretrainerTAE",
        "nnUNetPretrainerVAE",
        "nnUNetTrainerAEResidual",
        "nnUNetTrainerAnoVAEGANResidual",
        "nnUNetTrainerAuxReconstruction",
        "nnUNetTrainerDAEPretrained",
        "nnUNetTrainerDAEPretrainedDiffusionResidual",
        "nnUNetTrainerDAEPretrainedLesionBank",
        "nnUNetTrainerDAEResidual",
        "nnUNetTrainerDiffusionResidual",
        "nnUNetTrainerDiffusionResidualSynthetic",
        "nnUNetTrainerFromScratch",
        "nnUNetTrainerGenesisPretrained",
        "nnUNetTrainerGenesisResidual",
        "nnUNetTrainerLesionBank",
        "nnUNetTrainerMAEPretrained",
        "nnUNetTrainerMAEResidual",
        "nnUNetTrainerPatchGANScore",
        "nnUNetTrainerSyntheticAnomalyPretrained",
        "nnUNetTrainerTAEPretrained",
        "nnUNetTrainerTAEPretrainedAuxReconstruction",
        "nnUNetTrainerTAEResidual",
        "nnUNetTrainerVAEPretrained",
        "nnUNetTrainerVAEResidual",
    ]
    assert plugin.__all__ == sorted(plugin.__all__) and set(released) <= set(plugin.__all__)


@pytest.mark.parametrize("name", plugin.__all__)
def test_nnunet_finds_our_class_and_reads_its_arguments(name):
    found = recursive_find_trainer_class_by_name(name)
    assert found is getattr(plugin, name)
    assert issubclass(found, nnUNetTrainer)
    expected = ["self", "plans", "configuration", "fold", "dataset_json", "device"]
    assert list(inspect.signature(found.__init__).parameters) == expected
    assert recursive_find_trainer_class_by_name(f"{name}_4epochs_2iters") is getattr(plugin, f"{name}_4epochs_2iters")


def test_misspelt_name_ends_the_lookup_with_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean nnUNetTrainerDAEPretrained"):
        recursive_find_trainer_class_by_name("nnUNetTrainerDAEPretraind")


def test_foreign_names_are_left_to_others():
    assert not hasattr(plugin, "SomebodyElsesTrainer")
    assert not hasattr(plugin, "__wrapped__")
