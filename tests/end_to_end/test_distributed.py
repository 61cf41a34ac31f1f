"""Two processes, and torch.compile."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import torch

from nnunet_uad.weights.safe_file import read_pretrained

WORKER = Path(__file__).parents[1] / "ddp_worker.py"


@pytest.mark.parametrize(
    "trainer",
    [
        "nnUNetPretrainerDAE_1epochs_2iters",
        "nnUNetPretrainerDDPM_1epochs_2iters",
        "nnUNetPretrainerAnoVAEGAN_1epochs_2iters",
        "nnUNetTrainerAuxReconstruction_1epochs_2iters",
        "nnUNetTrainerDAEPretrained_1epochs_2iters",
        "nnUNetTrainerDiffusionResidual_1epochs_2iters",
    ],
)
def test_two_processes(dae_fold, ddpm_fold, results, monkeypatch, tmp_path, trainer):
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    monkeypatch.setenv("nnUNet_uad_restorer", str(ddpm_fold / "pretrained.safetensors"))
    ranks = [
        subprocess.Popen(
            [sys.executable, WORKER, str(rank), tmp_path / "store", trainer],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    outputs = [process.communicate()[0] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(outputs)
    fold = tiny.fold_folder(trainer)
    assert (fold / "checkpoint_final.pth").exists()
    # The ranks must not corrupt their patches with the same noise.
    drawn = [line for text in outputs for line in text.splitlines() if line.startswith("noise")]
    assert len(set(drawn)) == 2
    if "Residual" in trainer:
        assert all("frozen 0" not in text and "frozen" in text for text in outputs)
    if "Pretrainer" in trainer:
        _, record = read_pretrained(fold / "pretrained.safetensors")
        assert record.epochs_trained == 1
        summary = json.loads((fold / "validation" / "summary.json").read_text())
        assert [case["identifier"] for case in summary["metric_per_case"]] == tiny.LESION[2:]


@pytest.mark.parametrize(
    "trainer",
    [
        "nnUNetPretrainerMAE_1epochs_2iters",
        "nnUNetPretrainerDDPM_1epochs_2iters",
        "nnUNetPretrainerPatchGAN_1epochs_2iters",
        "nnUNetPretrainerTAE_1epochs_2iters",
        "nnUNetTrainerAuxReconstruction_1epochs_2iters",
        "nnUNetTrainerDAEPretrained_1epochs_2iters",
        "nnUNetTrainerDiffusionResidual_1epochs_2iters",
    ],
)
def test_compiled_network(dae_fold, ddpm_fold, results, monkeypatch, trainer):
    """nnU-Net compiles on CUDA only; here its switch is turned on with a backend that needs no compiler."""
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    monkeypatch.setenv("nnUNet_uad_restorer", str(ddpm_fold / "pretrained.safetensors"))
    compiled = tiny.make_trainer(trainer)
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: original(module, backend="aot_eager"))
    monkeypatch.setattr(compiled, "_do_i_compile", lambda: True)
    monkeypatch.setattr(compiled, "_build_loss", _uncompiled_loss(compiled))
    compiled.run_training()
    fold = Path(compiled.output_folder)
    names = torch.load(fold / "checkpoint_final.pth", weights_only=True)["network_weights"]
    assert not any("_orig_mod" in name for name in names)
    if "Pretrainer" in trainer:
        assert not any("_orig_mod" in name for name in read_pretrained(fold / "pretrained.safetensors")[0])
        compiled.perform_actual_validation()
        assert (fold / "validation" / "summary.json").exists()


def _uncompiled_loss(trainer):
    """The loss without torch.compile, which would want a C++ compiler for its own backend."""
    build = trainer._build_loss

    def without():
        switch, trainer._do_i_compile = trainer._do_i_compile, lambda: False
        loss = build()
        trainer._do_i_compile = switch
        return loss

    return without
