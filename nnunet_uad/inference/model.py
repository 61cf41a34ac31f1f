"""A pretrainer's folder in nnUNet_results → a restorer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.common.schema import build
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.weights.safe_file import FILE_NAME, read_pretrained


def find_folds(folder: Path, checkpoint: str, wanted: Sequence[str] = ()) -> list[Path]:
    """The folders of the folds to use.

    Args:
        folder: of the model.
        checkpoint: file name.
        wanted: fold numbers or ``all``; every numbered fold that has the checkpoint if empty.

    Raises:
        FileNotFoundError: no model, or a fold without the checkpoint; names what is there.
    """
    if not folder.is_dir():
        others = sorted(p.name for p in folder.parent.glob("nnUNetPretrainer*__*")) if folder.parent.is_dir() else []
        raise FileNotFoundError(
            f"There is no model {folder}. Pretrainers trained on {folder.parent.name}: {', '.join(others) or 'none'}. "
            "Names are TRAINER__PLANS__CONFIGURATION; give the trainer's full name, _<N>epochs included, to -tr."
        )
    found = sorted(p.parent for p in folder.glob(f"fold_*/{checkpoint}"))
    chosen = [folder / f"fold_{f}" for f in wanted] or [p for p in found if p.name != "fold_all"] or found
    missing = [p.name for p in chosen if p not in found]
    if missing or not chosen:
        raise FileNotFoundError(
            f"{folder} has no {checkpoint} in {', '.join(missing) or 'any fold'}. Folds that have it: "
            f"{', '.join(p.name for p in found) or 'none'}. An unfinished training: -chk checkpoint_best.pth"
        )
    return chosen


def stored_settings(settings_class: type, stored: dict[str, Any]) -> Any:
    """The settings that a checkpoint was trained with, as the dataclass of its trainer.

    Raises:
        ValueError: settings that this version does not know.
    """
    known = {f.name for f in dataclasses.fields(settings_class)}
    if set(stored) - known:
        raise ValueError(
            f"The model was trained with settings that this version of nnunet_uad does not know: "
            f"{', '.join(sorted(set(stored) - known))}. Update: pip install -U nnunet_uad"
        )
    return build(settings_class, stored, "settings of the model")


def load_restorer(
    trainer_class: Any,
    folds: Sequence[Path],
    checkpoint: str,
    device: torch.device,
    mirroring: bool,
    seed: int | None = None,
) -> tuple[Restorer, Any]:
    """Networks of the folds, read without unpickling code.

    Args:
        trainer_class: a pretrainer, for its settings and its task.
        folds: their folders.
        checkpoint: file name.
        device: where to compute.
        mirroring: use the test-time mirroring that the training allows.
        seed: the training's if omitted.

    Returns:
        The restorer and the settings of the training.

    Raises:
        ValueError: A method that neither reconstructs nor scores images.
    """
    model = folds[0].parent
    dataset_json = json.loads((model / "dataset.json").read_text(encoding="utf-8"))
    plans_manager = PlansManager(str(model / "plans.json"))
    loaded = [torch.load(f / checkpoint, map_location="cpu", weights_only=True) for f in folds]
    configuration = plans_manager.get_configuration(loaded[0]["init_args"]["configuration"])
    run = loaded[0]["init_args"]["plans"]["nnunet_uad"]
    settings = stored_settings(trainer_class.settings_class, run["settings"])
    configuration = trainer_class.adapt_configuration(settings, configuration)
    restoration = trainer_class.make_task(settings, configuration).restoration
    if restoration is None:
        raise ValueError(
            f"{trainer_class.__name__} learns without reconstructing or scoring images, so there are no anomaly maps "
            "to make with it. Fine-tune from its weights instead (nnUNetv2_train … -tr nnUNetTrainer…Pretrained)."
        )
    channels = len(dataset_json["channel_names"])
    networks = []
    for content in loaded:
        network = trainer_class.make_network(settings, configuration, channels)
        network.load_state_dict(content["network_weights"])
        networks.append(trainer_class.restoring(network).to(device).eval())
    restorer = Restorer(
        networks=networks,
        restoration=restoration,
        model=ModelPlan(plans_manager, configuration, dataset_json),
        mirror_axes=loaded[0].get("inference_allowed_mirroring_axes") if mirroring else None,
        device=device,
        seed=run["seed"] if seed is None else seed,
    )
    return restorer, settings


def training_cases(folds: Sequence[Path]) -> set[str]:
    """Identifiers of all cases that any of the folds was trained on."""
    files = [f / FILE_NAME for f in folds if (f / FILE_NAME).is_file()]
    records = [read_pretrained(path)[1] for path in files]
    return {case for record in records if record is not None for case in record.cases}
