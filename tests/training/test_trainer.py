import json
import shutil

import pytest
import tiny
import torch
from nnunetv2.run.run_training import get_trainer_from_args

from nnunet_uad.training import trainer as trainer_module

NAME = "nnUNetTrainerFromScratch_10epochs_2iters"


def test_checkpoints_are_frequent_in_short_trainings(tiny_dataset, results):
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    assert trainer.save_every == 1
    assert tiny.make_trainer("nnUNetTrainerFromScratch").save_every == 10


def test_the_rate_warms_up_within_an_epoch(tiny_dataset, results):
    trainer = tiny.make_trainer("nnUNetTrainerFromScratch_2epochs_10iters")
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    rates = []
    for _ in range(4):
        trainer.train_step(next(trainer.dataloader_train))
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    peak = trainer.settings.learning_rate
    assert rates == pytest.approx([peak * 1e-3, peak / 2, peak, peak * (1 - 0.05 / 0.9) ** 0.9], rel=1e-6)


def test_few_cases_get_splits_that_the_stock_trainer_reads_too(tiny_dataset, results, tmp_path, monkeypatch):
    folder = tmp_path / "pre" / tiny_dataset.name
    shutil.copytree(tiny_dataset, folder)
    (folder / "splits_final.json").unlink()
    for path in (folder / "nnUNetPlans_2d_tiny").iterdir():
        if not path.name.startswith(("healthy_0", "lesion_0", "lesion_1")):
            path.unlink()
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "pre"))
    train, val = tiny.make_trainer(NAME).do_split()
    assert len(train) == 2 and len(val) == 1
    assert len(json.loads((folder / "splits_final.json").read_text())) == 3
    assert tiny.make_trainer("nnUNetTrainer").do_split() == (train, val)


def test_without_mirroring_the_model_is_not_mirrored_anywhere(tiny_dataset, results, monkeypatch):
    """nnU-Net's predictor reads the axes from the checkpoint; training mirrors either way."""
    trainer = "nnUNetTrainerFromScratch_1epochs_2iters"
    monkeypatch.setenv("nnUNet_uad_settings", "mirroring=false")
    made = tiny.make_trainer(trainer)
    assert made.configure_rotation_dummyDA_mirroring_and_inital_patch_size()[3] == (0, 1)
    fold = tiny.run_training(trainer)
    stored = torch.load(fold / "checkpoint_final.pth", weights_only=True)
    assert stored["inference_allowed_mirroring_axes"] is None
    monkeypatch.setenv("nnUNet_uad_settings", "")
    other = tiny.make_trainer(trainer)
    other.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert other.inference_allowed_mirroring_axes == (0, 1)


@pytest.mark.parametrize("amp", ["auto", "off"])
def test_without_mixed_precision_nothing_is_scaled_on_cuda(tiny_dataset, results, monkeypatch, amp):
    monkeypatch.setenv("nnUNet_uad_settings", f"amp={amp}")
    trainer = get_trainer_from_args(tiny.NUMBER, "2d_tiny", 0, NAME, device=torch.device("cuda"))
    assert (trainer.grad_scaler is None) == (amp == "off")


def test_ranks_share_the_seed_that_the_first_one_drew(monkeypatch):
    def broadcast(values, src):
        assert src == 0
        values[0] = 42

    monkeypatch.setattr(trainer_module.dist, "broadcast_object_list", broadcast)
    assert trainer_module._shared_seed(is_ddp=True) == 42
    assert trainer_module._shared_seed(is_ddp=False) != trainer_module._shared_seed(is_ddp=False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nnUNetTrainerFromScratch", r"32 x 32 voxels\. Lower the batch or patch size of the plan"),
        (
            "nnUNetPretrainerDDPM",
            r"Settings that save memory: diffusion_width .*\(nnUNet_uad_settings=\"key=value …\" nnUNetv2_train …, or "
            r"plans with settings: nnunet_uad settings …\)\. Or lower the batch",
        ),
    ],
)
def test_a_device_that_is_too_small_is_told_in_words(tiny_dataset, results, monkeypatch, name, said):
    trainer = tiny.make_trainer(f"{name}_1epochs_1iters")

    def too_much(batch):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr(trainer, "train_step", too_much)
    with pytest.raises(RuntimeError, match=said):
        trainer.run_training()


@pytest.fixture
def own_splits(workplace, results):
    """Writes splits of a copy of the dataset."""

    def write(*folds):
        splits = [dict(zip(("train", "val"), map(list, fold), strict=True)) for fold in folds]
        (workplace.source / "splits_final.json").write_text(json.dumps(splits))

    return write


A, B, C, D = tiny.LESION


def begun():
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    trainer.current_epoch = 1
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    return trainer


@pytest.mark.parametrize("later", [((A, C), (B, D)), ((A, B), (C,)), ((A, B, D), (C,)), ((C, D), (A, B))])
def test_a_training_goes_on_with_the_cases_that_it_was_begun_with(own_splits, later):
    own_splits(((A, B), (C, D)))
    path = f"{begun().output_folder}/checkpoint_latest.pth"
    resumed = tiny.make_trainer(NAME, continue_training=True)
    resumed.load_checkpoint(path)
    resumed.on_train_start()
    own_splits(later)
    resumed = tiny.make_trainer(NAME, continue_training=True)
    resumed.load_checkpoint(path)
    with pytest.raises(RuntimeError, match="LEAKAGE: fold 0 of Dataset991_Tiny was begun with other cases"):
        resumed.on_train_start()
    with pytest.raises(RuntimeError, match="LEAKAGE: fold 0 of Dataset991_Tiny was begun with other cases"):
        resumed.perform_actual_validation()


def test_images_that_changed_are_other_cases(own_splits, workplace):
    own_splits(((A, B), (C, D)))
    trainer = begun()
    data = workplace.source / "nnUNetPlans_2d_tiny"
    shutil.copy(data / f"{C}.b2nd", data / f"{A}.b2nd")
    with pytest.raises(RuntimeError, match=f"trained on with other images: '{A}'"):
        trainer.on_train_start()


@pytest.mark.parametrize(
    ("fold", "message"),
    [
        (((A, C), (C, D)), f"LEAKAGE: 1 validation case.* training cases of fold 0 itself: {C}"),
        (((A, f"{C}.nii.gz"), (D,)), f"names cases that are not preprocessed: '{C}.nii.gz'"),
        (((A,), (f"{C} ",)), f"names cases that are not preprocessed: '{C} '"),
    ],
)
def test_impossible_folds_are_refused_before_anything_is_written(own_splits, results, fold, message):
    own_splits(fold)
    with pytest.raises(ValueError, match=message):
        tiny.make_trainer(NAME).on_train_start()
    assert {p.suffix for p in results.rglob("*") if p.is_file()} == {".txt"}


def test_renamed_copies_across_a_fold_are_said(own_splits, workplace):
    data = workplace.source / "nnUNetPlans_2d_tiny"
    for path in data.glob(f"{C}*"):
        shutil.copy(path, path.with_name(path.name.replace(C, "renamed")))
    own_splits(((A, "renamed"), (C, D)))
    trainer = tiny.make_trainer(NAME)
    trainer.on_train_start()
    with open(trainer.log_file) as handle:
        assert (
            f"WARNING: LEAKAGE: 1 validation case(s) were among the training cases of this fold (0): {C}"
            in handle.read()
        )
