import numpy as np

from nnunet_uad.scoring.residual import absolute_residual


def test_mean_absolute_residual_over_channels():
    image = np.array([[[[1.0, 2.0]]], [[[0.0, -4.0]]]])
    assert absolute_residual(image, np.zeros_like(image)).tolist() == [[[0.5, 3.0]]]
