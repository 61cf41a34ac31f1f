from pathlib import Path

import pytest
import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.task import Geometry
from nnunet_uad.pretrain.vae import VAESettings, VAETask


def test_kl_grows_to_its_weight_and_the_parts_are_logged(make_autoencoder):
    vae = make_autoencoder("kl_weight=0.4 kl_warmup=0.5", "VAE")
    for progress, expected in ((0.0, 0.0), (0.25, 0.2), (0.5, 0.4), (1.0, 0.4)):
        assert vae.task.terms[1].factor(progress) == pytest.approx(expected)
    vae.run_training()
    log = Path(vae.log_file).read_text()
    assert "KL per value" in log and "The code has 10 x 10 positions of 16 channels: 1600 values for 3200." in log


def test_kl_is_counted_per_value_that_the_reconstruction_counts():
    task = VAETask(VAESettings(kl_weight=1.0, kl_warmup=0.0), Geometry((2.0, 2.0), (4, 4), (2, 2)))
    clean = torch.zeros(2, 2, 4, 4)
    inside = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    inside[:, :, :2] = True  # 8 voxels of 2 channels per image: 16 values

    def network(image, foreground):
        return AutoencoderOutput(clean + 3, torch.tensor([8.0, 24.0]), None)

    result = task.step(network, clean, inside)
    assert float(result.loss) == pytest.approx(3 + 16 / 16)


def test_the_kl_of_a_batch_counts_by_the_progress_of_the_training():
    task = VAETask(VAESettings(kl_weight=0.8, kl_warmup=0.5), Geometry((2.0, 2.0), (4, 4), (2, 2)))
    clean, inside = torch.zeros(2, 2, 4, 4), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    losses = []
    for task.progress in (0.0, 0.25, 0.75):
        answer = AutoencoderOutput(clean + 3, torch.tensor([32.0, 96.0]), None)
        result = task.step(lambda image, foreground, answer=answer: answer, clean, inside)
        assert float(result.parts["KL per value"]) == pytest.approx(64 / 32)
        losses.append(float(result.loss))
    assert losses == pytest.approx([3.0, 3 + 0.4 * 2, 3 + 0.8 * 2])


def test_it_reconstructs_from_the_mean(make_autoencoder):
    vae = make_autoencoder(name="VAE")
    vae.initialize()
    image = torch.randn(2, 2, 40, 40)
    restoring = vae.restoring(vae.bare_network).eval()
    mean, log_variance = restoring.encode(image)
    assert log_variance is not None and mean.shape == log_variance.shape
    answer = vae.task.restoration.reconstruct(restoring, image, image[:, :0])
    assert torch.equal(answer, restoring.generator(mean))


@pytest.mark.parametrize("text", ["kl_weight=-1", "kl_warmup=1.5", "kl_warmup=-0.1"])
def test_wrong_settings_are_refused(make_autoencoder, text):
    with pytest.raises(ValueError, match=rf"{text.split('=')[0]} expects a number in \[0, 1(000)?\], found"):
        make_autoencoder(text, "VAE")
