import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.common.files import file_hash
from nnunet_uad.training.cases import TrainedCases
from nnunet_uad.weights.safe_file import canonical_tensors, read_pretrained, read_record, write_pretrained

LONGER = "nnUNetPretrainerDAE_3epochs_1iters"


@pytest.fixture
def base(dae_fold, results, tmp_path):
    """The weights of fold 0 in a folder of their own."""
    (tmp_path / "from_du").mkdir()
    return Path(shutil.copy(dae_fold / "pretrained.safetensors", tmp_path / "from_du"))


@pytest.fixture
def begin(results, monkeypatch):
    """Starts a training of fold 1 that goes on from a file."""

    def start(path, settings="", name=LONGER, **more):
        monkeypatch.setenv("nnUNet_uad_settings", f"init='{path}' {settings}")
        trainer = tiny.make_trainer(name, fold=1, **more)
        trainer.on_train_start()
        return trainer

    return start


def changed(path, **changes):
    tensors, record = read_pretrained(path)
    write_pretrained(path, tensors, dataclasses.replace(record, **changes))
    return path


def log(trainer):
    return Path(trainer.log_file).read_text()


def same(network, tensors):
    mine = canonical_tensors(network)
    return mine.keys() == tensors.keys() and all(torch.equal(mine[name], tensors[name]) for name in mine)


def test_a_training_goes_on_from_all_of_the_weights_and_its_record_says_so(base, begin):
    trainer = begin(base)
    tensors, record = read_pretrained(base)
    assert same(trainer.bare_network, tensors)
    assert trainer.initial_lr == trainer.settings.learning_rate
    report = json.loads((Path(trainer.output_folder) / "transfer.json").read_text())
    assert {entry["status"] for entry in report["tensors"]} == {"loaded"} and not report["warnings"]
    assert "LEAKAGE" not in log(trainer) and str(base) in log(trainer)
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    written = read_record(f"{trainer.output_folder}/pretrained.safetensors")
    (kept,) = written.bases
    assert (kept.file, kept.sha256, kept.kind) == ("pretrained.safetensors", file_hash(base), "nnunet_uad")
    assert (kept.record.cases, kept.record.contents, kept.record.dataset) == (
        record.cases,
        record.contents,
        tiny.DATASET,
    )
    assert (
        all(written.seen.find(case) for case in tiny.LESION[:2])
        and len(written.cases) == 2
        and written.settings["init"] == "pretrained.safetensors"
    )
    checkpoint = torch.load(f"{trainer.output_folder}/checkpoint_final.pth", weights_only=True)
    stored = checkpoint["init_args"]["plans"]["nnunet_uad"]
    assert str(base.parent) not in written.to_json() + json.dumps(stored)


def test_the_rate_is_a_share_of_that_from_random_weights(base, begin):
    trainer = begin(base, "init_lr=0.5")
    assert trainer.initial_lr == 0.5 * trainer.settings.learning_rate
    assert {group["peak_lr"] for group in trainer.optimizer.param_groups} == {trainer.initial_lr}


def test_it_is_continued_without_the_file_and_only_as_it_was_begun(base, begin, monkeypatch):
    trainer = begin(base)
    latest = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(latest)
    bases = trainer.bases
    base.unlink()
    again = tiny.make_trainer(LONGER, fold=1)
    again.load_checkpoint(latest)
    again.on_train_start()
    assert again.bases == bases and again.record().bases == bases and again.initial_lr == trainer.initial_lr
    for other in ("", "init=other.safetensors"):
        monkeypatch.setenv("nnUNet_uad_settings", other)
        again = tiny.make_trainer(LONGER, fold=1)
        again.load_checkpoint(latest)
        with pytest.raises(RuntimeError, match=r"other settings \(init=pretrained\.safetensors"):
            again.on_train_start()


def test_the_guard_of_stage_two_sees_both_cohorts_through_two_continuations(base, begin, monkeypatch):
    first = changed(base, cases=("du_1",), contents={"du_1": ("raw:1",)}, salt="")
    for number in (1, 2):
        trainer = begin(first, name=f"nnUNetPretrainerDAE_{number}epochs_1iters")
        trainer.current_epoch = number - 1
        trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
        first = f"{trainer.output_folder}/pretrained.safetensors"
    record = read_record(first)
    assert record.lineage[2].seen.find("du_1") and len(record.lineage) == 3 and not record.names_in_clear
    monkeypatch.delenv("nnUNet_uad_settings")
    tuned = tiny.make_trainer("nnUNetTrainerDAEPretrained_1epochs_1iters", fold=0)
    tuned.cases = TrainedCases(tiny.DATASET, "0", val={tiny.LESION[1]: (), "x": ("raw:1",)})
    words = " ".join(tuned.warnings_about(record, "pretraining"))
    assert f"(fold 1): {tiny.LESION[1]}. " in words and "x (the images of " in words


def test_validation_cases_that_the_weights_have_seen_are_named(base, begin):
    trainer = begin(changed(base, cases=(tiny.LESION[3],), contents={}, salt=""))
    assert "LEAKAGE: 1 validation case(s) of this fold" in log(trainer) and "compared by name" in log(trainer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "MAE"}, r"method: expected DAE, found MAE \(use -tr nnUNetPretrainerMAE\)"),
        ({"epochs_trained": 1}, r"finished pretraining, found 1 of 2 epochs .*--c"),
        ({"spacing": (5.0, 5.0)}, "spacing: expected about 2 x 2 mm"),
        ({"normalization": ("CTNormalization",) * 2}, "normalisation of FLAIR"),
        ({"channel_names": ("CT", "PET")}, "channels: expected some of FLAIR, T1"),
    ],
)
def test_unsuitable_weights_are_refused_and_taken_on_request(base, begin, changes, message):
    changed(base, **changes)
    with pytest.raises(ValueError, match=message) as refusal:
        begin(base)
    assert "accept_mismatch=true" in str(refusal.value)
    assert "WARNING: " in log(begin(base, "accept_mismatch=true"))


def test_another_dimension_is_refused_whatever_is_accepted(base, begin):
    with pytest.raises(ValueError, match="dimension: expected 3D weights, found 2D"):
        begin(base, "accept_mismatch=true", configuration="3d_tiny")


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x80\x04cos\nsystem\n", None])
def test_broken_and_absent_files_are_refused_before_anything_is_written(base, begin, results, content):
    base.unlink() if content is None else base.write_bytes(content)
    with pytest.raises(FileNotFoundError if content is None else ValueError, match=r"pretrained\.safetensors"):
        begin(base)
    assert {path.suffix for path in results.rglob("*") if path.is_file()} == {".txt"}


def test_weights_that_the_training_would_overwrite_are_refused(base, begin):
    own = tiny.fold_folder(LONGER, fold=1)
    own.mkdir(parents=True)
    with pytest.raises(ValueError, match="would be overwritten"):
        begin(shutil.copy(base, own))


def test_weights_of_strangers_are_taken_on_request_and_never_known(segmenter_fold, begin):
    stranger = segmenter_fold / "checkpoint_final.pth"
    with pytest.raises(ValueError, match="record: expected that of a pretraining, found none in a file of kind nnunet"):
        begin(stranger)
    trainer = begin(stranger, "accept_mismatch=true")
    assert "LEAKAGE? It is not known which cases checkpoint_final.pth" in log(trainer)
    assert trainer.record().strangers and "fresh heads" in log(trainer)


@pytest.mark.parametrize(
    ("method", "file", "whole"),
    [
        ("DDPM", "pretrained.safetensors", False),
        ("DDPM", "checkpoint_final.pth", True),
        ("AnoVAEGAN", "pretrained.safetensors", False),
        ("AnoVAEGAN", "checkpoint_final.pth", True),
        ("PatchGAN", "pretrained.safetensors", True),
    ],
)
def test_second_networks_are_loaded_where_the_file_holds_them(tiny_dataset, begin, monkeypatch, method, file, whole):
    monkeypatch.setenv("nnUNet_uad_settings", "seed=1")
    fold = tiny.save_untrained(f"nnUNetPretrainer{method}_1epochs_1iters")
    checkpoint = torch.load(fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
    trainer = begin(fold / file, "seed=2", f"nnUNetPretrainer{method}_2epochs_1iters")
    mine = canonical_tensors(trainer.bare_network)
    other = [name for name, tensor in mine.items() if name in checkpoint and not tensor.equal(checkpoint[name])]
    if method == "AnoVAEGAN" and not whole:
        assert {name.split(".")[0] for name in other} == {"discriminator"}
        assert "holds no discriminator, which begins at random (checkpoint_final.pth beside it" in log(trainer)
    else:
        assert not other and "at random" not in log(trainer)
    assert trainer.record().lineage[1].method == method


def test_a_code_that_is_a_gaussian_stays_one(make_autoencoder):
    assert make_autoencoder("", "VAE").task.terms[1].factor(0.01) < 0.01
    assert make_autoencoder("init=x", "VAE").task.terms[1].factor(0.01) == 0.01


@pytest.mark.parametrize("setting", ["init_lr=0.5", "accept_mismatch=true"])
def test_settings_of_first_weights_need_them(tiny_dataset, results, monkeypatch, setting):
    monkeypatch.setenv("nnUNet_uad_settings", setting)
    with pytest.raises(ValueError, match="has no effect without weights to go on from"):
        tiny.make_trainer(LONGER)


def test_nnunets_flag_is_refused(base, dae_fold):
    shutil.copy(dae_fold / "checkpoint_final.pth", base.parent)
    with pytest.raises(ValueError, match=r"init=.*checkpoint_final\.pth"):
        tiny.make_trainer(LONGER).check_pretrained_weights_flag(str(base.parent / "checkpoint_final.pth"))
