import pytest
import torch

from nnunet_uad.common.devices import device_in_words, missing_device, require_device


@pytest.fixture
def no_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("built", "visible", "said"),
    [(None, "0", "built without CUDA"), ("12", "", "CUDA_VISIBLE_DEVICES=''"), ("12", "0", "no NVIDIA GPU")],
)
def test_why_there_is_no_cuda_device(no_devices, monkeypatch, built, visible, said):
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(RuntimeError, match=f"{said}.*Add -device cpu"):
        require_device("cuda:0")


def test_mps_likewise_and_the_advice_is_the_callers(no_devices):
    with pytest.raises(RuntimeError, match="no MPS device.*Write device: cpu"):
        require_device("mps", "Write device: cpu into s.yaml")


def test_what_is_there_is_not_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert missing_device("cpu") == missing_device("cuda") == ""
    require_device("cuda")


def test_failures_for_another_reason_stay_what_they_are(no_devices):
    with pytest.raises(RuntimeError, match="PyTorch finds no CUDA device") as raised, device_in_words("cuda"):
        raise RuntimeError("Found no NVIDIA driver on your system.")
    assert raised.value.__suppress_context__
    with pytest.raises(AssertionError, match="something else"), device_in_words("cpu"):
        raise AssertionError("something else")
