import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.terms import KL, RECONSTRUCTION_LOSSES, Reconstruction, Term


def answer(output, kl=None):
    return AutoencoderOutput(output, torch.zeros(len(output)) if kl is None else kl, None)


@pytest.mark.parametrize(("loss", "plain"), [("l1", torch.nn.L1Loss()), ("l2", torch.nn.MSELoss())])
def test_the_error_is_torchs_over_the_foreground(loss, plain):
    clean, output = torch.randn(2, 3, 6, 6), torch.randn(2, 3, 6, 6)
    inside = torch.zeros(2, 1, 6, 6, dtype=torch.bool)
    inside[:, :, 1:4] = True
    said = Reconstruction(loss)(answer(output), clean, inside, 0.0)
    expected = plain(output[:, :, 1:4], clean[:, :, 1:4])
    assert len(said.summands) == 1 and torch.allclose(said.summands[0], expected)
    assert set(said.parts) == {"reconstruction"} and torch.allclose(said.parts["reconstruction"], expected)
    # Background is of no consequence.
    assert torch.equal(
        Reconstruction(loss)(answer(output + 9 * ~inside), clean, inside, 0.0).summands[0], said.summands[0]
    )


@pytest.mark.parametrize("loss", RECONSTRUCTION_LOSSES)
def test_what_is_logged_carries_no_graph_and_what_is_added_does(loss):
    output = torch.randn(1, 1, 4, 4, requires_grad=True)
    said = Reconstruction(loss)(answer(output), torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool), 0.0)
    assert said.summands[0].requires_grad and not said.parts["reconstruction"].requires_grad


@given(st.floats(0, 10), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_weight_of_the_divergence_never_falls_and_is_reached_with_the_warm_up(weight, warmup, first, second):
    term = KL(weight, warmup)
    low, high = sorted((first, second))
    assert 0 <= term.factor(low) <= term.factor(high) <= weight
    assert term.factor(max(warmup, low)) == pytest.approx(weight)


def test_the_divergence_is_per_value_inside():
    """Two images of 3 channels, 8 and 16 voxels inside: 36 values on average; the codes diverge by 36 and 108."""
    inside = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    inside[0, :, :2] = True
    inside[1] = True
    said = KL(0.5, 0.0)(
        answer(torch.zeros(2, 3, 4, 4), torch.tensor([36.0, 108.0])), torch.zeros(2, 3, 4, 4), inside, 0.0
    )
    assert float(said.parts["KL per value"]) == pytest.approx(2.0)
    assert [float(s) for s in said.summands] == pytest.approx([1.0])


def test_a_batch_without_foreground_adds_a_finite_number():
    nothing = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    for term in (Reconstruction("l1"), Reconstruction("l2"), KL(1.0, 0.0)):
        said = term(answer(torch.ones(1, 1, 4, 4), torch.tensor([3.0])), torch.zeros(1, 1, 4, 4), nothing, 1.0)
        assert float(said.summands[0]) == (3.0 if isinstance(term, KL) else 0.0)


def test_terms_have_no_concerns_of_their_own():
    assert KL(1.0, 0.0).concerns({"KL per value": 1e9}) == [] == Reconstruction("l1").concerns({"reconstruction": 1e9})


def test_a_term_must_say_what_it_adds():
    with pytest.raises(NotImplementedError, match="Term adds nothing to the loss"):
        Term()(answer(torch.zeros(1, 1, 2, 2)), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), 0.0)
