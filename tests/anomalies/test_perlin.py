import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.anomalies.perlin import perlin_noise


def textbook(shape, cells, seed):
    """Perlin noise by a loop over corners with the same draws (one offset per axis, then the gradients)."""
    rng = np.random.RandomState(seed)
    offsets = [rng.random_sample() for _ in shape]
    nodes = [int(np.floor(o + c)) + 2 for o, c in zip(offsets, cells, strict=True)]
    gradients = rng.standard_normal((len(shape), *nodes)).astype(np.float32)
    gradients /= np.sqrt((gradients**2).sum(0, keepdims=True)) + 1e-6
    result = np.zeros(shape)
    for index in np.ndindex(*shape):
        place = [o + i * c / n for o, i, c, n in zip(offsets, index, cells, shape, strict=True)]
        base = [int(np.floor(p)) for p in place]
        for corner in np.ndindex(*(2,) * len(shape)):
            distance = [p - b - k for p, b, k in zip(place, base, corner, strict=True)]
            weight = 1.0
            for d in distance:
                t = 1 - abs(d)
                weight *= t**3 * (t * (t * 6 - 15) + 10)
            node = tuple(b + k for b, k in zip(base, corner, strict=True))
            result[index] += weight * sum(gradients[(a, *node)] * d for a, d in enumerate(distance))
    return result * np.sqrt(len(shape))


@pytest.mark.parametrize(("shape", "cells"), [((12, 9), (3.0, 1.7)), ((6, 7, 5), (1.0, 2.5, 1.3))])
def test_as_the_textbooks_loop(shape, cells):
    noise = perlin_noise(shape, cells, np.random.RandomState(4))
    assert np.allclose(noise, textbook(shape, cells, 4), atol=1e-5)


def test_mean_variance_and_range():
    rng = np.random.RandomState(0)
    drawn = np.stack([perlin_noise((64, 64), (6.3, 5.1), rng) for _ in range(200)])
    # Over space and gradients E[n²] = axes · Σ_corners E[w² |d|²] / axes: a product of integrals over one axis each.
    t = np.linspace(0, 1, 20_001)
    fade = t**3 * (t * (t * 6 - 15) + 10)
    squared, ramped = (fade**2).mean(), (fade**2 * (1 - t) ** 2).mean()
    expected = 2 * (4 * 2 * squared * ramped) / 2
    assert abs(drawn.mean()) < 0.02
    assert drawn.var() == pytest.approx(expected, rel=0.05)
    assert np.abs(drawn).max() <= 1.0 + 1e-5


def test_the_spectrum_is_where_the_cells_are():
    rng = np.random.RandomState(1)
    noise = np.stack([perlin_noise((128, 128), (8, 8), rng) for _ in range(40)])
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(0)
    frequency = 128 * np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128), indexing="ij"))
    around, above = (power[(frequency > a) & (frequency < b)].mean() for a, b in ((3, 10), (30, 64)))
    assert around > 100 * above


@given(st.lists(st.integers(1, 24), min_size=2, max_size=3), st.floats(0.3, 12))
@settings(max_examples=40, deadline=None)
def test_any_shape(shape, cells):
    noise = perlin_noise(shape, [cells] * len(shape), np.random.RandomState(0))
    assert noise.shape == tuple(shape) and np.isfinite(noise).all() and noise.dtype == np.float32
