import os

import pytest

from nnunet_uad.study.running.gpus import GPUS_VARIABLE, VISIBLE_VARIABLE, own_gpu, visible_gpus


def test_every_job_has_one_to_itself(tmp_path, monkeypatch):
    monkeypatch.setenv(GPUS_VARIABLE, "0,GPU-abc")
    monkeypatch.setenv(VISIBLE_VARIABLE, "0,GPU-abc")
    with own_gpu(tmp_path) as first:
        assert first == "0" == os.environ[VISIBLE_VARIABLE]
        with own_gpu(tmp_path) as second:
            assert second == "GPU-abc" == os.environ[VISIBLE_VARIABLE]
            with own_gpu(tmp_path) as third:
                assert third is None
        with own_gpu(tmp_path) as again:
            assert again == "GPU-abc"


@pytest.mark.parametrize("value", [None, ""])
def test_without_gpus_nothing_is_chosen(tmp_path, monkeypatch, value):
    if value is None:
        monkeypatch.delenv(GPUS_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(GPUS_VARIABLE, value)
    monkeypatch.delenv(VISIBLE_VARIABLE, raising=False)
    with own_gpu(tmp_path) as found:
        assert found is None and VISIBLE_VARIABLE not in os.environ


def test_what_is_visible():
    assert visible_gpus({VISIBLE_VARIABLE: "2, 5"}) == ["2", "5"] and visible_gpus({VISIBLE_VARIABLE: ""}) == []
    import torch

    assert visible_gpus({}) == [str(k) for k in range(torch.cuda.device_count())]
