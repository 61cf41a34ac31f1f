"""Threads in the place of nnU-Net's worker processes, each of which would import PyTorch anew for a tiny image.

Real processes are tested where commands run in a process of their own (test_kill, test_distributed, test_story).
"""

from __future__ import annotations

import importlib
import multiprocessing
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace
from typing import Any

MODULES = (
    "nnunetv2.evaluation.evaluate_predictions",
    "nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor",
    "nnunetv2.postprocessing.remove_connected_components",
    "nnunetv2.preprocessing.preprocessors.default_preprocessor",
    "nnunetv2.training.dataloading.utils",
    "nnunetv2.training.nnUNetTrainer.nnUNetTrainer",
)


class _Multiprocessing:
    """The module, except that its contexts' pools hold threads."""

    def __getattr__(self, name: str) -> Any:
        return getattr(multiprocessing, name)

    @staticmethod
    def get_context(method: str) -> SimpleNamespace:
        return SimpleNamespace(Pool=ThreadPool)


def use_threads() -> None:
    """Replace the pools in the modules of nnU-Net that the stock commands pass through."""
    lists = importlib.import_module("nnunetv2.utilities.utils")
    assert lists.Pool == multiprocessing.Pool
    # Twelve copies of this process, in every validation, to join names of files.
    lists.Pool = ThreadPool
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.multiprocessing is multiprocessing
        module.multiprocessing = _Multiprocessing()
