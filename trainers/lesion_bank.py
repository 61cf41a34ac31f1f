"""Supervised training with a lesion bank: the few annotated lesions, pasted into other places and other images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.pseudo2d import Convert2DTo3DTransform
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn

from nnunet_uad.anomalies.bank_settings import LesionBankSection
from nnunet_uad.anomalies.lesion_bank import LesionBank
from nnunet_uad.anomalies.mixing import HEALTHY_MARKER, MixedDataset
from nnunet_uad.anomalies.pasting import LesionBankTransform
from nnunet_uad.common.files import write_json
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.trainers.mixed_samples import MixedSamples, with_transform
from nnunet_uad.trainers.pretrained import TransferSection, nnUNetTrainerPretrained
from nnunet_uad.training.unlabelled import Pool, UnlabelledCases
from nnunet_uad.weights.names import POOL_VARIABLE

#: What a user can do without unlabelled images.
ADVICE = (
    "Add cases without labels (nnunet_uad preprocess -d LABELLED UNLABELLED --like LABELLED …), or paste into the "
    "annotated ones alone: bank_hosts=training."
)


@dataclass(frozen=True)
class LesionBankSettings(LesionBankSection, FineTuneSettings):
    """Settings of training with a lesion bank."""


@dataclass(frozen=True)
class PretrainedLesionBankSettings(LesionBankSection, TransferSection, FineTuneSettings):
    """Settings of fine-tuning with a lesion bank; the defaults are those of fine-tuning."""


class nnUNetTrainerLesionBank(MixedSamples):
    """From scratch, with lesions of the training cases pasted into patches while nnU-Net loads them.

    The bank holds the lesions of the fold's annotated training cases and no others. It is made when a training starts;
    nothing of it is part of the model.
    """

    settings_class: type[FineTuneSettings] = LesionBankSettings
    #: Cases without labels; known from the start of a training.
    hosts: UnlabelledCases

    @property
    def bank_settings(self) -> LesionBankSection:
        """The section of the settings about the bank; every settings class of these trainers has it."""
        return cast("LesionBankSection", self.settings)

    def before_training(self) -> None:
        """As its base; a training without lesions, or without the hosts it wants, ends before anything is written."""
        super().before_training()
        bank, settings = self.bank, self.bank_settings
        self.hosts = self._unlabelled() if settings.shares[0] else UnlabelledCases([])
        unlabelled = self.hosts.identifiers
        reasons = {"which end where nobody labelled": bank.incomplete, "for which there was no room": bank.beyond}
        left_out = "".join(f", {number} left out, {why}" for why, number in reasons.items() if number)
        self.print_to_log_file(
            f"Lesion bank: {len(bank.lesions)} lesion(s) of {len(bank.cases)} annotated training case(s), "
            f"{bank.nbytes / 2**20:.1f} MiB{left_out}. They are pasted into {settings.bank_share:.0%} of the samples, "
            f"hosts: {settings.bank_hosts}."
        )
        if unlabelled:
            self.print_to_log_file(
                f"Unlabelled hosts: {settings.shares[0]:.0%} of the samples, {len(unlabelled)} case(s); "
                + (
                    "what is beyond the surroundings of a pasted lesion is left out of the loss."
                    if self.unknown_label is not None
                    else "they count as healthy."
                )
            )
        if self.local_rank == 0:
            content = {"lesions": len(bank.lesions), "cases": list(bank.cases), "unlabelled_hosts": unlabelled}
            write_json(Path(self.output_folder) / "lesion_bank.json", content)

    @cached_property
    def bank(self) -> LesionBank:
        """The lesions of the annotated training cases, cut out when they are first asked for.

        Raises:
            ValueError: There is none.
        """
        cases = self.do_split()[0]
        dataset_class = self.dataset_class or infer_dataset_class(self.preprocessed_dataset_folder)
        dataset = dataset_class(self.preprocessed_dataset_folder, cases)

        def annotated() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
            """One case after the other: identifier, image (C, z, y, x), labels (z, y, x)."""
            for case in cases:
                data, seg, *_ = dataset.load_case(case)
                yield case, np.asarray(data[:]), np.asarray(seg[:])[0]

        ignore, spacing = self.label_manager.ignore_label, self.configuration_manager.spacing
        bank = LesionBank.cut(annotated(), spacing, ignore=ignore, count=len(cases), seed=self.seed)
        if not bank.lesions:
            found = (
                f"none, but {bank.incomplete} that end where nobody labelled (label {ignore}, ignore)"
                if bank.incomplete
                else "none"
            )
            raise ValueError(
                f"{type(self).__name__} pastes the lesions of the training cases. Expected a lesion of 4 voxels or "
                f"more in the {len(cases)} annotated training case(s) of fold {self.fold}, found {found}. Train "
                "on cases with lesions, or without a bank: -tr nnUNetTrainerFromScratch."
            )
        return bank

    # --- where the loss is silent ---------------------------------------------------------------

    @property
    def unknown_label(self) -> int | None:
        """Label of what is not known of unlabelled images; ``None`` where there are none, or all count as healthy."""
        if self.bank_settings.bank_hosts == "training" or self.bank_settings.bank_unlabelled == "healthy":
            return None
        manager = self.label_manager
        return manager.ignore_label if manager.has_ignore_label else max(manager.all_labels) + 1

    def _build_loss(self) -> nn.Module:
        loss = super()._build_loss()
        manager, unknown = self.label_manager, self.unknown_label
        if unknown is None or manager.has_ignore_label:
            return loss
        if manager.has_regions:
            raise ValueError(
                f"{self.settings_source}: bank_hosts={self.bank_settings.bank_hosts} leaves out of the loss what is "
                'unknown of unlabelled images, for which labels of regions need one called "ignore". Expected it in '
                f"{self.preprocessed_dataset_folder_base}/dataset.json, found none. Add it as the highest label and "
                "preprocess again, or set bank_hosts=training, or bank_unlabelled=healthy if they are."
            )
        # nnU-Net's own way of ignoring a label, with one that no case has.
        inner = loss.loss if self.enable_deep_supervision else loss
        inner.ignore_label = inner.ce.ignore_index = unknown
        return loss

    # --- samples --------------------------------------------------------------------------------

    def get_tr_and_val_datasets(self) -> tuple[Any, Any]:
        """nnU-Net's datasets; the training set also offers patches of unlabelled cases, if they are hosts."""
        annotated, val = super().get_tr_and_val_datasets()
        share, _ = self.bank_settings.shares
        if not share:
            return annotated, val
        hosts = self.patches_to_change(self.hosts, sampling="anywhere", advice=ADVICE)
        return MixedDataset(annotated, hosts, share), val

    def _unlabelled(self) -> UnlabelledCases:
        """The fold's training cases without labels, and those of the pool that it neither learns nor validates.

        Raises:
            ValueError: There are none, or the pool does not suit.
        """
        base, data = Path(self.preprocessed_dataset_folder_base), Path(self.preprocessed_dataset_folder).name
        unlabelled, own = unlabelled_cases(base), self.all_training_cases()
        own.identifiers = [case for case in own.identifiers if case in unlabelled]
        datasets = [own]
        if pool := Pool.named():
            pool.refuse_other_data(self.plans_manager.plans, self.configuration_name, self.dataset_json)
            cases = pool.without(base, data, *self.do_split())
            datasets.append(self.dataset_class(str(pool.folder / data), cases))
        hosts = UnlabelledCases(datasets)
        if not hosts.identifiers:
            raise ValueError(
                f"{self.settings_source}: bank_hosts={self.bank_settings.bank_hosts} expects training cases without "
                f"labels in {base}, or others in a pool ({POOL_VARIABLE}=DATASET/FOLD), found none"
                f"{f' but the own cases of fold {self.fold} in {os.environ[POOL_VARIABLE]}' if pool else ''}. {ADVICE}"
            )
        return hosts

    def get_training_transforms(self, *arguments: Any, **options: Any) -> ComposeTransforms:
        """nnU-Net's augmentation; lesions are pasted before intensities change, and change with them."""
        stock = nnUNetTrainer.get_training_transforms(*arguments, **options)
        pasting = LesionBankTransform(
            self.bank,
            self.bank_settings,
            self.configuration_manager.spacing,
            probability=self.bank_settings.shares[1],
            marker=HEALTHY_MARKER,
            unknown=self.unknown_label,
        )
        return with_transform(stock, pasting, SpatialTransform, Convert2DTo3DTransform)


class nnUNetTrainerDAEPretrainedLesionBank(nnUNetTrainerLesionBank, nnUNetTrainerPretrained):
    """Both: from the weights of ``nnUNetPretrainerDAE``, with a lesion bank."""

    pretrainer = "nnUNetPretrainerDAE"
    settings_class = PretrainedLesionBankSettings
