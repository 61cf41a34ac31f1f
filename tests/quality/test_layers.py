import numpy as np
import pytest

from nnunet_uad.quality.layers import bias_number, layer_numbers

AXES = np.meshgrid(*(np.linspace(-1, 1, 32),) * 3, indexing="ij")
BALL = sum(a**2 for a in AXES) < 1


def test_scalp_and_skull_are_seen_from_the_rim():
    radius = np.sqrt(sum(a**2 for a in AXES))
    head = np.where(radius > 0.93, 3.0, np.where(radius > 0.85, -2.0, 0.0)) * BALL
    numbers = layer_numbers(head, BALL)
    assert numbers["rim 1"] == 3 and numbers["rim 2"] == -2 and numbers["rim 3"] == 0
    assert layer_numbers(np.zeros_like(head), np.zeros_like(BALL)) == {"rim 1": 0, "rim 2": 0, "rim 3": 0}


def test_a_drift_is_measured_and_noise_is_not():
    noise = np.random.default_rng(0).standard_normal(BALL.shape)
    assert bias_number(noise, BALL) < 0.06
    assert bias_number(AXES[1], BALL) == pytest.approx(AXES[1][BALL].std(), rel=1e-3)
    assert bias_number(noise, np.zeros_like(BALL)) == 0
