"""A method that reconstructs nothing is a pretrainer like any other, but has no anomaly maps."""

import json
from pathlib import Path

import pytest
import tiny
import torch
from torch import nn

from nnunet_uad.pretrain.dae import DAETask
from nnunet_uad.pretrain.task import PretrainTask, ReconstructionTask, check_task
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.weights.safe_file import read_record

PRETRAINER, TUNED = "nnUNetPretrainerContrastive", "nnUNetTrainerContrastivePretrained"


@pytest.fixture
def external(tiny_dataset, results, monkeypatch):
    """nnU-Net's own search finds the trainers in a folder of somebody else's."""
    folder = Path(__file__).parent / "external"
    plugin = Path(__file__).parents[2] / "nnunet_uad" / "plugin"
    monkeypatch.setenv("nnUNet_extTrainer", f"{folder}:{plugin}")


def short(name, epochs):
    trainer = tiny.make_trainer(name)
    trainer.num_epochs, trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = epochs, 3, 1
    return trainer


def same_weights(one, other):
    """Whether two trainers have the same encoder now."""
    pairs = zip(one.bare_network.encoder.parameters(), other.bare_network.encoder.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_trains_resumes_and_is_fine_tuned_from(external):
    first = short(PRETRAINER, 2)
    first.run_training()
    first.perform_actual_validation()
    fold = Path(first.output_folder)
    summary = json.loads((fold / "validation" / "summary.json").read_text())
    assert "has no anomaly maps" in summary["note"] and not list((fold / "validation").glob("*_map*"))
    # The monitored quality is minus the loss.
    assert first.logger.get_value("mean_fg_dice", -1) == pytest.approx(-first.logger.get_value("val_losses", -1))
    record = read_record(fold / "pretrained.safetensors")
    assert (record.method, record.epochs_trained, record.restorer) == ("Contrastive", 2, {})
    second = short(PRETRAINER, 3)
    second.load_checkpoint(str(fold / "checkpoint_final.pth"))
    assert second.current_epoch == 2 and second.optimizer.state and same_weights(second, first)
    second.run_training()
    assert read_record(fold / "pretrained.safetensors").epochs_trained == 3 and not same_weights(second, first)
    tuned = short(TUNED, 1)
    tuned.on_train_start()
    report = json.loads((Path(tuned.output_folder) / "transfer.json").read_text())
    assert report["share"]["encoder"] == 1.0 and report["share"]["decoder"] == 0.0
    assert same_weights(tuned, second)
    tuned.run_training()
    assert (Path(tuned.output_folder) / "checkpoint_final.pth").is_file() and not same_weights(tuned, second)


def test_predict_refuses_it_with_the_reason(external, tmp_path, capsys):
    from nnunet_uad.cli.main import main

    trainer = short(PRETRAINER, 1)
    trainer.run_training()
    arguments = f"predict -i {tmp_path} -o {tmp_path / 'maps'} -d 991 -c 2d_tiny -tr {PRETRAINER} -device cpu"
    assert main(arguments.split()) == 1
    said = capsys.readouterr().err
    assert f"{PRETRAINER} learns without reconstructing or scoring images" in said and "Fine-tune from its" in said


class NoStep(PretrainTask):
    method = "NoStep"


class NoName(NoStep):
    method = None


class NothingToUndo(ReconstructionTask):
    method = "NothingToUndo"


class Useless(Restoration):
    reconstructs = False


def test_tasks_that_cannot_work_are_refused_when_the_trainer_is_made():
    with pytest.raises(TypeError, match=r"nnUNetPretrainerX: NoStep has no step\(network, clean, foreground\)"):
        check_task(NoStep.__new__(NoStep), "nnUNetPretrainerX")
    with pytest.raises(TypeError, match="nnUNetPretrainerX: NoName has no name of its method"):
        check_task(NoName.__new__(NoName), "nnUNetPretrainerX")
    with pytest.raises(TypeError, match=r"NothingToUndo has neither corrupt\(clean, foreground\) nor a step"):
        check_task(NothingToUndo.__new__(NothingToUndo), "nnUNetPretrainerX")
    task = DAETask.__new__(DAETask)
    task.restoration = nn.Identity()
    with pytest.raises(TypeError, match="Expected a Restoration"):
        check_task(task, "nnUNetPretrainerX")
    task.restoration = Useless()
    with pytest.raises(ValueError, match="Useless neither reconstructs nor detects"):
        check_task(task, "nnUNetPretrainerX")
