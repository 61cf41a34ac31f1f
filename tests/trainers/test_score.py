import pytest
import tiny
import torch

from nnunet_uad.weights.safe_file import read_pretrained

NAME = "nnUNetTrainerPatchGANScore_1epochs_1iters"


@pytest.fixture
def patch_gan(tiny_dataset, results):
    """The file of a discriminator of random weights, where the trainer looks for it."""
    return tiny.save_untrained("nnUNetPretrainerPatchGAN_1epochs_1iters") / "pretrained.safetensors"


def test_the_further_channel_is_the_frozen_discriminators_map(patch_gan):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    network = trainer.bare_network.train()
    image = torch.randn(2, 2, 32, 32)
    image[..., :6] = 0
    discriminator = network.restorer.network.discriminator
    tensors, _ = read_pretrained(patch_gan)
    assert all(torch.equal(p, tensors[f"discriminator.{n}"]) for n, p in discriminator.named_parameters())
    further = network.further_channels(image)
    expected = discriminator.unrealness(image) * (image != 0).any(1, keepdim=True)
    assert further.shape == (2, 1, 32, 32) and torch.equal(further, expected) and further[..., 6:].min() > 0
    assert not any(p.requires_grad for p in discriminator.parameters())


def test_the_channel_starts_without_influence_and_learns(patch_gan):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    segmenter = trainer.segmenter.eval()
    image, score = torch.randn(2, 2, 32, 32), torch.rand(2, 1, 32, 32)
    outputs = [segmenter(torch.cat([image, s], 1))[0] for s in (score, 1 - score)]
    assert torch.equal(*outputs)
    trainer.bare_network.train()(image)[0].square().sum().backward()
    stem = next(p for p in segmenter.encoder.parameters() if p.ndim == 4)
    assert stem.shape[1] == 3 and float(stem.grad[:, 2].abs().sum()) > 0


def test_a_device_that_is_too_small_is_told_of_the_discriminators_size(patch_gan):
    trainer = tiny.make_trainer(NAME)
    trainer.initialize()
    assert trainer.memory_advice == "discriminator_width when the restorer is pretrained"


def test_there_is_nothing_to_choose_about_the_channel(patch_gan, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "residual_channels=absolute")
    with pytest.raises(ValueError, match="residual_channels"):
        tiny.make_trainer(NAME)


def test_the_discriminator_must_be_that_of_a_patch_gan(dae_fold, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_restorer", str(dae_fold / "pretrained.safetensors"))
    with pytest.raises(ValueError, match="method: expected PatchGAN, found DAE"):
        tiny.make_trainer(NAME).initialize()
