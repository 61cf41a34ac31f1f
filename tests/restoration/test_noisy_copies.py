import numpy as np
import torch

from nnunet_uad.restoration.noisy_copies import NoisyCopies


def test_noisy_copies_are_averaged_inside_the_foreground_and_repeat_with_the_seed():
    restoration = NoisyCopies((2.0, 2.0), 3, cell_mm=14.0, std=2.0)
    foreground = np.zeros((5, 16, 16), bool)
    foreground[:, 4:, :] = True
    noise = restoration.draw_for_volume(foreground, 2, 2, seed=1)
    assert noise.shape == (3, 5, 16, 16) and (noise[:, ~foreground] == 0).all()
    assert noise[:, foreground].std() > 0.5 and not np.array_equal(noise[0, 0], noise[0, 1])
    assert np.array_equal(noise, restoration.draw_for_volume(foreground, 2, 2, seed=1))
    assert not np.array_equal(noise, restoration.draw_for_volume(foreground, 2, 2, seed=2))
    image, extra = torch.randn(5, 2, 16, 16), torch.from_numpy(noise).transpose(0, 1)
    reconstruction = restoration.reconstruct(torch.nn.Identity(), image, extra)
    assert torch.allclose(reconstruction, image + extra.mean(1, keepdim=True), atol=1e-5)


class Square(torch.nn.Module):
    def forward(self, x):
        return x.square()


def test_every_copy_goes_through_the_network_of_its_own():
    """The mean of squares, not the square of the mean; a copy's noise is the same in all channels."""
    restoration = NoisyCopies((2.0, 2.0), 2, cell_mm=6.0, std=1.0)
    image = torch.randn(3, 2, 16, 16)
    drawn = restoration.draw(image, torch.Generator().manual_seed(4))
    assert drawn.shape == (3, 2, 16, 16)
    expected = torch.stack([(image + drawn[:, k, None]).square() for k in range(2)]).mean(0)
    assert torch.allclose(restoration.reconstruct(Square(), image, drawn), expected, atol=1e-5)


def test_background_gets_no_noise():
    restoration = NoisyCopies((2.0, 2.0), 2, cell_mm=6.0, std=1.0)
    image = torch.randn(1, 2, 16, 16)
    image[:, :, :5] = 0
    noisy = restoration.reconstruct_in_training(torch.nn.Identity(), image)
    assert not noisy[:, :, :5].any() and (noisy != image)[:, :, 5:].all()


def test_the_description_holds_the_arguments():
    content = NoisyCopies((3, 2, 2), 4, 14, 1.5).to_json()
    assert content == {"kind": "noisy_copies", "spacing": [3.0, 2.0, 2.0], "copies": 4, "cell_mm": 14.0, "std": 1.5}
    assert NoisyCopies(**{k: v for k, v in content.items() if k != "kind"}).to_json() == content
