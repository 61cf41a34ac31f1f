from importlib import metadata

from nnunet_uad.cli import checks


def test_unsupported_nnunet_fails(monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda name: "2.7.1" if name == "nnunetv2" else "1.0")
    result = list(checks.check_versions())[-1]
    assert result.status == "failed" and "nnunetv2>=2.8,<3" in result.fix


def test_torchvision_that_does_not_match_fails(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(checks.importlib, "import_module", broken)
    result = checks.check_torchvision()
    assert result.status == "failed" and "external trainer" in result.fix


def test_missing_cuda_is_a_warning(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert checks.check_device("cuda").status == "warning"
    assert checks.check_device("cpu").status == "ok"


def test_too_many_workers_are_a_warning(monkeypatch):
    monkeypatch.setattr("nnunetv2.configuration.default_num_processes", 1000)
    assert checks.check_workers().status == "warning"


def test_little_disk_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setattr(checks, "_LOW_DISK_GB", 10**9)
    assert checks.check_disk().status == "warning"
