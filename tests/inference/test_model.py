import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from nnunet_uad.inference.model import (
    ModelRequest,
    find_folds,
    load_restorer,
    pretrainer_class,
    stored_settings,
    training_records,
)
from nnunet_uad.inference.pipeline import score_files
from nnunet_uad.plugin.nnunet_uad_trainers import nnUNetPretrainerDAE
from nnunet_uad.pretrain.dae import DAESettings
from nnunet_uad.weights.case_names import hidden_name

FINAL = "checkpoint_final.pth"
#: A pretrainer of somebody else, in a folder of nnUNet_extTrainer.
FOREIGN = """
from nnunet_uad.pretrain.dae import nnUNetPretrainerDAE


class nnUNetPretrainerMine(nnUNetPretrainerDAE):
    pass
"""


def test_folds_are_found_or_named(dae_fold):
    assert find_folds(dae_fold.parent, FINAL) == [dae_fold] == find_folds(dae_fold.parent, FINAL, [0])
    with pytest.raises(FileNotFoundError, match=r"no checkpoint_final.pth in fold_3. Folds that have it: fold_0"):
        find_folds(dae_fold.parent, FINAL, ["0", "3"])
    missing = Path(os.environ["nnUNet_results"]) / tiny.DATASET / "nnUNetPretrainerMAE__nnUNetPlans__2d"
    with pytest.raises(FileNotFoundError, match="nnUNetPretrainerDAE_2epochs_3iters__nnUNetPlans__2d_tiny"):
        load_restorer(missing)


def test_pretrainers_are_found_by_name_and_are_the_packages_own_classes():
    assert pretrainer_class("nnUNetPretrainerDAE") is nnUNetPretrainerDAE
    assert issubclass(pretrainer_class("nnUNetPretrainerDAE_2epochs_3iters"), nnUNetPretrainerDAE)


def test_pretrainers_of_others_are_found_where_nnunet_finds_them(tmp_path, monkeypatch):
    (tmp_path / "foreign_trainers.py").write_text(FOREIGN)
    with pytest.raises(ValueError, match="nnUNetPretrainerMine"):
        pretrainer_class("nnUNetPretrainerMine")
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([os.environ["nnUNet_extTrainer"], str(tmp_path)]))
    assert issubclass(pretrainer_class("nnUNetPretrainerMine"), nnUNetPretrainerDAE)


@pytest.mark.parametrize("name", ["nnUNetTrainerDAEPretrained", "nnUNetTrainer", "Nobody"])
def test_trainers_that_segment_are_refused(name):
    with pytest.raises(ValueError, match=f"Expected the name of a pretrainer, found '{name}'.*nnUNetv2_predict"):
        pretrainer_class(name)


def test_the_restorer_computes_in_the_precision_of_its_training(dae_fold, bfloat16, tmp_path):
    """Maps stay float32, and differ little; models from before there was the setting are used in float32."""
    restorer = load_restorer(dae_fold.parent, device="cpu")
    assert restorer.amp == "auto"
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    files = [raw / f"test_{channel:04d}.nii.gz" for channel in (0, 1)]
    mixed, exact = (score_files(dataclasses.replace(restorer, amp=amp), files) for amp in ("auto", "off"))
    for found, expected in ((mixed.reconstruction, exact.reconstruction), (mixed.score, exact.score)):
        assert found.dtype == np.float32 and not np.array_equal(found, expected)
        assert np.abs(found - expected).max() < 0.2 * expected.std()
        assert np.abs(found - expected).mean() < 0.02 * expected.std()
    fold = tmp_path / dae_fold.parent.name / "fold_0"
    shutil.copytree(dae_fold.parent, fold.parent)
    content = torch.load(fold / FINAL, weights_only=True)
    del content["init_args"]["plans"]["nnunet_uad"]["settings"]["amp"]
    torch.save(content, fold / FINAL)
    assert load_restorer(fold.parent, device="cpu").amp == "off"


def test_the_restorer_has_the_trainings_weights_settings_and_seed(dae_fold):
    restorer = load_restorer(dae_fold.parent, device="cpu")
    checkpoint = torch.load(dae_fold / FINAL, weights_only=True)
    weights = restorer.networks[0].state_dict()
    assert all(torch.equal(weights[k], v) for k, v in checkpoint["network_weights"].items())
    assert restorer.seed == checkpoint["init_args"]["plans"]["nnunet_uad"]["seed"]
    assert restorer.settings == nnUNetPretrainerDAE.settings_class(seed=restorer.seed)
    assert restorer.mirror_axes == (0, 1)
    assert not restorer.networks[0].training
    without = load_restorer(str(dae_fold.parent), [0], device="cpu", mirroring=False, seed=7)
    assert without.mirror_axes is None and without.seed == 7


def test_a_request_loads_some_of_its_folds(dae_fold):
    request = ModelRequest(model=dae_fold.parent, device="cpu", seed=3)
    assert request.fold_folders() == [dae_fold] and request.names.configuration == "2d_tiny"
    restorer = request.load([dae_fold])
    assert len(restorer.networks) == 1 and restorer.seed == 3


def test_cases_of_the_training_are_known(dae_fold, tmp_path):
    (record,) = training_records([dae_fold])
    assert set(record.cases) == {hidden_name(case, record.salt) for case in (*tiny.HEALTHY, tiny.LESION[0])}
    assert training_records([tmp_path]) == []


def test_older_settings_get_defaults_newer_ones_are_refused():
    made = stored_settings(nnUNetPretrainerDAE.settings_class, {"noise_std": [3, 4]})
    assert made.noise_std == (3, 4) and made.smoothing_mm == 2.0 and made.target == "augmented"
    later = dataclasses.make_dataclass(
        "Later", [("target", str, "before_intensity")], bases=(DAESettings,), frozen=True
    )
    assert later().before_intensity and not stored_settings(later, {}).before_intensity
    with pytest.raises(ValueError, match=r"does not know: colour.*pip install -U"):
        stored_settings(nnUNetPretrainerDAE.settings_class, {"colour": 1})
