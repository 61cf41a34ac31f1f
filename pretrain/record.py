"""The record of pretrained weights, from what a pretrainer knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnunet_uad.common.settings import Settings
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.pretrain.task import PretrainTask
from nnunet_uad.weights.case_names import new_salt
from nnunet_uad.weights.provenance import installed_versions
from nnunet_uad.weights.record import BaseWeights, PretrainRecord

#: Of the plans beside the configuration: what the plans of another dataset must take over for weights to fit.
_OF_PLANS = (
    "transpose_forward",
    "transpose_backward",
    "image_reader_writer",
    "foreground_intensity_properties_per_channel",
)


@dataclass(frozen=True)
class RecordSection(Settings):
    """Settings of the record that travels with the weights.

    Attributes:
        keep_names: Whether the record names the training cases in clear, instead of by salted hashes.
    """

    keep_names: bool = False


def make_record(
    task: PretrainTask,
    model: ModelPlan,
    *,
    trainer: str,
    configuration: str,
    fold: str,
    cases: tuple[str, ...],
    epochs: tuple[int, int, int],
    seed: int,
    settings: dict[str, Any],
    restorer: dict[str, Any],
    contents: dict[str, tuple[str, ...]] | None = None,
    bases: tuple[BaseWeights, ...] = (),
    keep_names: bool = False,
) -> PretrainRecord:
    """What stage two will know about the weights; it travels with them, so nothing in it names a patient.

    Args:
        task: Task of the training.
        model: Plan of the model.
        trainer: Name of the pretrainer.
        configuration: Name of the configuration.
        fold: Fold number, or ``all``.
        cases: Identifiers of the cases whose patches were trained on.
        epochs: Epochs trained, epochs planned, and training steps per epoch.
        seed: Seed of weights and corruption.
        settings: Settings of the trainer, as JSON.
        restorer: Description of network and restoration, empty for methods that nothing reconstructs with.
        contents: Fingerprints of the cases' images, by case.
        bases: Weights that the training goes back to, the newest first.
        keep_names: Whether identifiers of cases stand in clear, instead of as salted hashes.
    """
    manager = model.configuration
    record = PretrainRecord(
        method=task.method,
        trainer=trainer,
        dataset=model.plans.dataset_name,
        plans=model.plans.plans_name,
        configuration=configuration,
        fold=fold,
        cases=cases,
        channel_names=model.channel_names,
        normalization=tuple(manager.normalization_schemes),
        spacing=tuple(float(s) for s in manager.spacing),
        patch_size=tuple(int(p) for p in manager.patch_size),
        architecture=manager.network_arch_class_name,
        architecture_kwargs=dict(manager.network_arch_init_kwargs),
        architecture_requires_import=tuple(manager.network_arch_init_kwargs_req_import),
        num_epochs=epochs[1],
        epochs_trained=epochs[0],
        iterations_per_epoch=epochs[2],
        seed=seed,
        settings=settings,
        citation=task.citation,
        restorer=restorer,
        contents=contents or {},
        bases=bases,
        plan={
            "configuration": dict(manager.configuration),
            **{key: model.plans.plans[key] for key in _OF_PLANS if key in model.plans.plans},
        },
        versions=installed_versions(),
    )
    return record if keep_names else record.with_hidden_names(new_salt())
