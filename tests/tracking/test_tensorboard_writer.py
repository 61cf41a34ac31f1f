import numpy as np
import pytest
import tiny
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData


def events(fold) -> EventAccumulator:
    return EventAccumulator(str(fold), size_guidance={"scalars": 0, "images": 0}).Reload()


def test_every_epoch_once_as_nnunets_own_logger_has_them(tracked):
    """One epoch was trained twice: what it gave first is hidden."""
    read = events(tracked.fold)
    losses = read.Scalars("train_losses")
    assert [event.step for event in losses] == [0, 1, 2]
    assert [event.value for event in losses] == pytest.approx(tracked.losses, rel=1e-6)
    wanted = {
        "val_losses",
        "lrs",
        "mean_fg_dice",
        "ema_fg_dice",
        "R2",
        "epoch_seconds",
        "dice_per_class_or_region/class_1",
    }
    assert wanted <= set(read.Tags()["scalars"])
    assert all(event.value > 0 for event in read.Scalars("epoch_seconds"))


def test_the_final_validation_is_there_once_with_its_pictures(tracked):
    read = events(tracked.fold)
    final = {tag for tag in read.Tags()["scalars"] if tag.startswith("final_val/")}
    assert any(tag.endswith(" AP") for tag in final)
    assert all([event.step for event in read.Scalars(tag)] == [3] for tag in final)
    assert read.Tags()["images"] == [f"validation/{case}_montage" for case in tiny.LESION[2:]]
    picture = read.Images(read.Tags()["images"][0])[0]
    assert min(picture.width, picture.height) > 100


def test_settings_and_versions_are_hyper_parameters(tracked):
    content = events(tracked.fold).SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    told = HParamsPluginData.FromString(content).session_start_info.hparams
    assert told["settings.learning_rate"].number_value == pytest.approx(1e-3)
    assert told["trainer"].string_value == tracked.fold.parent.name.split("__")[0]
    assert told["nnunet.num_epochs"].number_value == 3 and told["torch"].string_value


@pytest.mark.slow
def test_a_training_of_stage_two_begun_anew_hides_the_one_before(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_log_to", "tensorboard")
    name = "nnUNetTrainerFromScratch_1epochs_1iters"
    for _ in range(2):
        fold = tiny.run_training(name)
    read = events(fold)
    assert [event.step for event in read.Scalars("train_losses")] == [0]
    assert [event.step for event in read.Scalars("final_val/foreground_dice")] == [1]
    assert np.isfinite(read.Scalars("final_val/foreground_dice")[0].value)


def test_without_the_variable_nothing_is_written(dae_fold):
    assert not list(dae_fold.glob("events.*")) and not list(dae_fold.glob("mlflow*"))
