import numpy as np
import pytest

from nnunet_uad.scoring.residual import absolute_residual, signed_residual, ssim_residual

X = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)


def test_hand_worked():
    y = X.copy()
    y[0, 0, 1, 2] += 3
    y[1, 0, 0, 0] -= 2
    weights = np.array([0.75, 0.25])
    absolute, signed = absolute_residual(X, y, weights), signed_residual(X, y, weights)
    assert absolute[0, 1, 2] == 2.25 and absolute[0, 0, 0] == 0.5
    assert signed[0, 1, 2] == -2.25 and signed[0, 0, 0] == 0.5
    assert (np.delete(absolute.ravel(), [0, 6]) == 0).all()


@pytest.mark.parametrize("axes", [2, 3])
def test_ssim_of_equal_images_is_zero_and_lost_structure_is_found(axes):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 8, 32, 32)).astype(np.float32)
    assert np.abs(ssim_residual(x, x, np.ones(1), axes)).max() < 1e-4
    y = x.copy()
    y[0, 4:, 10:20, 10:20] = 0
    score = ssim_residual(x, y, np.ones(1), axes)
    assert score[6, 15, 15] > 0.8 and score[6, 15, 28] < 1e-3
    # Slice by slice, the neighbours know nothing of it; in volume they do.
    assert (score[3, 15, 15] < 1e-3) == (axes == 2)


def test_ssim_equals_the_formula():
    """Constant images: variances vanish, what remains is the luminance term."""
    x, y = np.full((1, 1, 9, 9), 2.0, np.float32), np.full((1, 1, 9, 9), 1.0, np.float32)
    c1 = 0.01**2  # a constant image has range 0, which counts as 1
    expected = 1 - (2 * 2 * 1 + c1) / (2**2 + 1**2 + c1)
    assert np.allclose(ssim_residual(x, y, np.ones(1), 2), expected, atol=1e-4)
