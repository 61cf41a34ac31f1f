import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from nnunet_uad.metrics.reconstruction import explained_variance_sums, reconstruction_report


def test_explained_variance_is_sklearns_r2_for_one_channel():
    torch.manual_seed(0)
    clean, output = torch.randn(3, 1, 6, 7), torch.randn(3, 1, 6, 7)
    weight = torch.rand(3, 1, 6, 7) > 0.4
    error, variance = explained_variance_sums(output, clean, weight)
    expected = r2_score(clean[weight].numpy(), output[weight].numpy())
    assert float(1 - error / variance) == pytest.approx(expected, abs=1e-5)


def test_channels_have_their_own_mean():
    clean = torch.stack([torch.zeros(2, 4, 4), torch.full((2, 4, 4), 9.0)], dim=1)
    _, variance = explained_variance_sums(clean, clean, torch.ones(2, 1, 4, 4))
    assert float(variance) == 0


def test_report_by_hand():
    image = np.zeros((2, 1, 1, 4))
    restored = np.array([[[[1.0, 2.0, 0.0, 9.0]]], [[[3.0, 0.0, 0.0, 9.0]]]])
    report = reconstruction_report(image, restored, np.array([[[0, 1, 0, -1]]]))
    assert report == {
        "foreground_voxels": 3.0,
        "healthy_voxels": 2.0,
        "lesion_voxels": 1.0,
        "MSE_foreground": pytest.approx((5 + 2 + 0) / 3),
        "MAE_foreground": pytest.approx((2 + 1 + 0) / 3),
        "MAE_healthy": pytest.approx(1.0),
        "MAE_lesion": pytest.approx(1.0),
    }


def test_report_of_a_healthy_case_names_no_lesion_error():
    report = reconstruction_report(np.zeros((1, 1, 2, 2)), np.ones((1, 1, 2, 2)), np.zeros((1, 2, 2)))
    assert "MAE_lesion" not in report and report["lesion_voxels"] == 0
