import os
from importlib import metadata

import pytest
import torch

from nnunet_uad.cli import checks
from nnunet_uad.common.nnunet import PLUGIN_FOLDER
from nnunet_uad.common.trainer_folders import plugin_first
from nnunet_uad.methods import trainer_class


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


def test_a_missing_gpu_is_said_first(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = next(checks.run_checks("cuda"))
    assert result.status == "warning" and "Add -device cpu to every command" in result.fix
    assert checks.check_device("cpu").status == "ok"


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [({"avx512_bf16": True}, "yes (avx512_bf16): steps on the CPU take about half the time"), ({}, "no instructions")],
)
def test_what_the_processor_can_is_said(bfloat16, monkeypatch, capabilities, said):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    result = checks.check_bfloat16()
    assert result.status == "ok" and result.found.startswith(said)


def test_too_many_workers_are_a_warning(monkeypatch):
    monkeypatch.setattr("nnunetv2.configuration.default_num_processes", 1000)
    assert checks.check_workers().status == "warning"


def test_little_disk_is_a_warning(monkeypatch, tmp_path):
    monkeypatch.setenv("nnUNet_results", str(tmp_path))
    monkeypatch.setattr(checks, "_LOW_DISK_GB", 10**9)
    assert checks.check_disk().status == "warning"


def test_a_trainer_in_anothers_shadow_is_found_after_the_advice(tmp_path, monkeypatch):
    """And the other, which is then in the shadow, is told to be renamed."""
    name = "nnUNetTrainerDAEPretrained"
    base = "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer"
    (tmp_path / "mine.py").write_text(f"{base}\nclass {name}(nnUNetTrainer):\n    pass\n")
    ours = trainer_class(name)
    # nnU-Net reads the variable whenever it looks for a trainer.
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(tmp_path), str(PLUGIN_FOLDER)]))
    result = checks._check_trainer(name, ours)
    assert result.status == "failed" and str(tmp_path / "mine.py") in result.fix and "nnunet_uad env" in result.fix
    monkeypatch.setenv("nnUNet_extTrainer", plugin_first(os.environ["nnUNet_extTrainer"]))
    result = checks._check_trainer(name, ours)
    assert result.status == "warning" and "Rename" in result.fix and str(tmp_path / "mine.py") in result.found
