import numpy as np
import torch

from nnunet_uad.pretrain.dae import DAESettings, DAETask


def test_noise_stays_in_the_foreground_and_the_loss_counts_it():
    task = DAETask(DAESettings(), spacing=(2.0, 2.0), patch_size=(32, 32), total_stride=(4, 4))
    clean = torch.randn(3, 2, 32, 32)
    foreground = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    foreground[:, :, 5:20] = True
    corrupted, weight = task.corrupt(clean, foreground)
    outside = ~foreground.expand_as(clean)
    assert torch.equal(corrupted[outside], clean[outside])
    assert not torch.allclose(corrupted[~outside], clean[~outside])
    assert torch.equal(weight, foreground)


def test_restoring_shows_the_network_the_uncorrupted_image():
    task = DAETask(DAESettings(), spacing=(2.0, 2.0), patch_size=(8, 8), total_stride=(4, 4))
    image = torch.randn(1, 2, 8, 8)
    assert torch.equal(task.reconstruct(torch.nn.Identity(), image, image[:, :0]), image)


def test_forward_gives_the_loss_of_the_networks_answer():
    task = DAETask(DAESettings(noise_std=(0.5, 0.5)), spacing=(2.0, 2.0), patch_size=(8, 8), total_stride=(4, 4))
    foreground = torch.ones(4, 1, 64, 64, dtype=torch.bool)
    result = task.forward(torch.nn.Identity(), torch.zeros(4, 2, 64, 64), foreground)
    # Leaving the noise in costs its variance: that of the nodes, reduced by linear interpolation.
    assert 0.5**2 * 0.3 < float(result["loss"]) < 0.5**2


def test_noisy_copies_are_averaged_inside_the_foreground_and_repeat_with_the_seed():
    settings = DAESettings(test_noise_copies=3, test_noise_std=2.0)
    task = DAETask(settings, spacing=(2.0, 2.0), patch_size=(8, 8), total_stride=(4, 4))
    foreground = np.zeros((5, 16, 16), bool)
    foreground[:, 4:, :] = True
    noise = task.extra_channels(foreground, 2, seed=1)
    assert noise.shape == (3, 5, 16, 16) and (noise[:, ~foreground] == 0).all()
    assert noise[:, foreground].std() > 0.5 and not np.array_equal(noise[0, 0], noise[0, 1])
    assert np.array_equal(noise, task.extra_channels(foreground, 2, seed=1))
    assert not np.array_equal(noise, task.extra_channels(foreground, 2, seed=2))
    image, extra = torch.randn(5, 2, 16, 16), torch.from_numpy(noise).transpose(0, 1)
    restored = task.reconstruct(torch.nn.Identity(), image, extra)
    assert torch.allclose(restored, image + extra.mean(1, keepdim=True), atol=1e-5)
