from pathlib import Path

import pytest
import torch

from nnunet_uad.weights.tensors import check_tensors, is_finite


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.float8_e5m2])
def test_finite_numbers_of_every_width(dtype):
    good = torch.tensor([1.0, -2.0]).to(dtype)
    assert is_finite(good) and is_finite(torch.tensor([3]))
    assert not is_finite(torch.tensor([1.0, float("inf")]).to(dtype))
    check_tensors(Path("w"), {"a": good, "again": good, "half": good[:1]})


def test_every_spoilt_tensor_counts_once_however_often_it_is_named():
    spoilt = torch.tensor([float("nan")])
    names = {f"copy{k}": spoilt for k in range(9)} | {f"other{k}": spoilt.clone() for k in range(4)}
    with pytest.raises(ValueError, match=r"w holds NaN .* in copy0, other0, other1 and 2 more of 13 tensors"):
        check_tensors(Path("w"), names)
