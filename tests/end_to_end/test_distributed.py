"""Two processes, and torch.compile."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tiny
import torch
from ddp_worker import SETTINGS

from nnunet_uad.weights.safe_file import read_pretrained

WORKER = Path(__file__).parents[1] / "ddp_worker.py"


TRAINERS = [
    "nnUNetPretrainerDAE_1epochs_2iters",
    "nnUNetPretrainerDDPM_1epochs_2iters",
    "nnUNetPretrainerAnoVAEGAN_1epochs_2iters",
    "nnUNetPretrainerPatchGAN_2epochs_2iters",
    "nnUNetTrainerAuxReconstruction_1epochs_2iters",
    "nnUNetTrainerDAEPretrained_1epochs_2iters",
    "nnUNetTrainerDiffusionResidual_1epochs_2iters",
]


@pytest.fixture(scope="module")
def two_processes(dae_fold, ddpm_fold, tmp_path_factory):
    """One pair of processes, which take longer to start than to train, for all trainers.

    Returns:
        The results' folder; for each of the two, trainer → what it found.
    """
    folder = tmp_path_factory.mktemp("distributed")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "nnUNet_results": str(folder / "results"),
        "nnUNet_uad_pretrained": str(dae_fold / "pretrained.safetensors"),
        "nnUNet_uad_restorer": str(ddpm_fold / "pretrained.safetensors"),
        "nnUNet_uad_log_to": "tensorboard",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, WORKER, str(rank), folder / "store", *TRAINERS],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        outputs = list(pool.map(lambda process: process.communicate()[0], ranks))
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(outputs)
    return folder / "results", [json.loads((folder / f"store_{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_two_processes(two_processes, monkeypatch, trainer):
    results, found = two_processes
    monkeypatch.setenv("nnUNet_results", str(results))
    fold = tiny.fold_folder(trainer)
    assert (fold / "checkpoint_final.pth").exists()
    # The first process alone writes the curves.
    assert len(list(fold.glob("events.out.tfevents.*"))) == 1
    # The ranks must not corrupt their patches with the same noise.
    assert found[0][trainer]["noise"] != found[1][trainer]["noise"]
    assert all((rank[trainer]["frozen"] > 0) == ("Residual" in trainer) for rank in found)
    if "Pretrainer" in trainer:
        _, record = read_pretrained(fold / "pretrained.safetensors")
        assert record.epochs_trained == (2 if "_2epochs" in trainer else 1)
        summary = json.loads((fold / "validation" / "summary.json").read_text())
        assert [case["identifier"] for case in summary["metric_per_case"]] == tiny.LESION[2:]


#: Those of the following test whose networks compute in bfloat16.
IN_BFLOAT16 = {"nnUNetPretrainerPatchGAN_2epochs_2iters", "nnUNetTrainerDiffusionResidual_1epochs_2iters"}


@pytest.mark.parametrize(
    "trainer",
    [
        pytest.param("nnUNetPretrainerMAE_1epochs_2iters", marks=pytest.mark.thorough),
        pytest.param("nnUNetPretrainerDDPM_1epochs_2iters", marks=pytest.mark.thorough),
        pytest.param("nnUNetPretrainerPatchGAN_2epochs_2iters", marks=pytest.mark.thorough),
        pytest.param("nnUNetPretrainerTAE_1epochs_2iters", marks=pytest.mark.thorough),
        "nnUNetTrainerAuxReconstruction_1epochs_2iters",
        "nnUNetTrainerDAEPretrained_1epochs_2iters",
        "nnUNetTrainerDiffusionResidual_1epochs_2iters",
    ],
)
def test_compiled_network(dae_fold, ddpm_fold, results, monkeypatch, request, trainer):
    """nnU-Net compiles on CUDA only; here its switch is turned on with a backend that needs no compiler."""
    if trainer in IN_BFLOAT16:
        request.getfixturevalue("bfloat16")
    monkeypatch.setenv("nnUNet_uad_pretrained", str(dae_fold / "pretrained.safetensors"))
    monkeypatch.setenv("nnUNet_uad_restorer", str(ddpm_fold / "pretrained.safetensors"))
    monkeypatch.setenv("nnUNet_uad_settings", SETTINGS.get(trainer, ""))
    compiled = tiny.make_trainer(trainer)
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: original(module, backend="aot_eager"))
    monkeypatch.setattr(compiled, "_do_i_compile", lambda: True)
    monkeypatch.setattr(compiled, "_build_loss", _uncompiled_loss(compiled))
    compiled.run_training()
    fold = Path(compiled.output_folder)
    with open(compiled.log_file) as log:
        assert ("precision of the networks: bfloat16" in log.read()) == (trainer in IN_BFLOAT16)
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
