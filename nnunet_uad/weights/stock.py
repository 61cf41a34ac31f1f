"""A fine-tuned model as stock nnU-Net would have written it, for machines without this plugin."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder
from nnunet_uad.common.nnunet_files import RESTORE, load_dataset_json, load_plans
from nnunet_uad.common.plan_settings import BLOCK
from nnunet_uad.methods import PRETRAINER_PREFIX, STOCK_TRAINER
from nnunet_uad.networks.reconstruction_branch import stock_weights
from nnunet_uad.weights.checkpoint import MODEL, read_checkpoint
from nnunet_uad.weights.without_names import dataset_without_cases, summary_without_cases


def write_stock_model(
    model: Path, folds: Sequence[str], checkpoint: str, target: Path, keep_names: bool = False
) -> Path:
    """Write a zip that ``nnUNetv2_install_pretrained_model_from_zip`` installs as a model of ``nnUNetTrainer``.

    Args:
        model: nnU-Net's folder of the model (TRAINER__PLANS__CONFIGURATION).
        folds: Folds, numbers or ``all``.
        checkpoint: Name of the checkpoint; in the zip it is ``checkpoint_final.pth``.
        target: File of the zip to write.
        keep_names: Whether the zip may name cases, as the summary of a validation does.

    Returns:
        File of the zip.

    Raises:
        FileNotFoundError: A fold lacks the checkpoint.
        ValueError: The network is not the plan's own, or a checkpoint would run code or is damaged.
    """
    if model.name.startswith(PRETRAINER_PREFIX):
        raise ValueError(
            f"{model.name} learned from images alone and has nothing to segment with: fine-tune it, export that model."
        )
    missing = [str(model / f"fold_{f}" / checkpoint) for f in folds if not (model / f"fold_{f}" / checkpoint).is_file()]
    if missing:
        raise FileNotFoundError(f"There is no {', '.join(missing)}. Train the fold first: nnUNetv2_train … -tr TRAINER")
    plans = load_plans(model / "plans.json", RESTORE)
    plans.pop(BLOCK, None)
    dataset_json = load_dataset_json(model / "dataset.json", RESTORE)
    if not keep_names:
        dataset_json = dataset_without_cases(dataset_json)
    # Paths in the zip begin with the dataset.
    inside = dataclasses.replace(ModelFolder.from_path(model), results=Path(), trainer=STOCK_TRAINER)
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for fold in folds:
            content = read_checkpoint(model / f"fold_{fold}" / checkpoint, MODEL).content
            buffer = io.BytesIO()
            torch.save(_stock_checkpoint(content, plans, dataset_json, model.name), buffer)
            archive.writestr(str(inside.fold(fold) / CHECKPOINT), buffer.getvalue())
            summary = model / f"fold_{fold}" / "validation" / "summary.json"
            if summary.is_file():
                found = read_mapping(summary)
                said = found if keep_names else summary_without_cases(found)
                archive.writestr(str(inside.fold(fold) / "validation" / summary.name), json.dumps(said, indent=4))
            if (model / f"fold_{fold}" / "progress.png").is_file():
                archive.write(model / f"fold_{fold}" / "progress.png", str(inside.fold(fold) / "progress.png"))
        archive.writestr(str(inside.path / "plans.json"), json.dumps(plans, indent=4))
        archive.writestr(str(inside.path / "dataset.json"), json.dumps(dataset_json, indent=4))
        if (model / "dataset_fingerprint.json").is_file():
            archive.write(model / "dataset_fingerprint.json", str(inside.path / "dataset_fingerprint.json"))
    return target


def _stock_checkpoint(
    content: dict[str, Any], plans: dict[str, Any], dataset_json: dict[str, Any], model: str
) -> dict[str, Any]:
    """A checkpoint of ``nnUNetTrainer`` with these weights; good for prediction and for ``-pretrained_weights``."""
    weights = stock_weights(content["network_weights"])
    configuration = content["init_args"]["configuration"]
    manager = PlansManager(plans)
    heads = manager.get_label_manager(dataset_json).num_segmentation_heads
    network = nnUNetTrainer.build_network_architecture(
        manager, manager.get_configuration(configuration), len(dataset_json["channel_names"]), heads, False
    )
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{model} is not the plan's own network, so stock nnU-Net cannot hold it: a restorer or discriminator is "
            "part of it. Export it with nnUNetv2_export_model_to_zip and install this plugin where it predicts; or "
            "train on the images of nnunet_uad append-residuals with nnUNetTrainer."
        ) from error
    return {
        **content,
        "network_weights": weights,
        "trainer_name": STOCK_TRAINER,
        "init_args": {**content["init_args"], "plans": plans, "dataset_json": dataset_json},
        "optimizer_state": None,
        "grad_scaler_state": None,
    }
