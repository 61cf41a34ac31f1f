import numpy as np
import pytest
import tiny
import torch

from nnunet_uad.common.settings import read_settings
from nnunet_uad.pretrain.dae import DAESettings, DAETask
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.weights.safe_file import read_record


def make_task(edge=8, **settings):
    return DAETask(DAESettings(**settings), Geometry((2.0, 2.0), (edge, edge), (4, 4)))


def test_noise_stays_in_the_foreground_and_the_loss_counts_it():
    task = make_task(32)
    clean = torch.randn(3, 2, 32, 32)
    foreground = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    foreground[:, :, 5:20] = True
    corrupted, weight = task.corrupt(clean, foreground)
    outside = ~foreground.expand_as(clean)
    assert torch.equal(corrupted[outside], clean[outside])
    assert not torch.allclose(corrupted[~outside], clean[~outside])
    assert torch.equal(weight, foreground)


def test_reconstructing_shows_the_network_the_uncorrupted_image():
    task = make_task()
    image = torch.randn(1, 2, 8, 8)
    assert torch.equal(task.restoration.reconstruct(torch.nn.Identity(), image, image[:, :0]), image)
    assert task.restoration.draw_for_volume(np.ones((3, 8, 8), bool), 2, 2, 0) is None


def test_a_step_gives_the_loss_of_the_networks_answer():
    task = make_task(noise_std=(0.5, 0.5))
    foreground = torch.ones(4, 1, 64, 64, dtype=torch.bool)
    result = task.step(torch.nn.Identity(), torch.zeros(4, 2, 64, 64), foreground)
    # Leaving the noise in costs its variance: that of the nodes, reduced by linear interpolation.
    assert 0.5**2 * 0.3 < float(result.loss) < 0.5**2


def test_noisy_copies_have_the_settings_noise_of_middle_cells():
    content = make_task(test_noise_copies=3, test_noise_std=2.0, noise_cell_mm=(8.0, 20.0)).restoration.to_json()
    assert content == {"kind": "noisy_copies", "spacing": [2.0, 2.0], "copies": 3, "cell_mm": 14.0, "std": 2.0}


@pytest.mark.parametrize("given", ["lesion_masks=masks", "corruption=anomalies noise_std=[1,2]", "corruption=lesions"])
def test_settings_of_what_is_not_removed_are_refused(given):
    with pytest.raises(ValueError, match="no effect with corruption=|corruption expects one of noise, anomalies, both"):
        read_settings(DAESettings, given)


@pytest.mark.parametrize("target", ["augmented", "before_intensity"])
@pytest.mark.parametrize("corruption", ["anomalies", "both"])
def test_lesions_are_in_the_images_and_not_in_their_targets(tiny_dataset, results, monkeypatch, corruption, target):
    settings = f"corruption={corruption} target={target} seed=1 anomaly_probability=1 anomaly_size_mm=[8,20]"
    monkeypatch.setenv("nnUNet_uad_settings", settings)
    trainer = tiny.make_trainer("nnUNetPretrainerDAE_1epochs_1iters", "2d_tiny")
    trainer.on_train_start()
    for batch in (next(trainer.dataloader_train), next(trainer.dataloader_val)):
        image, wanted = batch["data"].split(2, dim=1)
        foreground = batch["target"] > 0
        changed = (image != wanted).any(1, keepdim=True)
        assert foreground.float().mean() > 0.2
        assert (changed & foreground).flatten(1).any(1).float().mean() > 0.5
        assert batch["target"].unique().tolist() == [0, 1] or batch["target"].unique().tolist() == [1]
        result, clean = trainer._step(batch)
        assert torch.equal(clean, wanted) and torch.isfinite(result.loss)
    corrupted, _ = trainer.task.corrupt(image, foreground)
    assert torch.equal(corrupted, image) == (corruption == "anomalies")


@pytest.mark.parametrize(
    "given", ["detection=true", "detection=true corruption=both target=before_intensity", "detection_weight=1"]
)
def test_a_detection_without_anomalies_to_learn_from_is_refused(given):
    with pytest.raises(ValueError, match="learns from anomalies in the patches|no effect without detection=true"):
        read_settings(DAESettings, given)


class Oracle(torch.nn.Module):
    """Returns what it was told to, whatever it sees."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, image):
        return self.answer


def test_the_detections_loss_counts_the_foreground_and_rewards_finding_the_lesion():
    task = make_task(16, corruption="anomalies", detection=True, detection_weight=1.0)
    target = torch.randn(2, 2, 16, 16)
    lesion = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    lesion[:, :, 4:8, 4:8] = True
    foreground = torch.ones_like(lesion)
    foreground[:, :, :, 12:] = False
    seen = target + 2.0 * lesion
    logits = 20.0 * lesion.float() - 10.0
    losses = {}
    for name, said in {
        "right": logits,
        "wrong": -logits,
        "wrong outside": torch.where(foreground, logits, 10.0),
    }.items():
        result = task.step_towards(target, Oracle(torch.cat([target, said], dim=1)), seen, foreground)
        assert torch.equal(result.output, target) and float(result.parts["reconstruction"]) == 0
        losses[name] = float(result.loss)
    assert losses["right"] == pytest.approx(losses["wrong outside"]) and losses["wrong"] > losses["right"] + 5


def test_a_model_that_detects_scores_by_the_sum_and_writes_what_it_is_made_of(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "corruption=both detection=true seed=1")
    fold = tiny.run_training("nnUNetPretrainerDAE_1epochs_2iters")
    record = read_record(fold / "pretrained.safetensors")
    assert record.restorer["restoration"] == {"kind": "with_detection"}
    maps = {folder: sorted((fold / "validation" / folder).glob("*_map*")) for folder in (".", "residual", "detection")}
    assert all(maps.values()) and not (fold / "validation" / "sum").exists()
