import json
import os
import shutil
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.data.content import raw_contents
from nnunet_uad.training.cases import TrainedCases
from nnunet_uad.weights.case_names import hidden_name
from nnunet_uad.weights.safe_file import read_pretrained, write_pretrained

TUNED = "nnUNetTrainerDAEPretrained_2epochs_2iters"


@pytest.fixture
def weights(dae_fold, results):
    """The pretraining's file where fine-tuning in ``results`` looks for it."""
    folder = tiny.fold_folder("nnUNetPretrainerDAE_2epochs_3iters")
    folder.mkdir(parents=True)
    return shutil.copy(dae_fold / "pretrained.safetensors", folder)


def started(fold=0, configuration="2d_tiny", **more):
    trainer = tiny.make_trainer(TUNED, configuration, fold, **more)
    trainer.on_train_start()
    return trainer


def log(trainer):
    with open(trainer.log_file) as handle:
        return handle.read()


def test_weights_are_found_loaded_and_reported(weights):
    trainer = started()
    tensors, _ = read_pretrained(weights)
    mine = dict(trainer.bare_network.named_parameters())
    assert all(torch.equal(mine[k], v) for k, v in tensors.items() if "seg_layers" not in k)
    report = json.loads(open(f"{trainer.output_folder}/transfer.json").read())
    assert report["share"] == {"encoder": 1.0, "decoder": 1.0, "all_but_heads": 1.0}
    assert "fold 0, another training length" in report["found"]
    assert str(weights) in log(trainer) and "LEAKAGE" not in log(trainer)


def test_leakage_is_said_loudly(dae_fold, weights):
    tensors, record = read_pretrained(weights)
    import dataclasses

    assert record.salt and tiny.LESION[3] not in record.cases
    seen = (*record.cases, hidden_name(tiny.LESION[3], record.salt))
    write_pretrained(weights, tensors, dataclasses.replace(record, cases=seen))
    trainer = started()
    assert "WARNING: LEAKAGE: 1 validation case(s) of this fold were among the training cases" in log(trainer)
    assert tiny.LESION[3] in log(trainer)


def test_unfinished_pretraining_is_said(weights):
    import dataclasses

    tensors, record = read_pretrained(weights)
    write_pretrained(weights, tensors, dataclasses.replace(record, epochs_trained=1))
    assert "unfinished: 1 of 2 epochs" in log(started())


def test_nothing_found_is_refused_before_anything_is_written(tiny_dataset, results):
    with pytest.raises(FileNotFoundError, match="No pretrained weights of nnUNetPretrainerDAE"):
        started()
    written = {p.suffix for p in results.rglob("*") if p.is_file()}
    assert written == {".txt"}  # the log with the refusal


def test_a_stock_checkpoint_named_by_the_variable(dae_fold, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "checkpoint_final.pth"))
    trainer = started()
    assert "(nnunet)" in log(trainer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "MAE"}, "method: expected DAE, found MAE"),
        ({"channel_names": ("CT", "PET")}, "channels: expected some of FLAIR, T1"),
        ({"spacing": (5.0, 5.0)}, "spacing: expected about 2 x 2 mm"),
        ({"architecture": "x.ResidualEncoderUNet"}, "architecture: expected PlainConvUNet"),
    ],
)
def test_unsuitable_weights_are_refused(weights, changes, message):
    import dataclasses

    tensors, record = read_pretrained(weights)
    write_pretrained(weights, tensors, dataclasses.replace(record, **changes))
    with pytest.raises(ValueError, match=message):
        started()


def test_2d_weights_for_3d_are_refused(dae_fold, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    with pytest.raises(ValueError, match="dimension: expected 3D weights, found 2D"):
        started(configuration="3d_tiny")


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x04cos\nsystem\n"])
def test_broken_files_are_refused(tiny_dataset, results, monkeypatch, tmp_path, content):
    (tmp_path / "pretrained.safetensors").write_bytes(content)
    monkeypatch.setenv("nnUNet_uad_pretrained", str(tmp_path / "pretrained.safetensors"))
    with pytest.raises(ValueError, match=r"pretrained\.safetensors"):
        started()


def test_encoder_only(weights, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "encoder_only=true")
    report = json.loads(open(f"{started().output_folder}/transfer.json").read())
    assert report["share"]["encoder"] == 1 and report["share"]["decoder"] == 0


def test_nan_in_the_data_is_refused(tiny_dataset, weights, monkeypatch):
    trainer = tiny.make_trainer(TUNED)
    trainer.initialize()
    original = trainer.dataset_class.load_case

    def broken(self, identifier):
        data, *rest = original(self, identifier)
        data = data[:]
        if identifier == tiny.LESION[0]:
            data[0, 0, 0, 0] = float("nan")
        return data, *rest

    monkeypatch.setattr(trainer.dataset_class, "load_case", broken)
    with pytest.raises(ValueError, match=f"NaN or infinite values: {tiny.LESION[0]}"):
        trainer.on_train_start()


def test_a_full_disk_is_refused(weights, monkeypatch):
    import nnunet_uad.training.checks as checks

    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: type("U", (), {"free": 1000})())
    with pytest.raises(RuntimeError, match="GB free"):
        started()


def test_a_missing_results_variable_is_refused(tiny_dataset, monkeypatch):
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(RuntimeError, match="nnUNet_results is not set"):
        tiny.make_trainer(TUNED)


def test_continuing_needs_no_weights_and_the_same_settings(weights, monkeypatch):
    fold = tiny.run_training(TUNED)
    os.remove(weights)
    trainer = tiny.make_trainer(TUNED, continue_training=True)
    trainer.load_checkpoint(str(fold / "checkpoint_final.pth"))
    trainer.on_train_start()
    monkeypatch.setenv("nnUNet_uad_settings", "learning_rate=0.5")
    trainer = tiny.make_trainer(TUNED, continue_training=True)
    trainer.load_checkpoint(str(fold / "checkpoint_final.pth"))
    with pytest.raises(RuntimeError, match="started with other settings"):
        trainer.on_train_start()


def test_copies_of_validation_cases_in_the_pretraining_are_said(weights):
    """Under another name, in another dataset."""
    import dataclasses

    tensors, record = read_pretrained(weights)
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTr"
    found = raw_contents({"x": sorted(raw.glob(f"{tiny.LESION[3]}_*"))})["x"]
    changes = {"cases": ("u_1",), "contents": {"u_1": found}, "salt": "", "dataset": "Dataset903_Healthy"}
    write_pretrained(weights, tensors, dataclasses.replace(record, **changes))
    assert "LEAKAGE: 1 validation case(s) were among the training cases of nnUNetPretrainerDAE" in log(
        trainer := started()
    )
    assert f"{tiny.LESION[3]} (the images of u_1)" in log(trainer)


def test_records_of_earlier_versions_are_compared_by_name_which_is_said(weights):
    import dataclasses

    tensors, record = read_pretrained(weights)
    write_pretrained(weights, tensors, dataclasses.replace(record, contents={}))
    assert "has no fingerprints of its cases' images" in log(started())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fold": "all"}, "LEAKAGE: 2 validation case(s) were among the training cases of"),
        ({"fold": 0}, "LEAKAGE? It is not known which cases"),
        ({"plans": {"dataset_name": "Dataset002_Other"}, "fold": "all"}, "LEAKAGE? It is not known which cases"),
    ],
)
def test_stock_checkpoints_carry_no_record_which_is_said(dae_fold, results, monkeypatch, tmp_path, changes, expected):
    content = torch.load(dae_fold / "checkpoint_final.pth", weights_only=True)
    content["init_args"] = {**content["init_args"], **changes}
    torch.save(content, tmp_path / "stock.pth")
    monkeypatch.setenv("nnUNet_uad_pretrained", str(tmp_path / "stock.pth"))
    assert expected in log(started())


def test_a_checkpoint_beside_the_list_of_its_cases(dae_fold, results, monkeypatch, tmp_path):
    shutil.copy(dae_fold / "checkpoint_final.pth", tmp_path)
    TrainedCases("Dataset002_X", "0", {"x": ()}, {}).write(tmp_path)
    monkeypatch.setenv("nnUNet_uad_pretrained", str(tmp_path / "checkpoint_final.pth"))
    assert "LEAKAGE" not in log(started())
    TrainedCases(tiny.DATASET, "0", {tiny.LESION[3]: ()}, {}).write(tmp_path)
    assert "LEAKAGE? 1 validation case(s) carry identifiers" in log(started())
