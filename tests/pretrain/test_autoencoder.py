from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.training.memory import training_bytes


def trainer(settings, monkeypatch, name="AE", configuration="2d_tiny"):
    monkeypatch.setenv("nnUNet_uad_settings", settings)
    return tiny.make_trainer(f"nnUNetPretrainer{name}_2epochs_2iters", configuration)


def test_whole_slices_in_2d_patches_in_3d(tiny_dataset, results, monkeypatch):
    """The tiny volumes have 10 slices of 40 x 40 voxels after cropping, the plan's patch 32 x 32."""
    plane = trainer("", monkeypatch)
    assert list(plane.configuration_manager.patch_size) == [40, 40]
    assert plane.configuration_manager.batch_size == round(4 * 32 * 32 / 1600)
    assert list(trainer("view=patch", monkeypatch).configuration_manager.patch_size) == [32, 32]
    volume = trainer("", monkeypatch, configuration="3d_tiny")
    assert list(volume.configuration_manager.patch_size) == [8, 32, 32]
    whole = trainer("view=image", monkeypatch, configuration="3d_tiny")
    assert list(whole.configuration_manager.patch_size) == [10, 40, 40]


def test_a_volume_that_does_not_fit_is_refused_with_the_memory_it_takes(tiny_dataset, results, monkeypatch):
    large = trainer("view=image sampling=anywhere", monkeypatch, configuration="3d_tiny")
    large.configuration_manager.configuration["patch_size"] = [512, 1024, 1024]
    with pytest.raises(RuntimeError, match=r"does not fit: a step with 2 images of 512 x 1024 x 1024") as refused:
        large.on_train_start()
    gigabytes = float(str(refused.value).split("takes about ")[1].split(" GiB")[0])
    # 8 feature maps of full resolution twice in the encoder, twice in the decoder, float32, each kept once or more.
    assert gigabytes > 4 * 2 * 8 * 2**29 * 4 / 2**30
    assert "view=patch" in str(refused.value)


def test_bytes_of_a_step_against_a_hand_worked_value():
    """Conv (1 → 4, bias) on 1 x 1 x 10 x 10, then its square: input 400 B, output 1600 B kept, 4 · 16 B of weights."""
    network = torch.nn.Conv2d(1, 4, 1)
    found = training_bytes(network, lambda n: n(torch.empty(1, 1, 10, 10, device="meta")).square())
    assert found == 400 + 1600 + 16 * 8


def test_kl_grows_to_its_weight_and_the_parts_are_logged(tiny_dataset, results, monkeypatch):
    vae = trainer("kl_weight=0.4 kl_warmup=0.5", monkeypatch, "VAE")
    for progress, expected in ((0.0, 0.0), (0.25, 0.2), (0.5, 0.4), (1.0, 0.4)):
        assert vae.task.terms[1].factor(progress) == pytest.approx(expected)
    vae.run_training()
    log = Path(vae.log_file).read_text()
    assert "KL per value" in log and "The code has 10 x 10 positions of 16 channels: 1600 values for 3200." in log


def test_kl_is_counted_per_value_that_the_reconstruction_counts(tiny_dataset, results, monkeypatch):
    from nnunet_uad.networks.autoencoder_training import AutoencoderOutput

    vae = trainer("kl_weight=1 kl_warmup=0", monkeypatch, "VAE")
    clean = torch.zeros(2, 2, 4, 4)
    inside = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    inside[:, :, :2] = True  # 8 voxels of 2 channels per image: 16 values

    def network(image, foreground):
        return AutoencoderOutput(clean + 3, torch.tensor([8.0, 24.0]), None)

    result = vae.task.step(network, clean, inside)
    assert float(result.loss) == pytest.approx(3 + 16 / 16)


@pytest.mark.parametrize(("loss", "expected"), [("l1", 2.0), ("l2", 4.0)])
def test_reconstruction_losses(tiny_dataset, results, monkeypatch, loss, expected):
    from nnunet_uad.networks.autoencoder_training import AutoencoderOutput

    task = trainer(f"reconstruction_loss={loss}", monkeypatch).task
    clean = torch.zeros(1, 2, 4, 4)
    result = task.step(
        lambda image, inside: AutoencoderOutput(clean + 2, torch.zeros(1), None),
        clean,
        torch.ones(1, 1, 4, 4, dtype=torch.bool),
    )
    assert float(result.loss) == expected and result.parts == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("view=half", "view expects one of auto, patch, image, found 'half'"),
        ("code_channels=0", "code_channels expects at least 1"),
        ("code_size=64", "code_size=64 is larger than the image of 40 x 40 voxels"),
        ("reconstruction_loss=ssim", "reconstruction_loss expects one of l1, l2"),
    ],
)
def test_bad_settings_are_refused(tiny_dataset, results, monkeypatch, settings, message):
    with pytest.raises(ValueError, match=message):
        trainer(settings, monkeypatch).initialize()


@pytest.mark.slow
def test_the_loss_falls(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "seed=1 learning_rate=0.01")
    trained = tiny.make_trainer("nnUNetPretrainerAE_2epochs_30iters")
    trained.run_training()
    losses = [float(trained.logger.get_value("train_losses", epoch)) for epoch in range(2)]
    assert losses[1] < 0.6 * losses[0]
