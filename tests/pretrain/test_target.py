import pytest
import tiny
import torch

from nnunet_uad.common.settings import read_settings
from nnunet_uad.pretrain.dae import DAESettings
from nnunet_uad.pretrain.task import masked_mse
from nnunet_uad.weights.safe_file import read_record


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target=clean", "target expects one of augmented, before_intensity, found 'clean'"),
        ("target=before_intensity intensity_augmentation=false", "intensity_augmentation=false switches off"),
    ],
)
def test_what_cannot_be_is_refused(text, said):
    with pytest.raises(ValueError, match=f"^nnUNet_uad_settings: .*{said}"):
        read_settings(DAESettings, text)


@pytest.mark.parametrize(
    ("method", "configuration", "target"),
    [
        ("MAE", "2d_tiny", "before_intensity"),
        ("DAE", "3d_tiny", "before_intensity"),
        ("Genesis", "2d_tiny", "before_intensity"),
        ("MAE", "2d_tiny", "augmented"),
    ],
)
def test_the_network_sees_the_augmented_patch_and_is_compared_with_the_target(
    tiny_dataset, results, monkeypatch, method, configuration, target
):
    monkeypatch.setenv("nnUNet_uad_settings", f"target={target} seed=1")
    trainer = tiny.make_trainer(f"nnUNetPretrainer{method}_1epochs_1iters", configuration)
    trainer.on_train_start()
    batch, validation = next(trainer.dataloader_train), next(trainer.dataloader_val)
    halves = batch["data"].split(2, dim=1)
    assert len(halves) == (2 if target == "before_intensity" else 1) and validation["data"].shape[1] == 2
    seen = []
    monkeypatch.setattr(trainer.task, "corrupt", lambda clean, inside: (seen.append(clean) or clean, inside))
    foreground = batch["target"] > 0
    with torch.no_grad():
        output = trainer.network(halves[0])
        expected = masked_mse(output, halves[-1], foreground)
        result, _ = trainer._step(batch)
    assert torch.equal(seen[0], halves[0]) and float(result.loss) == pytest.approx(float(expected), rel=1e-5)
    assert torch.isfinite(trainer.train_step(batch)["loss"])
    assert trainer.validation_step(validation)["sums"].isfinite().all()


def test_the_target_comes_out_of_the_workers_and_into_the_record(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "target=before_intensity largest_block=0 mask_ratio=[0.6,0.9]")
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    fold = tiny.run_training("nnUNetPretrainerMAE_1epochs_2iters")
    record = read_record(fold / "pretrained.safetensors")
    chosen = {key: record.settings[key] for key in ("target", "largest_block", "mask_ratio")}
    assert chosen == {"target": "before_intensity", "largest_block": 0, "mask_ratio": [0.6, 0.9]}
