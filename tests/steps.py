"""Trainers that make steps on synthetic batches: plans without a dataset, restorers with random weights."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch
from speed import CHANNELS

from nnunet_uad.methods import STOCK_TRAINER
from nnunet_uad.plugin import nnunet_uad_trainers as plugin


def make(name: str, configuration: str, plans: dict, dataset_json: dict, device: str) -> Any:
    """The trainer as ``nnUNetv2_train`` makes it, its network on the device, with random weights."""
    trainer_class = getattr(plugin, name)
    trainer = _constructed(trainer_class, configuration, plans, dataset_json, device)
    pretrainer_class = getattr(plugin, getattr(trainer_class, "restorer_pretrainer", STOCK_TRAINER))
    if hasattr(pretrainer_class, "make_task"):
        pretrainer = _constructed(pretrainer_class, configuration, plans, dataset_json, device)
        choice = trainer.channel_choice
        own = {"kinds": choice.channel_kinds, "form": choice.residual_form, "seed": 0}
        trainer._describe({**pretrainer.description(), **own})
    trainer.initialize()
    trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)
    return trainer


def batch_of(trainer: Any) -> dict[str, Any]:
    """Images and targets as the data loading gives them, on the CPU; all 0."""
    size = (trainer.configuration_manager.batch_size, CHANNELS, *trainer.configuration_manager.patch_size)
    scales = trainer._get_deep_supervision_scales() or [[1] * len(size[2:])]
    target = [torch.zeros(size[0], 1, *map(round, np.multiply(size[2:], s)), dtype=torch.int16) for s in scales]
    keys = np.array(["case"] * size[0])
    return {
        "data": torch.zeros(size),
        "target": target if trainer.enable_deep_supervision else target[0],
        "keys": keys,
    }


def _constructed(trainer_class: Any, configuration: str, plans: dict, dataset_json: dict, device: str) -> Any:
    # nnU-Net takes an entry out of the plans that it is given.
    content = json.loads(json.dumps(plans)) | {"continue_training": False}
    return trainer_class(content, configuration, 0, dataset_json, torch.device(device))
