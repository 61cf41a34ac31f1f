import json

import pytest
import tiny


@pytest.mark.parametrize("used", [True, False])
def test_intensity_augmentation_can_be_switched_off(tiny_dataset, results, monkeypatch, used):
    monkeypatch.setenv("nnUNet_uad_settings", f"intensity_augmentation={json.dumps(used)}")
    trainer = tiny.make_trainer("nnUNetPretrainerDAE")
    transforms = trainer.get_training_transforms((32, 32), (-0.5, 0.5), None, (0, 1), False, [True, True])
    names = [type(getattr(t, "transform", t)).__name__ for t in transforms.transforms]
    assert ("GammaTransform" in names) == used
    assert {"ForegroundTransform", "SpatialTransform", "MirrorTransform"} <= set(names)


def test_the_cases_that_are_trained_on_are_known_once_they_are_loaded(tiny_dataset, results):
    trainer = tiny.make_trainer("nnUNetPretrainerDAE")
    assert trainer.training_cases() == ()
    train, val = trainer.get_tr_and_val_datasets()
    assert trainer.training_cases() == tuple(train.identifiers)
    assert not set(train.identifiers) & set(val.identifiers)
