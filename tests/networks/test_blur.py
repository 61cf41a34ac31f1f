import pytest
import torch
from scipy import ndimage

from nnunet_uad.networks.blur import GaussianBlur


@pytest.mark.parametrize("std", [(2.0, 0.7), (0.0, 1.5), (1.2, 0.8, 2.0)])
def test_far_from_the_border_it_is_scipys_gaussian_in_every_channel(std):
    image = torch.randn(2, 3, *(40 if s else 4 for s in std), generator=torch.Generator().manual_seed(0))
    blurred = GaussianBlur(std)(image)
    expected = torch.from_numpy(ndimage.gaussian_filter(image.numpy(), (0, 0, *std)))
    inner = (..., *(slice(9, -9) if s else slice(None) for s in std))
    assert blurred.shape == image.shape and torch.allclose(blurred[inner], expected[inner], atol=1e-4)


def test_a_constant_image_stays_constant_up_to_its_border():
    image = torch.full((1, 1, 12, 9), 3.0)
    assert torch.allclose(GaussianBlur((4.0, 4.0))(image), image, atol=1e-5)


def test_it_has_no_weights_and_computes_in_full_precision_in_the_middle_of_half():
    blur, image = GaussianBlur((1.0, 1.0)), torch.randn(1, 2, 16, 16)
    assert not blur.state_dict() and not list(blur.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(blur(image), blur(image.float()))
