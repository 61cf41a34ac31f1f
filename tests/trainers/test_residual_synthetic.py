import pytest
import tiny

from nnunet_uad.anomalies.mixing import HEALTHY_MARKER

NAME = "nnUNetTrainerDiffusionResidualSynthetic_2epochs_2iters"


def test_no_room_for_a_synthetic_lesion(restorer_file, monkeypatch):
    trainer = tiny.make_trainer(NAME)
    monkeypatch.setattr("nnunet_uad.trainers.residual_synthetic.LEAST_EDGE", 1000)
    with pytest.raises(
        ValueError,
        match=r"None of the 5 training cases has a slice .* at least 1000000 .*synthetic lesion needs",
    ):
        trainer.run_training()


def test_a_class_that_does_not_exist(restorer_file, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "synthetic_label=7")
    with pytest.raises(ValueError, match="synthetic_label=7 is no class of this dataset, which has 1, 2"):
        tiny.make_trainer(NAME).run_training()


@pytest.mark.parametrize("share", ["0", "1.01", "-0.5"])
def test_a_share_outside_0_to_1_is_refused(tiny_dataset, results, monkeypatch, share):
    monkeypatch.setenv("nnUNet_uad_settings", f"synthetic_share={share}")
    with pytest.raises(ValueError, match=r"synthetic_share expects a number in \(0, 1\], found"):
        tiny.make_trainer(NAME)


@pytest.mark.parametrize(("setting", "label"), [("", 1), ("synthetic_label=2", 2)])
def test_anomalies_are_of_the_lowest_class_or_the_chosen_one(tiny_dataset, results, monkeypatch, setting, label):
    """Right behind nnU-Net's removal of label −1, before it makes regions and scales of the labels."""
    monkeypatch.setenv("nnUNet_uad_settings", setting)
    trainer = tiny.make_trainer(NAME)
    arguments = ((32, 32), (-0.5, 0.5), [[1.0, 1.0], [0.5, 0.5]], (0, 1), False, [True, True])
    transforms = trainer.get_training_transforms(*arguments, foreground_labels=[1, 2]).transforms
    names = [type(t).__name__ for t in transforms]
    place = names.index("RandomAnomalyTransform")
    assert names[place - 1] == "RemoveLabelTransform" and names[-1] == "DownsampleSegForDSTransform"
    assert (transforms[place].marker, transforms[place].label) == (HEALTHY_MARKER, label)
