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
