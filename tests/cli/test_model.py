import argparse

import pytest
import tiny

from nnunet_uad.cli.model import add_model_arguments, add_named_model, model_folder, model_options
from nnunet_uad.inference.model import ModelRequest


def options(*flags):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    return model_options(parser.parse_args(["-d", tiny.NUMBER, "-c", "2d_tiny", *flags]))


def test_flags_become_the_fields_of_a_request(dae_fold):
    flags = ["-f", "0", "--disable_tta", "--seed", "5", "-device", "cpu", "-npp", "0", "-nps", "2"]
    request = ModelRequest(**options("-tr", "nnUNetPretrainerDAE_2epochs_3iters", *flags))
    assert request.model == dae_fold.parent and request.fold_folders() == [dae_fold]
    assert not request.mirroring and request.seed == 5 and request.device == "cpu"
    assert (request.preprocessing_processes, request.export_processes) == (0, 2)


def test_a_trainer_that_segments_is_refused_before_its_folder_is_looked_for(monkeypatch):
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(ValueError, match="Pretrainers: nnUNetPretrainerDAE"):
        options("-tr", "nnUNetTrainerDAEPretrained")
    with pytest.raises(RuntimeError, match="nnUNet_results is not set"):
        options("-tr", "nnUNetPretrainerDAE")


@pytest.mark.parametrize(
    ("flags", "folder"),
    [
        ([], "A__nnUNetPlans__2d"),
        (["-c-map", "3d", "-p-map", "P"], "A__P__3d"),
        (["-d-map", tiny.DATASET], "A__nnUNetPlans__2d"),
    ],
)
def test_what_a_second_model_leaves_open_is_the_first_ones(dae_fold, flags, folder):
    parser = argparse.ArgumentParser()
    add_named_model(parser, "the first")
    add_named_model(parser, "the second", "-map", like="the first")
    arguments = parser.parse_args(["-d", tiny.NUMBER, "-c", "2d", "-tr", "B", "-tr-map", "A", *flags])
    assert model_folder(arguments, "_map") == dae_fold.parent.with_name(folder)
    assert model_folder(arguments).name == "B__nnUNetPlans__2d"


def test_a_second_model_that_need_not_be_named_has_no_dataset_of_its_own():
    parser = argparse.ArgumentParser()
    add_named_model(parser, "the second", "-seg", like="the first", optional="for what")
    assert vars(parser.parse_args([])).keys() == {"c_seg", "tr_seg", "p_seg", "f_seg", "chk_seg"}
