import pytest
import tiny

from nnunet_uad.pretrain.pretrain_settings import PretrainSettings


def test_bad_sampling_is_refused(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "sampling=everywhere")
    with pytest.raises(ValueError, match="sampling expects healthy or anywhere"):
        tiny.make_trainer("nnUNetPretrainerDAE")


def test_patches_are_healthy_unless_said_otherwise():
    assert PretrainSettings().sampling == "healthy" and PretrainSettings(sampling="anywhere").sampling == "anywhere"
    with pytest.raises(ValueError, match="found 'healty'"):
        PretrainSettings(sampling="healty")
