"""The record of pretrained weights, from what a pretrainer knows."""

from __future__ import annotations

from typing import Any

from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.pretrain.task import PretrainTask
from nnunet_uad.weights.provenance import installed_versions
from nnunet_uad.weights.record import BaseWeights, PretrainRecord


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
) -> PretrainRecord:
    """What stage two will know about the weights.

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
    """
    manager = model.configuration
    return PretrainRecord(
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
        versions=installed_versions(),
    )
