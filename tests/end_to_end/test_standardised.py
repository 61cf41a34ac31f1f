"""``score=standardised`` from the settings of a training to a mask: every kind of draw once."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.inference.predict import PredictRequest, predict_folder


@pytest.fixture(params=["DAE", "MAE", "VAE", "DDPM"])
def fold(request, tiny_dataset, monkeypatch):
    """A model of every kind of draw; an untrained diffusion network answers 0 whatever the noise."""
    if request.param in ("DAE", "DDPM"):
        return request.getfixturevalue(f"{request.param.lower()}_fold")
    request.getfixturevalue("results")
    monkeypatch.setenv("nnUNet_uad_settings", "seed=3")
    return tiny.save_untrained(f"nnUNetPretrainer{request.param}_1epochs_1iters")


def test_maps_of_several_draws_repeat_and_are_of_their_own_kind(fold, tmp_path):
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"

    def maps(name, score):
        request = PredictRequest(
            model=fold.parent, images=images, output=tmp_path / name, device="cpu", mirroring=False, score=score
        )
        assert predict_folder(request).failed == {}
        return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / name / "test_map.nii.gz")))

    first, again = (maps(name, "score=standardised draws=2") for name in ("first", "again"))
    assert np.array_equal(first, again) and first.max() > 0.1
    assert json.loads((tmp_path / "first" / "anomaly_maps.json").read_text())["score"]["draws"] == 2
    assert not np.allclose(first, maps("three", "score=standardised draws=3"))
    assert not np.allclose(first, maps("default", ""))


def test_a_validation_stores_thresholds_of_this_score(tiny_dataset, results, tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "score=standardised draws=2 smoothing_mm=2")
    name = "nnUNetPretrainerVAE_1epochs_1iters"
    tiny.save_untrained(name)
    fold = tiny.run_training(name, only_run_validation=True)
    stored = json.loads((fold / "anomaly_thresholds.json").read_text())
    assert stored["score"]["score"] == "standardised" and stored["score"]["draws"] == 2
    assert json.loads((fold / "validation" / "summary.json").read_text())["anomaly"]["map AP"] > 0
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    request = {"model": fold.parent, "images": images, "device": "cpu", "save": ["mask"]}
    assert predict_folder(PredictRequest(**request, output=tmp_path / "own")).failed == {}
    with pytest.raises(ValueError, match="the model has no validation with this score"):
        predict_folder(PredictRequest(**request, output=tmp_path / "default", score="score=default"))


@pytest.mark.parametrize("trainer", ["AE", "TAE", "Genesis", "PatchGAN", "SyntheticAnomaly"])
def test_a_training_whose_model_would_draw_nothing_is_refused(trainer, tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "score=standardised")
    with pytest.raises(ValueError, match=r"nnUNet_uad_settings: score=standardised divides .* nnUNetPretrainerDDPM"):
        tiny.make_trainer(f"nnUNetPretrainer{trainer}")
