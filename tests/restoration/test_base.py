import numpy as np
import pytest
import torch

from nnunet_uad.restoration.base import Restoration


class Drawing(Restoration):
    """Two channels of white noise; what is drawn counts where ``drawn_inside`` says."""

    kind = "drawing"

    def draw(self, image, generator=None):
        return torch.randn((len(image), 2, *image.shape[2:]), generator=generator)

    def reconstruct(self, network, image, drawn):
        return network(image) + drawn[:, :1]


class DrawingInside(Drawing):
    drawn_inside = True


@pytest.fixture
def foreground():
    mask = np.zeros((4, 6, 5), bool)
    mask[1:, 2:] = True
    return mask


def test_a_single_call_of_the_network_in_single_precision():
    image = torch.randn(2, 3, 4, 4)
    network = torch.nn.Conv2d(3, 3, 1).bfloat16()
    answer = Restoration().reconstruct(network, image.bfloat16(), image[:, :0])
    assert answer.dtype == torch.float32 and torch.equal(answer, network(image.bfloat16()).float())


def test_nothing_is_drawn_unless_a_method_says_so(foreground):
    image = torch.randn(2, 3, 6, 5)
    assert Restoration().draw(image).shape == (2, 0, 6, 5)
    assert Restoration().draw_for_volume(foreground, 3, 2, 0) is None
    assert torch.equal(Restoration().reconstruct_in_training(torch.nn.Identity(), image), image)


def test_a_volume_of_slices_gets_a_drawing_per_slice(foreground):
    """What the network gets for slice k is the k-th image of a batch of slices, drawn from the same seed."""
    batch = torch.empty(4, 3, 6, 5)
    slices = Drawing().draw(batch, torch.Generator().manual_seed(7))
    volume = Drawing().draw_for_volume(foreground, 3, 2, seed=7)
    assert volume.shape == (2, 4, 6, 5) and volume.dtype == np.float32
    for k in range(4):
        assert np.array_equal(volume[:, k], slices[k].numpy())
    assert not np.array_equal(volume[:, 0], volume[:, 1])


def test_a_volume_of_boxes_is_one_drawing(foreground):
    box = Drawing().draw(torch.empty(1, 3, 4, 6, 5), torch.Generator().manual_seed(7))
    assert np.array_equal(Drawing().draw_for_volume(foreground, 3, 3, seed=7), box[0].numpy())


@pytest.mark.parametrize("axes", [2, 3])
def test_drawings_that_count_inside_only_are_0_outside_and_the_same_inside(foreground, axes):
    everywhere, inside = (kind().draw_for_volume(foreground, 3, axes, 7) for kind in (Drawing, DrawingInside))
    assert np.array_equal(inside, everywhere * foreground)
    assert (inside[:, ~foreground] == 0).all() and (inside[:, foreground] != 0).all()


def test_the_background_of_an_image_is_where_all_channels_are_exactly_0():
    image = torch.tensor([[[[0.0, 0.0, 1.0]], [[0.0, 2.0, 0.0]]]])
    drawn = torch.full((1, 2, 1, 3), 5.0)
    assert torch.equal(DrawingInside().inside(drawn, image), torch.tensor([0.0, 5.0, 5.0]).expand(1, 2, 1, 3))
    assert torch.equal(Drawing().inside(drawn, image), drawn)


def test_in_training_everything_is_drawn_anew_and_counts_inside_only():
    image = torch.zeros(2, 2, 8, 8)
    image[..., 4:] = 1.0
    first, second = (DrawingInside().reconstruct_in_training(torch.nn.Identity(), image) for _ in range(2))
    assert torch.equal(first[..., :4], image[..., :4]) and torch.equal(second[..., :4], image[..., :4])
    assert not torch.equal(first[..., 4:], second[..., 4:])


def test_a_restoration_that_detects_nothing_says_what_the_score_is():
    with pytest.raises(NotImplementedError, match="Drawing scores nothing itself; its residual is the score"):
        Drawing().detect(torch.nn.Identity(), torch.zeros(1, 1, 2, 2))


def test_the_description_is_the_kind():
    assert Restoration().to_json() == {"kind": "direct"}


def test_a_way_of_its_own_needs_a_name_of_its_own():
    """Under the parent's it would be described, and then rebuilt, as the parent."""
    with pytest.raises(TypeError, match=r"Nameless has its own reconstruct\. Expected a kind"):
        type("Nameless", (Restoration,), {"reconstruct": lambda self, network, image, drawn: image})
