"""Segmentation with a frozen restorer inside the network (Behrendt et al., MIDL 2024, PMLR 250:87-102)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_uad.common.files import write_json
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.common.plan_settings import BLOCK
from nnunet_uad.common.settings import Settings
from nnunet_uad.methods import method_of
from nnunet_uad.networks.tiles import check_grid
from nnunet_uad.restoration.channel_kinds import check_channel_choice
from nnunet_uad.restoration.frozen import weights_hash
from nnunet_uad.restoration.residual_channels import build_residual_network
from nnunet_uad.trainers.base import FineTuneTrainer, trainers_from_rows
from nnunet_uad.trainers.fine_tune_settings import FineTuneSettings
from nnunet_uad.training.cascade import refuse_second_stage
from nnunet_uad.weights.checkpoint import Checkpoint
from nnunet_uad.weights.names import RESTORER_VARIABLE
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.source import SourceWeights
from nnunet_uad.weights.suitability import TransferTarget, check_restorer_suits
from nnunet_uad.weights.transfer import load_all

#: Seed of the noise at inference; the same for all folds, which share one description.
INFERENCE_SEED = 0
#: Kind of recipe → settings of its pretrainer that make the network smaller; those of other kinds have the plan's size.
_SIZE_SETTINGS = {
    "diffusion": "a lower diffusion_width or higher diffusion_levels",
    "discriminator": "discriminator_width",
}


@dataclass(frozen=True)
class ResidualSection(Settings):
    """Settings of residual channels.

    Attributes:
        residual_channels: Names out of ``signed``, ``absolute``, ``reconstruction``, separated by commas.
        residual_form: Way to the network: ``channels`` appends them to the image; ``siamese`` passes image and signed
            residual through one encoder.
    """

    residual_channels: str = "signed"
    residual_form: str = "channels"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_channel_choice(self.channel_kinds, self.residual_form)

    @property
    def channel_kinds(self) -> list[str]:
        """The kinds of further channels."""
        return self.residual_channels.split(",")


@dataclass(frozen=True)
class ResidualSettings(ResidualSection, FineTuneSettings):
    """Settings of segmentation with residual channels."""


class ChannelChoice(Protocol):
    """Which further channels a network gets, and how."""

    @property
    def channel_kinds(self) -> list[str]:
        """Names of :mod:`~nnunet_uad.restoration.channel_kinds`."""

    @property
    def residual_form(self) -> str:
        """Way to the network, ``channels`` or ``siamese``."""


class nnUNetTrainerResidual(FineTuneTrainer):
    """Base of the ``…Residual`` trainers; subclasses name the pretrainer that reconstructs.

    The plans of the model carry the restorer's description and its checkpoints the weights, so a trained model stands
    alone. The restorer is frozen: no gradients, no optimiser state, always in evaluation mode. In training every step
    draws noise and time steps anew; at inference they are fixed.
    """

    restorer_pretrainer: str
    settings_class: type[FineTuneSettings] = ResidualSettings

    _restorer_source: SourceWeights | None = None
    _restorer_record: PretrainRecord | None = None
    _restorer_found: str = ""

    @classmethod
    def check_configuration(cls, plans: dict, configuration: str, fold: int | str) -> None:
        """As its base; no restorer suits the second stage of a cascade.

        Raises:
            ValueError: The configuration is one; says what to pretrain and to train instead.
        """
        super().check_configuration(plans, configuration, fold)
        why = "its network reads a segmentation besides the image, which no restorer has learned"
        refuse_second_stage(plans, configuration, fold, why, [cls.restorer_pretrainer, cls.__name__])

    # --- network --------------------------------------------------------------------------------

    @staticmethod
    def build_network_architecture(
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """The network that the plans describe; nnU-Net calls this to train and to predict.

        Raises:
            RuntimeError: Plans without a restorer: they belong to another trainer.
        """
        description = _described(plans_manager.plans)
        if description is None:
            raise RuntimeError(
                "These plans describe no restorer. Expected the plans.json of a model that a …Residual trainer wrote; "
                "predict with the model folder as it was trained or installed."
            )
        return build_residual_network(
            description,
            num_input_channels,
            lambda channels: nnUNetTrainer.build_network_architecture(
                plans_manager, configuration_manager, channels, num_output_channels, enable_deep_supervision
            ),
        )

    @property
    def channel_choice(self) -> ChannelChoice:
        """The section of the settings about further channels; every settings class of these trainers has it."""
        return cast("ChannelChoice", self.settings)

    @property
    def memory_advice(self) -> str:  # type: ignore[override]
        """Settings that make the restorer smaller; empty where only the plan does."""
        description = _described(self.plans_manager.plans)
        settings = _SIZE_SETTINGS.get(description["network"]["kind"]) if description else None
        return f"{settings} when the restorer is pretrained" if settings else ""

    @property
    def segmenter(self) -> nn.Module:
        """The part that learns."""
        return self.bare_network.segmenter

    def initialize(self) -> None:
        """As nnU-Net; a fresh training first finds its restorer."""
        if _described(self.plans_manager.plans) is None:
            self._find_restorer()
        super().initialize()
        if self._restorer_source is not None:
            load_all(self.bare_network.restorer.network, self._restorer_source)
        if self._do_i_compile():
            # The restorer's drawings stay out of the compiled network, and with them its network.
            self.bare_network.restorer.network.compile()

    def prepare_for(self, stored: Checkpoint) -> None:
        """The checkpoint says which restorer its network holds.

        Raises:
            ValueError: It does not say so; names the file.
        """
        description = stored.run.get("restorer")
        if not isinstance(description, dict):
            raise ValueError(
                f"{stored.path} does not say which restorer its network holds: written by another trainer."
            )
        self._describe(description)

    def _run_information(self) -> dict[str, Any]:
        return {**super()._run_information(), "restorer": _described(self.plans_manager.plans)}

    def _describe(self, description: dict[str, Any]) -> None:
        """Put the description where nnU-Net keeps plans; the dataset's own plans file is not touched."""
        # Plans may carry settings, too (nnunet_uad settings).
        carried = self.plans_manager.plans.get(BLOCK, {})
        self.plans_manager.plans[BLOCK] = {**carried, "restorer": description}

    # --- finding the restorer -------------------------------------------------------------------

    def _find_restorer(self) -> None:
        source, why = self.find_weights(self.restorer_pretrainer, RESTORER_VARIABLE)
        target = TransferTarget.from_plans(self.plans_manager, self.configuration_name, self.dataset_json)
        record = check_restorer_suits(source, target, method_of(self.restorer_pretrainer))
        self._check_tiles(source, record)
        description = {
            **record.restorer,
            "kinds": self.channel_choice.channel_kinds,
            "form": self.channel_choice.residual_form,
            "seed": INFERENCE_SEED,
        }
        self._refuse_other_folds_restorer(description)
        self._restorer_source, self._restorer_record, self._restorer_found = source, record, why
        self._describe(description)

    def _check_tiles(self, source: SourceWeights, record: PretrainRecord) -> None:
        """A restorer that sees tiles cuts the patches of this plan, too.

        Raises:
            ValueError: They cannot be cut into its tiles.
        """
        network = record.restorer["network"]
        if network["kind"] != "tiles":
            return
        strides = np.prod(network["plan"]["arguments"]["strides"], axis=0)
        try:
            check_grid(network["grid"], self.configuration_manager.patch_size, [int(s) for s in strides])
        except ValueError as error:
            plans, name = self.plans_manager, self.configuration_name
            raise ValueError(
                f"The restorer in {source.path} does not suit the patches of {plans.dataset_name}, configuration "
                f"{name}; it was pretrained on patches of {' x '.join(map(str, record.patch_size))} voxels. {error} "
                f"Pretrain it with these plans: nnUNetv2_train {plans.dataset_name} {name} {self.fold} -tr "
                f"{self.restorer_pretrainer} -p {plans.plans_name}; or name another file in {RESTORER_VARIABLE}."
            ) from error

    def _refuse_other_folds_restorer(self, description: dict[str, Any]) -> None:
        """All folds of a model are predicted from one plans.json; their restorers must have one form."""
        path = Path(self.output_folder_base) / "plans.json"
        others = [p for p in path.parent.glob("fold_*/checkpoint_*.pth") if p.parent.name != f"fold_{self.fold}"]
        if not others or not path.is_file():
            return
        earlier = _described(load_plans(path))
        if earlier is not None and earlier != json.loads(json.dumps(description)):
            raise RuntimeError(
                f"The folds in {path.parent} use a restorer of another form than the one found for fold {self.fold}; "
                "one model cannot hold both. Pretrain all folds with the same settings, or train this one under "
                "another name (-tr …_<N>epochs, or -p with copied plans)."
            )

    def before_training(self) -> None:
        """At epoch 0, say which restorer is used and whether it has seen the validation cases."""
        super().before_training()
        source, record = self._restorer_source, self._restorer_record
        if self.current_epoch != 0 or source is None or record is None:
            return
        warnings = self.warnings_about(record, "restorer")
        frozen = sum(p.numel() for p in self.bare_network.restorer.parameters())
        self.print_to_log_file(
            f"Frozen restorer: {source.path} ({self._restorer_found}), {frozen / 1e6:.2f} million parameters; the "
            f"network that learns has {sum(p.numel() for p in self.segmenter.parameters()) / 1e6:.2f} million."
        )
        for warning in warnings:
            self.print_to_log_file(f"WARNING: {warning}")
        if self.local_rank == 0:
            content = {
                "source": str(source.path),
                "found": self._restorer_found,
                "sha256": weights_hash(source.tensors, record.restorer),
                "trainer": record.trainer,
                "cases": list(record.cases),
                "warnings": warnings,
            }
            write_json(Path(self.output_folder) / "restorer.json", content)

    # --- training -------------------------------------------------------------------------------

    def train_step(self, batch: dict) -> dict:
        """As nnU-Net; a loss that is not finite is traced to the restorer, and ends the training if it is its fault.

        Raises:
            RuntimeError: The restorer returned NaN or infinity.
        """
        result = super().train_step(batch)
        # nnU-Net has fetched the loss already: looking at it does not wait for the device.
        if not np.isfinite(result["loss"]):
            self._refuse_broken_restorer(batch["keys"])
        return result

    def _refuse_broken_restorer(self, keys: Iterable[str]) -> None:
        finite = self.bare_network.restorer.finite.cpu().numpy()
        if finite.all():
            return
        cases = sorted({str(key) for key, ok in zip(keys, finite, strict=True) if not ok})
        kept = [p.name for p in sorted(Path(self.output_folder).glob("checkpoint_*.pth"))]
        raise RuntimeError(
            f"The restorer returned NaN or infinite values in epoch {self.current_epoch}, step {self._iteration - 1}, "
            f"for {', '.join(cases)}. Nothing was written since the last checkpoint"
            + (f" ({', '.join(kept)} in {self.output_folder})" if kept else "; there is none yet")
            + ". Look at its maps (nnunet_uad predict), pretrain it again, then continue with --c or start anew."
        )


def _described(plans: Mapping[str, Any]) -> dict[str, Any] | None:
    """The restorer's description that a model's plans carry; ``None`` for plans of a dataset or of another trainer."""
    return plans.get(BLOCK, {}).get("restorer")


globals().update(trainers_from_rows(__name__, nnUNetTrainerResidual))
