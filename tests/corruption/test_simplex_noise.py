import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.corruption.simplex_noise import SimplexNoise


@pytest.mark.parametrize(
    ("spacing", "shape"), [((2.0, 2.0), (96, 96)), ((2.0, 2.0, 2.0), (32, 40, 36)), ((5.0, 1.0, 1.0), (12, 48, 48))]
)
@pytest.mark.parametrize("octaves", [1, 6])
def test_mean_0_and_variance_1(spacing, shape, octaves):
    torch.manual_seed(0)
    noise = SimplexNoise(spacing, wavelength_mm=20, octaves=octaves).draw(torch.empty(60, 2, *shape))
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.var()) == pytest.approx(1, abs=0.05)


def reference_2d(points, base_gradients):
    """Textbook simplex noise (Gustavson 2005), point by point; gradients by lattice point."""
    skew, unskew = 0.5 * (np.sqrt(3) - 1), (3 - np.sqrt(3)) / 6
    values = []
    for x, y in points:
        s = (x + y) * skew
        i, j = int(np.floor(x + s)), int(np.floor(y + s))
        t = (i + j) * unskew
        x0, y0 = x - (i - t), y - (j - t)
        i1, j1 = (1, 0) if x0 > y0 else (0, 1)
        total = 0.0
        for (di, dj), (dx, dy) in {
            (0, 0): (x0, y0),
            (i1, j1): (x0 - i1 + unskew, y0 - j1 + unskew),
            (1, 1): (x0 - 1 + 2 * unskew, y0 - 1 + 2 * unskew),
        }.items():
            falloff = max(0.0, 0.5 - dx * dx - dy * dy)
            gx, gy = base_gradients[i + di, j + dj]
            total += falloff**4 * (gx * dx + gy * dy)
        values.append(total)
    return np.array(values)


def test_one_octave_is_the_textbooks(monkeypatch):
    """The same offset and gradients, once through the textbook's loop over corners."""
    from nnunet_uad.corruption import simplex_noise

    drawn = {}
    original = simplex_noise._directions

    def remember(size, device, generator):
        drawn["gradients"] = original(size, device, generator)
        return drawn["gradients"]

    monkeypatch.setattr(simplex_noise, "_directions", remember)
    generator = torch.Generator().manual_seed(3)
    noise = SimplexNoise((1.0, 2.0), wavelength_mm=10, octaves=1)
    image = noise.draw(torch.empty(1, 1, 14, 9), generator)[0, 0].numpy()
    offset = torch.rand(2, generator=torch.Generator().manual_seed(3)).tolist()
    skew = 0.5 * (np.sqrt(3) - 1)
    last = [13 * 0.1 + offset[0], 8 * 0.2 + offset[1]]
    counts = [int(np.floor(v + sum(last) * skew)) + 2 for v in last]
    gradients = drawn["gradients"][0].numpy().reshape(*counts, 2)
    points = [(i * 0.1 + offset[0], j * 0.2 + offset[1]) for i in range(14) for j in range(9)]
    expected = noise.amplitudes[0] * reference_2d(points, gradients)
    assert np.allclose(image.ravel(), expected, atol=1e-4)


def test_the_spectrum_peaks_at_the_wavelength():
    torch.manual_seed(1)
    noise = SimplexNoise((1.0, 1.0), wavelength_mm=16, octaves=1).draw(torch.empty(40, 1, 128, 128)).numpy()
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean((0, 1))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128), indexing="ij"))
    below, around, above = (
        power[(frequency > low) & (frequency <= high)].mean() for low, high in ((0, 0.015), (0.03, 0.08), (0.25, 0.5))
    )
    assert around > 3 * below and around > 100 * above


def test_octaves_finer_than_two_voxels_are_left_out():
    assert SimplexNoise((2.0, 2.0), 60, 6).wavelengths == [60, 30, 15, 7.5]
    assert SimplexNoise((50.0, 50.0), 60, 6).wavelengths == [60]


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.5, 8), st.floats(1, 100))
@settings(max_examples=30, deadline=None)
def test_any_shape(height, width, spacing, wavelength):
    noise = SimplexNoise((spacing, 1.0), wavelength).draw(torch.empty(2, 3, height, width))
    assert noise.shape == (2, 3, height, width) and torch.isfinite(noise).all()


def test_samples_and_channels_are_independent_and_a_seed_repeats():
    noise = SimplexNoise((1.0, 1.0), 8)
    first, again = (noise.draw(torch.empty(2, 2, 64, 64), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    flat = first.reshape(4, -1).numpy()
    assert np.abs(np.corrcoef(flat) - np.eye(4)).max() < 0.25


def test_bad_settings():
    with pytest.raises(ValueError, match="2 or 3 spatial axes"):
        SimplexNoise((1.0,))
    with pytest.raises(ValueError, match="positive wavelength"):
        SimplexNoise((1.0, 1.0), 0)
