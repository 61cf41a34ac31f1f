import os
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.inference.model import find_folds, load_restorer, stored_settings, training_cases
from nnunet_uad.plugin.nnunet_uad_trainers import nnUNetPretrainerDAE

FINAL = "checkpoint_final.pth"


def test_folds_are_found_or_named(dae_fold):
    assert find_folds(dae_fold.parent, FINAL) == [dae_fold] == find_folds(dae_fold.parent, FINAL, ["0"])
    with pytest.raises(FileNotFoundError, match=r"no checkpoint_final.pth in fold_3. Folds that have it: fold_0"):
        find_folds(dae_fold.parent, FINAL, ["0", "3"])
    missing = Path(os.environ["nnUNet_results"]) / tiny.DATASET / "nnUNetPretrainerMAE__nnUNetPlans__2d"
    with pytest.raises(FileNotFoundError, match="nnUNetPretrainerDAE_2epochs_3iters__nnUNetPlans__2d_tiny"):
        find_folds(missing, FINAL)


def test_the_restorer_has_the_trainings_weights_settings_and_seed(dae_fold):
    restorer, settings = load_restorer(nnUNetPretrainerDAE, [dae_fold], FINAL, torch.device("cpu"), True)
    checkpoint = torch.load(dae_fold / FINAL, weights_only=True)
    weights = restorer.networks[0].state_dict()
    assert all(torch.equal(weights[k], v) for k, v in checkpoint["network_weights"].items())
    assert restorer.seed == checkpoint["init_args"]["plans"]["nnunet_uad"]["seed"]
    assert settings == nnUNetPretrainerDAE.settings_class() and restorer.mirror_axes == (0, 1)
    assert not restorer.networks[0].training
    without, _ = load_restorer(nnUNetPretrainerDAE, [dae_fold], FINAL, torch.device("cpu"), False, seed=7)
    assert without.mirror_axes is None and without.seed == 7


def test_cases_of_the_training_are_known(dae_fold):
    assert training_cases([dae_fold]) == {*tiny.HEALTHY, tiny.LESION[0]}


def test_older_settings_get_defaults_newer_ones_are_refused():
    made = stored_settings(nnUNetPretrainerDAE.settings_class, {"noise_std": [3, 4]})
    assert made.noise_std == (3, 4) and made.smoothing_mm == 2.0
    with pytest.raises(ValueError, match=r"does not know: colour.*pip install -U"):
        stored_settings(nnUNetPretrainerDAE.settings_class, {"colour": 1})
