import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler

from nnunet_uad.pretrain.task import masked_l1
from nnunet_uad.restoration.diffusion import DiffusionProcess


class Oracle(torch.nn.Module):
    """Knows the clean image."""

    def __init__(self, clean):
        super().__init__()
        self.clean, self.times = clean, []

    def forward(self, noisy, times, image):
        self.times.append(int(times[0]))
        return self.clean


class Half(torch.nn.Module):
    def forward(self, noisy, times, image):
        return 0.5 * noisy


@given(st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_noising_by_hand(time):
    process = DiffusionProcess((1.0, 1.0))
    image, noise = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), -2.0)
    betas = torch.linspace(1e-4, 2e-2, 1000, dtype=torch.float64)
    kept = float(torch.prod(1 - betas[: time + 1]))
    expected = kept**0.5 * 3 - (1 - kept) ** 0.5 * 2
    assert float(process.noised(image, noise, torch.tensor([time]))[0, 0, 0, 0]) == pytest.approx(expected, abs=1e-4)


def test_noising_is_monais():
    scheduler = DDPMScheduler(1000, "linear_beta", beta_start=1e-4, beta_end=2e-2)
    image, noise, times = torch.randn(3, 2, 8, 8), torch.randn(3, 2, 8, 8), torch.tensor([0, 400, 999])
    mine = DiffusionProcess((1.0, 1.0)).noised(image, noise, times)
    assert torch.equal(mine, scheduler.add_noise(image, noise, times))


def test_half_precision_images_leave_the_schedule_in_single_precision():
    process = DiffusionProcess((1.0, 1.0))
    process.noised(torch.ones(1, 1, 2, 2, dtype=torch.float16), torch.ones(1, 1, 2, 2), torch.tensor([5]))
    assert process.scheduler.alphas_cumprod.dtype == torch.float32


@pytest.mark.parametrize("kind", ["coarse", "simplex", "white"])
@pytest.mark.parametrize(("spacing", "shape"), [((2.0, 2.0), (64, 64)), ((4.0, 2.0, 2.0), (16, 32, 32))])
def test_all_noises_have_variance_1(kind, spacing, shape):
    torch.manual_seed(0)
    process = DiffusionProcess(spacing, kind, cell_mm=20)
    noise = process.draw(torch.empty(150, 2, *shape))
    assert float(noise.var()) == pytest.approx(1, abs=0.1) and abs(float(noise.mean())) < 0.06


def test_one_step_is_the_mean_over_the_times():
    process = DiffusionProcess((1.0, 1.0), times=(250, 500, 750))
    image, noise = torch.randn(2, 1, 8, 8), torch.randn(1, 1, 8, 8)
    expected = (
        sum(0.5 * process.noised(image, noise.expand_as(image), torch.full((2,), t)) for t in (250, 500, 750)) / 3
    )
    assert torch.allclose(process.reconstruct(Half(), image, noise), expected, atol=1e-6)


def test_ddim_is_monais_and_ends_at_the_oracles_image():
    image, noise = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    process = DiffusionProcess((1.0, 1.0), ddim_start=250, ddim_steps=10)
    clean = torch.randn(2, 1, 8, 8)
    oracle = Oracle(clean)
    restored = process.reconstruct(oracle, image, noise)
    assert oracle.times == list(range(250, 0, -25))
    assert torch.equal(restored, clean)
    scheduler = DDIMScheduler(
        1000, "linear_beta", prediction_type="sample", clip_sample=False, beta_start=1e-4, beta_end=2e-2
    )
    scheduler.set_timesteps(40)
    sample = scheduler.add_noise(image, noise, torch.tensor([250, 250]))
    for time in range(250, 0, -25):
        sample, estimate = scheduler.step(0.5 * sample, time, sample)
    assert torch.allclose(process.reconstruct(Half(), image, noise), estimate, atol=1e-5)


def test_a_ddim_step_by_hand():
    """x₀ = network, ε = (x − √ᾱ x₀) / √(1 − ᾱ); next x = √ᾱ' x₀ + √(1 − ᾱ') ε."""
    process = DiffusionProcess((1.0, 1.0), ddim_start=500, ddim_steps=2)
    kept, second = (float(process.scheduler.alphas_cumprod[t]) for t in (500, 250))
    x = kept**0.5 * 2.0 + (1 - kept) ** 0.5 * 1.0
    x0 = 0.5 * x
    noise = (x - kept**0.5 * x0) / (1 - kept) ** 0.5
    expected = 0.5 * (second**0.5 * x0 + (1 - second) ** 0.5 * noise)
    image, drawn = torch.full((1, 1, 2, 2), 2.0), torch.ones(1, 1, 2, 2)
    assert float(process.reconstruct(Half(), image, drawn)[0, 0, 0, 0]) == pytest.approx(expected, rel=1e-4)


def test_the_loss_by_hand():
    clean, output = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, -9.0]], [[-3.0, 9.0]]]])
    assert float(masked_l1(output, clean, torch.tensor([[[[True, False]]]]))) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"noise": "pink"}, "coarse, simplex or white"),
        ({"times": (0, 1000)}, "from 0 to 999"),
        ({"times": ()}, "from 0 to 999"),
        ({"ddim_start": 250, "ddim_steps": 7}, "divides 1000"),
        ({"ddim_start": 900, "ddim_steps": 3}, "divides 1000"),
    ],
)
def test_bad_settings(settings, said):
    with pytest.raises(ValueError, match=said):
        DiffusionProcess((1.0, 1.0), **settings)


def test_slices_get_noise_of_their_own():
    process, volume = DiffusionProcess((1.0, 1.0), "white"), np.ones((5, 7, 9), bool)
    noise = process.draw_for_volume(volume, 2, 2, seed=1)
    slices = torch.randn((5, 2, 7, 9), generator=torch.Generator().manual_seed(1))
    assert np.array_equal(noise, slices.transpose(0, 1).numpy())
    boxes = DiffusionProcess((1.0,) * 3, "white").draw_for_volume(volume, 2, 3, seed=1)
    assert boxes.shape == (2, 5, 7, 9)
