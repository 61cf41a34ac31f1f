import pytest
import torch
from torch.nn import functional

from nnunet_uad.networks.autoencoder_training import LesionJudgement
from nnunet_uad.networks.discriminator import PatchwiseDiscriminator
from nnunet_uad.pretrain.lesion_phase import AgainstLesions
from nnunet_uad.pretrain.lesions import visible_lesion


def judgement(healthy, lesioned, lesion, inside):
    """One image, its reconstruction, and the image with lesions, of as many patches as there are numbers."""
    rows = [torch.tensor(row)[:, None, None] for row in (healthy, lesioned, lesion, inside)]
    return LesionJudgement(
        torch.zeros(1), rows[0].reshape(2, 1, 1, -1), *(row.reshape(1, 1, 1, -1) for row in rows[1:])
    )


def test_the_loss_by_hand():
    """Good: logits 1, 0.5, 1, 1, and 0.6 beside the lesion; bad: 0.2; what is outside, 9, counts nothing."""
    found = judgement([1.0, 0.5, 9.0, 1.0, 1.0, 9.0], [0.6, 0.2, 9.0], [0.2, 0.3, 1.0], [True, True, False])
    said = AgainstLesions("least_squares")(found)
    good, bad = (0.5**2 + 0.4**2) / 5, 0.2**2
    assert torch.allclose(said.summands[0], torch.tensor((good + bad) / 2))
    parts = {name: float(value) for name, value in said.parts.items()}
    assert parts["lesions recognised"] == 1 and parts["healthy recognised"] == pytest.approx(0.8)


def test_without_a_lesion_only_good_patches_count():
    found = judgement([1.0, 1.0], [0.0], [0.0], [True])
    assert torch.allclose(AgainstLesions("least_squares")(found).summands[0], torch.tensor(1 / 6))


def test_a_lesion_is_where_any_channel_has_changed_visibly():
    clean = torch.zeros(1, 2, 1, 4)
    lesioned = torch.tensor([[0.05, 0.2, 0.0, 0.0], [0.0, 0.0, -0.2, 0.0]])[None, :, None]
    assert visible_lesion(lesioned, clean).flatten().tolist() == [False, True, True, False]


def test_a_discriminator_that_guesses_is_reported_after_a_while():
    against = AgainstLesions("hinge")
    guess = {"healthy recognised": 1.0, "lesions recognised": 0.0}
    assert not against.concerns(guess) and not against.concerns(guess)
    assert "100% of the healthy patches and 0% of the synthetic lesions, no better than" in against.concerns(guess)[0]
    assert not against.concerns({**guess, "lesions recognised": 0.5})


def samples(generator):
    """Smooth images, and the same with a disc that is brighter."""
    smooth = functional.interpolate(torch.randn(4, 1, 4, 4, generator=generator), size=(32, 32), mode="bicubic")
    image = smooth + 0.1 * torch.randn(4, 1, 32, 32, generator=generator)
    place = torch.arange(32.0)
    row, column = (8 + 16 * torch.rand(2, 4, 1, 1, generator=generator)).unbind()
    disc = ((place[:, None] - row) ** 2 + (place - column) ** 2 < 16)[:, None]
    return image, torch.where(disc, image + 2, image), disc


@pytest.mark.parametrize("criterion", ["least_squares", "hinge"])
def test_a_discriminator_learns_to_rank_bright_discs_above_healthy_tissue(criterion):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = PatchwiseDiscriminator(2, 1, 16, 1, True, criterion, (1.0, 1.0))
    optimizer, against = torch.optim.AdamW(network.parameters(), 3e-3), AgainstLesions(criterion)
    for _ in range(80):
        image, lesioned, _ = samples(generator)
        blurred = functional.avg_pool2d(image, 5, 1, 2)
        healthy, found = network(torch.cat([image, blurred, lesioned])).split([8, 4])
        lesion = network.share_of_cells(visible_lesion(lesioned, image))
        optimizer.zero_grad()
        against(LesionJudgement(blurred, healthy, found, lesion, lesion > -1)).summands[0].backward()
        optimizer.step()
    _, lesioned, disc = (torch.cat(parts) for parts in zip(*(samples(generator) for _ in range(5)), strict=True))
    with torch.no_grad():
        score = network.eval().unrealness(lesioned)
    healthy = score[~disc].sort().values
    # The share of pairs of a lesion's voxel and a healthy one that are ranked so.
    assert float(torch.searchsorted(healthy, score[disc]).float().mean()) / len(healthy) > 0.93
