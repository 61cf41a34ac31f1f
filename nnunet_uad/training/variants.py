"""``<trainer>_<N>epochs`` and ``<trainer>_<N>epochs_<M>iters`` for every trainer, without new classes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Mapping

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunet_uad.common.trainer_folders import defined_elsewhere, other_folders
from nnunet_uad.common.trainer_names import (
    NO_VALIDATION,
    VALIDATION_VARIABLE,
    base_name,
    length_suffix,
    split_variant,
)

#: The module that answers to every trainer's name, in a fresh process, too; pickle looks variants up there.
HOME = "nnunet_uad.plugin.nnunet_uad_trainers"

_cache: dict[str, type[nnUNetTrainer]] = {}


def resolve(name: str, trainers: Mapping[str, type[nnUNetTrainer]]) -> type[nnUNetTrainer] | None:
    """The trainer class of that name: one of ``trainers``, or a variant of one, made once and kept.

    Checkpoints store the trainer's name and prediction looks it up again, so the same name always gives the same class
    within a process. Other processes (data loading by spawn, DDP) get their own class of that name: it is pickled by
    name, which :data:`HOME` resolves.

    Args:
        name: Name of a trainer, with or without a suffix for its length.
        trainers: Names without such a suffix → classes.

    Returns:
        The class; ``None`` for a name that is not of ``trainers``.
    """
    base, epochs, iters = split_variant(name)
    if base not in trainers:
        return None
    if epochs is None:
        return trainers[base]
    if name not in _cache:
        _cache[name] = _make_variant(trainers[base], name, epochs, iters)
    return _cache[name]


def _make_variant(base: type[nnUNetTrainer], name: str, epochs: int, iters: int | None) -> type[nnUNetTrainer]:
    class Variant(base):
        # nnU-Net reads the argument names off this signature to store them in checkpoints.
        def __init__(
            self,
            plans: dict,
            configuration: str,
            fold: int,
            dataset_json: dict,
            device: torch.device = torch.device("cuda"),  # noqa: B008
        ) -> None:
            super().__init__(plans, configuration, fold, dataset_json, device)
            self.num_epochs = epochs
            if iters is not None:
                self.num_iterations_per_epoch = iters
                # nnU-Net's own proportion of training to validation iterations is 250 : 50.
                self.num_val_iterations_per_epoch = max(1, iters // 5)

        def perform_actual_validation(self, save_probabilities: bool = False) -> None:
            """Predict the validation cases, as nnU-Net does when a training has ended, unless nobody wants it."""
            if os.environ.get(VALIDATION_VARIABLE) == NO_VALIDATION:
                self.print_to_log_file(
                    f"No validation: {VALIDATION_VARIABLE}={NO_VALIDATION}. To have it, train with --val without that."
                )
                return
            super().perform_actual_validation(save_probabilities)

    Variant.__name__ = Variant.__qualname__ = name
    Variant.__module__ = HOME
    Variant.__doc__ = f"{base.__name__} for {epochs} epochs" + (f" of {iters} iterations." if iters else ".")
    return Variant


def refuse_misspelling(name: str, trainers: Collection[str]) -> None:
    """Raise if ``name`` looks like a misspelt trainer of ours; return silently otherwise.

    A name that merely resembles ours may belong to another external trainer folder, which nnU-Net would search
    next: with other folders in ``nnUNet_extTrainer`` only a near one is refused, and none that a file there defines.

    Args:
        name: Name that nobody has.
        trainers: Names that there are, without a suffix for the length.

    Raises:
        ValueError: The nearest trainers, named.
    """
    base = base_name(name)
    near = difflib.get_close_matches(base, trainers, n=3, cutoff=0.9 if other_folders() else 0.75)
    if near and base.startswith("nnUNet") and not any(map(defined_elsewhere, {name, base})):
        suffix = length_suffix(name)
        raise ValueError(
            f"There is no trainer {name!r}. Did you mean {' or '.join(n + suffix for n in near)}? "
            "(nnunet_uad doctor lists all of them)"
        )
