import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from nnunet_uad.anomalies.anomaly_settings import AnomalySettings
from nnunet_uad.inference.model import load_restorer
from nnunet_uad.inference.pipeline import reconstruct_prepared
from nnunet_uad.pretrain.patch_gan import JudgedReconstruction
from nnunet_uad.restoration.frozen import build_restorer


@pytest.mark.slow
def test_a_continued_training_has_both_optimisers_state(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv(
        "nnUNet_uad_settings", "stabiliser=both adversarial_loss=hinge second_phase=0 discriminator_blur_mm=0"
    )
    fold = tiny.run_training("nnUNetPretrainerPatchGAN_2epochs_2iters")
    stored = torch.load(fold / "checkpoint_final.pth", weights_only=True)["optimizer_state"]
    assert [g["name"] for g in stored["param_groups"]] == ["autoencoder", "discriminator"]
    assert all(g["betas"] == (0.5, 0.999) for g in stored["param_groups"])
    trainer = tiny.make_trainer("nnUNetPretrainerPatchGAN_2epochs_2iters", continue_training=True)
    trainer.load_checkpoint(str(fold / "checkpoint_final.pth"))
    now = trainer.optimizer.state_dict()["state"]
    steps = {int(s["step"]) for s in now.values()}
    assert steps == {4} and len(now) == sum(len(g["params"]) for g in stored["param_groups"])
    log = "".join(p.read_text() for p in Path(fold).glob("training_log_*.txt"))
    assert "real recognised" in log and "Receptive field of the discriminator: 16 voxels per axis, 32 x 32 mm." in log
    summary = json.loads((fold / "validation" / "summary.json").read_text())["anomaly"]
    # The map is the discriminator's; residual and product stand beside it.
    maps = {"map AP", "residual: map AP", "product: map AP", "sum: map AP", "features: map AP"}
    assert maps <= set(summary)
    assert any(name.startswith("robust_z:FLAIR") and name.endswith(" AP") for name in summary)
    assert len({summary[name] for name in maps}) == 5
    for source in ("residual", "product", "sum", "features"):
        assert (fold / "validation" / source / f"{tiny.LESION[2]}_map.nii.gz").exists()


@pytest.fixture
def network(make_autoencoder):
    """Both networks, at random."""
    trainer = make_autoencoder("seed=2 view=patch", "PatchGAN")
    trainer.initialize()
    return trainer.restoring(trainer.bare_network).eval()


def test_the_autoencoder_reconstructs_and_the_discriminator_judges_the_image_itself(network):
    image = torch.randn(2, 2, 32, 32)
    restoration = JudgedReconstruction()
    assert restoration.reconstructs and restoration.detects
    restored = restoration.reconstruct(network, image, image[:, :0])
    assert torch.equal(restored, network.autoencoder(image))
    score = restoration.detect(network, image)
    assert torch.equal(score, network.discriminator.unrealness(image)) and score.shape == (2, 1, 32, 32)
    assert not torch.equal(score, network.discriminator.unrealness(restored))


@pytest.mark.parametrize("blur", [0, 2])
def test_stage_two_gets_the_discriminators_map(make_autoencoder, blur):
    """The description builds a frozen network that loads the written weights and says what this one says."""
    trainer = make_autoencoder(f"seed=2 view=patch discriminator_blur_mm={blur}", "PatchGAN")
    trainer.initialize()
    network = trainer.restoring(trainer.bare_network).eval()
    frozen = build_restorer(json.loads(json.dumps(trainer.description())), seed=0).eval()
    wanted = {n: t for n, t in network.state_dict().items() if n.startswith("discriminator.")}
    frozen.network.load_state_dict(wanted)
    image = torch.randn(2, 2, 32, 32)
    assert torch.equal(frozen(image), network.discriminator.unrealness(image))


def test_the_size_of_what_the_discriminator_sees_follows_the_setting_and_is_said(make_autoencoder):
    trainer = make_autoencoder("receptive_field_mm=100 view=patch", "PatchGAN")
    trainer.on_train_start()
    seen = "Receptive field of the discriminator: 34 voxels per axis, 68 x 68 mm, through a low-pass of 2 mm."
    assert seen in Path(trainer.log_file).read_text()


def test_two_phases(tiny_dataset, results, monkeypatch):
    """Through nnU-Net's training: the autoencoder learns without lesions, then stays as it is to the last bit."""
    monkeypatch.setenv("nnUNet_uad_settings", "discriminator_blur_mm=2 second_phase=0.5 anomaly_probability=1 seed=3")
    trainer = tiny.make_trainer("nnUNetPretrainerPatchGAN_4epochs_2iters")
    states, seen = [], []
    original = type(trainer).on_train_epoch_end

    def ended(self, outputs):
        states.append({name: tensor.clone() for name, tensor in self.bare_network.state_dict().items()})
        original(self, outputs)

    monkeypatch.setattr(type(trainer), "on_train_epoch_end", ended)
    trainer.initialize()
    trainer.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    trainer.run_training()

    def moved(part, first, second):
        return [n for n in states[0] if n.startswith(part) and not torch.equal(states[first][n], states[second][n])]

    assert moved("autoencoder.", 0, 1) and not moved("autoencoder.", 1, 3)
    assert moved("discriminator.", 0, 1) and moved("discriminator.", 1, 3)
    seen = [given for given in seen if given[0].device.type != "meta"]
    # Two batches in training, one in validation.
    assert [len(given) for given in seen] == [2, 2, 2] * 2 + [4, 4, 4] * 2
    for clean, _, lesioned, lesion in seen[6:]:
        assert lesion.any() and float((lesioned - clean).abs().amax(1, True)[~lesion].max()) <= 0.1
    log = Path(trainer.log_file).read_text()
    assert "through a low-pass of 2 mm" in log and "From epoch 2 on the discriminator alone learns" in log
    assert log.count("lesions recognised") == 2 and log.count("fake recognised") == 2


def test_a_training_goes_on_in_the_phase_it_was_in(make_autoencoder):
    trainer = make_autoencoder("second_phase=0.5", "PatchGAN")
    trainer.on_train_start()
    phases, rates = [], []
    for trainer.current_epoch in (0, 1):
        trainer.on_train_epoch_start()
        trainer.advance_schedule()
        phases.append(trainer.task.second_phase)
        rates.append([group["lr"] > 0 for group in trainer.optimizer.param_groups])
    assert phases == [False, True] and rates == [[True, True], [False, True]]


def test_the_first_phase_goes_by_the_images_without_lesions(make_autoencoder):
    trainer = make_autoencoder("second_phase=0.5 anomaly_probability=1", "PatchGAN")
    trainer.on_train_start()
    batch = next(trainer.dataloader_train)
    lesioned, clean = batch["data"].split(2, dim=1)
    assert not torch.equal(lesioned, clean)
    with torch.no_grad():
        result, wanted = trainer._step(batch)
        answer = trainer.network(clean, batch["target"] > 0)
    assert torch.equal(wanted, clean) and torch.equal(result.output, answer.output) and "adversarial" in result.parts


def test_without_a_second_phase_patches_have_no_lesions(make_autoencoder):
    trainer = make_autoencoder("discriminator_blur_mm=2 second_phase=0", "PatchGAN")
    trainer.on_train_start()
    assert next(trainer.dataloader_train)["data"].shape[1] == 2
    # A recipe of the low-pass alone is what stage two gets.
    assert trainer.description()["network"]["blur"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("second_phase=0 anomaly_opacity=[0.2,0.5]", "anomaly_opacity has no effect without a second phase"),
        ("second_phase=1", r"second_phase expects a number in \[0, 1\), found 1"),
        ("discriminator_blur_mm=-1", r"discriminator_blur_mm expects a number in \[0, 200\], found -1"),
    ],
)
def test_what_cannot_be_is_refused(make_autoencoder, text, message):
    with pytest.raises(ValueError, match=message):
        make_autoencoder(text, "PatchGAN")


def test_a_second_phase_needs_a_first(tiny_dataset, results, monkeypatch):
    monkeypatch.delenv("nnUNet_uad_settings", raising=False)
    trainer = tiny.make_trainer("nnUNetPretrainerPatchGAN_1epochs_1iters")
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    assert not trainer.task.second_phase
    log = next(Path(trainer.output_folder).glob("training_log_*.txt")).read_text()
    assert "WARNING: a single epoch has no second phase" in log


def test_features_are_compared_with_the_reconstruction_inside_the_foreground(make_autoencoder):
    trainer = make_autoencoder("view=patch mirroring=false", "PatchGAN")
    trainer.on_train_start()
    restorer = trainer.restorer()
    trainer.network.eval()
    image = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    foreground = np.zeros((3, 32, 32), bool)
    foreground[1, 8:24, 8:24] = True
    prepared = (image, foreground, {})
    assert reconstruct_prepared(restorer, "a", prepared, ["detection"]).features is None
    case = reconstruct_prepared(restorer, "a", prepared, ["features"])
    assert case.features.shape == (3, 32, 32) and not case.features[[0, 2]].any()
    # The same image has the same features.
    assert case.features[1, 16, 16] > 0 and not restorer.compare(image, image, foreground).any()


def test_features_are_refused_before_a_training_without_a_discriminator(make_autoencoder):
    trainer = make_autoencoder("score_from=features", "DAE")
    said = "^nnUNet_uad_settings: score_from=features is not possible with this model, which offers residual"
    with pytest.raises(ValueError, match=said):
        trainer.on_train_start()


def test_a_training_from_before_there_were_low_pass_and_second_phase_goes_on_and_is_used(make_autoencoder, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "second_phase=0 discriminator_blur_mm=0")
    fold = tiny.save_untrained("nnUNetPretrainerPatchGAN_2epochs_2iters")
    path = fold / "checkpoint_final.pth"
    stored = torch.load(path, weights_only=True)
    settings = stored["init_args"]["plans"]["nnunet_uad"]["settings"]
    for name in ("discriminator_blur_mm", "second_phase", *(f.name for f in fields(AnomalySettings))):
        del settings[name]
    torch.save(stored, path)
    trainer = make_autoencoder("second_phase=0 discriminator_blur_mm=0", "PatchGAN")
    trainer.load_checkpoint(str(path))
    trainer.on_train_start()
    assert trainer.bare_network.discriminator.blur is None
    restorer = load_restorer(fold.parent, device="cpu")
    assert restorer.settings.discriminator_blur_mm == restorer.settings.second_phase == 0
    later = make_autoencoder("", "PatchGAN")
    later.load_checkpoint(str(path))
    with pytest.raises(RuntimeError, match=r"Continue with the same: .*discriminator_blur_mm=0\.0 second_phase=0\.0"):
        later.on_train_start()
