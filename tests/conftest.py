"""Environment for nnU-Net before it is imported, and the datasets that tests share."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# A loaded machine must not fail a test: no example is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# What starts Snakemake, which knows no Python before 3.11.
collect_ignore = ["cli/test_choose.py", "end_to_end/test_study.py"] if sys.version_info < (3, 11) else []

# nnU-Net reads some of these on import, PyTorch the number of threads; worker processes inherit all of them.
_ROOT = Path(tempfile.mkdtemp(prefix="nnunet_uad_tests_"))
for _variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[_variable] = str(_ROOT / _variable)
    Path(os.environ[_variable]).mkdir()
os.environ["nnUNet_extTrainer"] = str(Path(__file__).parents[1] / "nnunet_uad" / "plugin")
os.environ.update(
    nnUNet_n_proc_DA="0",
    nnUNet_def_n_proc="1",
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="PASSIVE",
    GOMP_SPINCOUNT="0",
    MATPLOTLIBRC=str(_ROOT / "matplotlibrc"),
)
# Every epoch of every training draws nnU-Net's progress.png of 3000 x 5400 pixels; ours state their resolution.
(_ROOT / "matplotlibrc").write_text("figure.dpi: 15\nbackend: agg\n")
for _variable in (
    "nnUNet_uad_settings",
    "nnUNet_uad_pretrained",
    "nnUNet_uad_restorer",
    "nnUNet_uad_pool",
    "nnUNet_uad_log_to",
    "nnUNet_wandb_enabled",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "nnUNet_compile",
):
    os.environ.pop(_variable, None)

import studies  # noqa: E402
import threads  # noqa: E402
import tiny  # noqa: E402
import torch  # noqa: E402

# Imported before the variables above are set, PyTorch has a thread per core, and a tiny network takes a hundred times
# as long beside another worker. nnU-Net's commands ask for one per core, for the rest of the process.
assert torch.get_num_threads() == 1
torch.set_num_threads = lambda number: None
threads.use_threads()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole stories, installations and what needs a diffusion model are slow; other tests say so themselves."""
    for item in items:
        story = "end_to_end" in item.path.parts or item.path.name == "test_package.py"
        if story or "ddpm_fold" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _float32() -> Iterator[None]:
    """The same numbers on every machine: what wants bfloat16 takes the fixture of that name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
        yield


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with instructions for bfloat16; where there are none, PyTorch computes it all the same, slowly."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)


@pytest.fixture(scope="session")
def tiny_dataset() -> Path:
    """The preprocessed tiny dataset (2d_tiny, 3d_tiny); returns its folder in nnUNet_preprocessed."""
    tiny.write_raw(Path(os.environ["nnUNet_raw"]))
    tiny.plan_and_preprocess(991, tiny.DATASET, wanted=("2d_tiny", "3d_tiny"))
    return Path(os.environ["nnUNet_preprocessed"]) / tiny.DATASET


@pytest.fixture(scope="session")
def dae_fold(tiny_dataset: Path) -> Path:
    """A finished denoising autoencoder of two epochs on 2d_tiny, fold 0."""
    return _seeded_training("nnUNetPretrainerDAE_2epochs_3iters")


@pytest.fixture(scope="session")
def segmenter_fold(tiny_dataset: Path) -> Path:
    """A model that segments, with random weights, on 2d_tiny, fold 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_uad_settings", "seed=1")
        return tiny.save_segmenter()


@pytest.fixture(scope="session")
def ddpm_fold(tiny_dataset: Path) -> Path:
    """A finished diffusion model of two epochs on 2d_tiny, fold 0."""
    return _seeded_training("nnUNetPretrainerDDPM_2epochs_3iters")


def _seeded_training(name: str) -> Path:
    """A training whose first weights are the same in every run of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("nnUNet_uad_settings", "seed=1")
        return tiny.run_training(name)


@pytest.fixture
def example_folder(dae_fold: Path, segmenter_fold: Path, tmp_path: Path) -> Path:
    """A folder with what the examples of docstrings and docs/python.md name: models, images, a raw dataset."""
    return tiny.write_example_folder(tmp_path / "examples", dae_fold, segmenter_fold)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty results folder for one test."""
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "results"))
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture
def workplace(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> studies.Workplace:
    """A copy of the tiny dataset for studies."""
    return studies.make_workplace(tiny_dataset, tmp_path, monkeypatch)
