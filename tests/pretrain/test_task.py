import pytest
import torch

from nnunet_uad.pretrain.task import masked_mse


def test_masked_mse_by_hand():
    output = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    target = torch.zeros_like(output)
    weight = torch.tensor([[[[True, False]]]])
    assert float(masked_mse(output, target, weight)) == pytest.approx((1 + 9) / 2)
    assert float(masked_mse(output, target, torch.zeros_like(weight))) == 0


def test_masked_mse_over_everything_is_torchs():
    output, target = torch.randn(2, 3, 5, 5), torch.randn(2, 3, 5, 5)
    weight = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    assert torch.allclose(masked_mse(output, target, weight), torch.nn.functional.mse_loss(output, target))


def test_half_precision_output_is_compared_in_single_precision():
    output = torch.full((1, 1, 4, 4), 400.0, dtype=torch.float16)
    weight = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    assert float(masked_mse(output, torch.zeros(1, 1, 4, 4), weight)) == 160000
