"""A pretrainer's folder in nnUNet_results → a restorer."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunet_uad.common.devices import require_device
from nnunet_uad.common.nnunet import CHECKPOINT, PLUGIN_FOLDER, ModelFolder
from nnunet_uad.common.nnunet_files import RESTORE, load_dataset_json, load_plans
from nnunet_uad.common.precision import OFF
from nnunet_uad.common.schema import build, shown
from nnunet_uad.common.settings import Settings
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.common.workers import background_processes
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.methods import PRETRAINER_PREFIX, PRETRAINERS, trainer_class
from nnunet_uad.training import variants
from nnunet_uad.weights.checkpoint import MODEL, Checkpoint, read_checkpoint
from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_record


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A trained pretrainer and how it is run: what all requests have in common.

    Attributes:
        model: Folder of the model in nnUNet_results, ``DATASET/TRAINER__PLANS__CONFIGURATION``.
        folds: Folds whose outputs are averaged, numbers or ``all``; if empty every numbered fold that is trained.
        checkpoint: Name of the checkpoint in the folders of the folds.
        device: Device to compute on: ``cuda``, ``cpu`` or ``mps``.
        mirroring: Whether to use the test-time mirroring that the training allows.
        seed: Seed of what is drawn; the training's if ``None``.
        preprocessing_processes: Number of processes that preprocess; with 0 this one does it, with ``None`` it follows
            from cores, memory and cases. Scripts that ask for more than 0 need nnU-Net's
            ``if __name__ == "__main__":``.
        export_processes: Number of processes that score and write; as above.
    """

    model: str | Path
    folds: Sequence[int | str] = ()
    checkpoint: str = CHECKPOINT
    device: str = "cuda"
    mirroring: bool = True
    seed: int | None = None
    preprocessing_processes: int | None = 0
    export_processes: int | None = 0

    def processes(self, cases: int) -> tuple[int, int]:
        """Numbers of processes that preprocess, and that score and write.

        Args:
            cases: Number of cases that are to be done.
        """
        wanted = (self.preprocessing_processes, self.export_processes)
        preprocessing, export = (background_processes(number, cases, self.device) for number in wanted)
        return preprocessing, export

    @property
    def names(self) -> ModelFolder:
        """Dataset, trainer, plans and configuration of the model."""
        return ModelFolder.from_path(Path(self.model))

    def fold_folders(self) -> list[Path]:
        """Folders of the folds.

        Raises:
            ValueError: The model is no pretrainer.
            FileNotFoundError: There is no such model, or a fold lacks the checkpoint.
        """
        pretrainer_class(self.names.trainer)
        return find_folds(Path(self.model), self.checkpoint, self.folds)

    def load(self, folds: Sequence[Path] = ()) -> Restorer:
        """The restorer.

        Args:
            folds: Folders of the folds; the request's if empty.
        """
        numbers = [folder.name.removeprefix("fold_") for folder in folds] or self.folds
        return load_restorer(self.model, numbers, self.checkpoint, self.device, self.mirroring, self.seed)


def pretrainer_class(name: str) -> Any:
    """The class of a pretrainer, of this package or of another folder in ``nnUNet_extTrainer``.

    Args:
        name: Full name of the trainer, the suffix for its length included.

    Raises:
        ValueError: There is no such trainer, or it is one that segments.

    Example:
        >>> pretrainer_class("nnUNetPretrainerDAE_50epochs").__name__
        'nnUNetPretrainerDAE_50epochs'
    """
    base = base_name(name)
    if base in PRETRAINERS:
        return variants.resolve(name, {base: trainer_class(base)})
    for folder in os.environ.get("nnUNet_extTrainer", "").split(os.pathsep):
        if folder == str(PLUGIN_FOLDER) or not folder or not Path(folder).is_dir():
            continue
        # As nnU-Net looks for external trainers.
        trainer = recursive_find_python_class(folder, name, None, cleanup_imports_from_base_folder=True)
        if hasattr(trainer, "make_task"):
            return trainer
    raise ValueError(
        f"Expected the name of a pretrainer, found {name!r}. Pretrainers: {', '.join(PRETRAINERS)}, each also with "
        "_<N>epochs. Models that segment are for nnUNetv2_predict."
    )


def find_folds(folder: Path, checkpoint: str, wanted: Sequence[int | str] = ()) -> list[Path]:
    """The folders of the folds to use.

    Args:
        folder: Folder of the model.
        checkpoint: Name of the checkpoint.
        wanted: Folds, numbers or ``all``; every numbered fold that has the checkpoint if empty.

    Raises:
        FileNotFoundError: There is no model, or a fold lacks the checkpoint; names what there is.
        ValueError: What is given is no fold, or no name of a file.
    """
    if not folder.is_dir():
        # Of a folder that does not exist, the pattern finds nothing.
        others = sorted(p.name for p in folder.parent.glob(f"{PRETRAINER_PREFIX}*__*"))
        raise FileNotFoundError(
            f"There is no model {folder}. Pretrainers trained on {folder.parent.name}: {', '.join(others) or 'none'}. "
            "Names are TRAINER__PLANS__CONFIGURATION; give the trainer's full name, _<N>epochs included, to -tr."
        )
    wrong = [str(f) for f in wanted if not re.fullmatch("[0-9]{1,6}|all", str(f))]
    if wrong:
        raise ValueError(f"-f expects numbers of folds, or all, found {shown(', '.join(wrong))}.")
    if Path(checkpoint).name != checkpoint or re.search(r"[*?\[]", checkpoint):
        raise ValueError(f"-chk expects the name of a file like {CHECKPOINT}, found {shown(checkpoint)}.")
    trained = sorted(p.parent for p in folder.glob(f"fold_*/{checkpoint}"))
    chosen = [folder / f"fold_{f}" for f in wanted] or [p for p in trained if p.name != "fold_all"] or trained
    missing = [p.name for p in chosen if p not in trained]
    if missing or not chosen:
        raise FileNotFoundError(
            f"{folder} has no {checkpoint} in {', '.join(missing) or 'any fold'}. Folds that have it: "
            f"{', '.join(p.name for p in trained) or 'none'}. An unfinished training: -chk checkpoint_best.pth"
        )
    return chosen


def stored_settings(settings_class: type[Settings], stored: dict[str, Any]) -> Any:
    """The settings that a checkpoint was trained with, as the dataclass of its trainer.

    Args:
        settings_class: Dataclass of the trainer's settings.
        stored: Settings as the checkpoint holds them; what there was not yet is as it was then.

    Raises:
        ValueError: There are settings that this version does not know.
    """
    known = {f.name for f in dataclasses.fields(settings_class)}
    if set(stored) - known:
        raise ValueError(
            f"The model was trained with settings that this version of nnunet_uad does not know: "
            f"{', '.join(sorted(set(stored) - known))}. Update: pip install -U nnunet_uad"
        )
    # Models that say nothing of their precision are older than the setting: they were trained in float32 on CPUs.
    return build(settings_class, {"amp": OFF, **settings_class.at_first(), **stored}, "settings of the model")


def load_restorer(
    model: str | Path,
    folds: Sequence[int | str] = (),
    checkpoint: str = CHECKPOINT,
    device: str | torch.device = "cuda",
    mirroring: bool = True,
    seed: int | None = None,
) -> Restorer:
    """A trained pretrainer, ready to reconstruct and to score images; its weights are read without unpickling code.

    Args:
        model: Folder of the model in nnUNet_results, ``DATASET/TRAINER__PLANS__CONFIGURATION``.
        folds: Folds whose outputs are averaged, numbers or ``all``; if empty every numbered fold that is trained.
        checkpoint: Name of the checkpoint in the folders of the folds.
        device: Device to compute on.
        mirroring: Whether to use the test-time mirroring that the training allows.
        seed: Seed of what is drawn; the training's if ``None``.

    Raises:
        ValueError: The model is no pretrainer, one that neither reconstructs nor scores images, or was trained by a
            newer version of this package; or a checkpoint would run code, is damaged or does not fit.
        FileNotFoundError: There is no such model, or a fold lacks the checkpoint; names what there is.
        RuntimeError: The device is not there.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> restorer = load_restorer(model, folds=[0], device="cpu")
        >>> restorer.model.channel_names
        ('FLAIR', 'T1')
    """
    folder = Path(model)
    pretrainer = pretrainer_class(ModelFolder.from_path(folder).trainer)
    chosen = find_folds(folder, checkpoint, folds)
    require_device(str(device))
    dataset_json = load_dataset_json(folder / "dataset.json", RESTORE)
    plans = PlansManager(load_plans(folder / "plans.json", RESTORE))
    loaded = [_read_fold(f / checkpoint, plans.plans) for f in chosen]
    configuration = plans.get_configuration(loaded[0].arguments["configuration"])
    run = loaded[0].run
    settings = stored_settings(pretrainer.settings_class, dict(run["settings"]))
    configuration = pretrainer.adapt_configuration(settings, configuration)
    restoration = pretrainer.make_task(settings, configuration).restoration
    if restoration is None:
        raise ValueError(
            f"{pretrainer.__name__} learns without reconstructing or scoring images, so there are no anomaly maps "
            "to make with it. Fine-tune from its weights instead (nnUNetv2_train … -tr nnUNetTrainer…Pretrained)."
        )
    plan = ModelPlan(plans, configuration, dataset_json)
    networks = []
    for stored in loaded:
        network = pretrainer.make_network(settings, configuration, len(plan.channel_names))
        stored.refuse_other_network(network)
        network.load_state_dict(stored.weights)
        networks.append(pretrainer.restoring(network).to(device).eval())
    return Restorer(
        networks=networks,
        restoration=restoration,
        model=plan,
        mirror_axes=loaded[0].content.get("inference_allowed_mirroring_axes") if mirroring else None,
        device=torch.device(device),
        seed=run["seed"] if seed is None else seed,
        settings=settings,
        amp=settings.amp,
    )


def _read_fold(path: Path, plans: Mapping[str, Any]) -> Checkpoint:
    stored = read_checkpoint(path, MODEL)
    stored.refuse_other_plans(plans)
    lacking = [key for key in ("settings", "seed") if key not in stored.run]
    if lacking:
        raise ValueError(
            f"{path} says nothing of the {' and '.join(lacking)} of its training, which every pretrainer of this "
            "package stores: it was written by another trainer or altered."
        )
    return stored


def training_records(folds: Sequence[Path]) -> list[PretrainRecord]:
    """Records of the weights of the folds; a fold without ``pretrained.safetensors`` has none.

    Args:
        folds: Folders of the folds.
    """
    return [read_record(folder / FILE_NAME) for folder in folds if (folder / FILE_NAME).is_file()]
