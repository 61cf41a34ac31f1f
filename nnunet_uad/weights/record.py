"""What is known about pretrained weights: travels in the header of their file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

RECORD_FORMAT = 1


@dataclass(frozen=True)
class PretrainRecord:
    """Everything that stage two must know about stage one.

    Attributes:
        method: ``DAE``, ``MAE``, …
        trainer: name of the pretrainer.
        dataset: nnU-Net dataset name (``Dataset901_Tumour``).
        plans: plans name.
        configuration: configuration name.
        fold: fold number, or ``all``.
        cases: identifiers of the cases whose patches were trained on.
        channel_names: in the order of the input channels.
        normalization: nnU-Net normalisation scheme per channel.
        spacing: mm per axis of the patch.
        patch_size: voxels per axis.
        architecture: class name of the network in the plans.
        architecture_kwargs: its arguments as in the plans.
        architecture_requires_import: arguments that name a class.
        num_epochs: planned length.
        epochs_trained: length at the time of writing.
        iterations_per_epoch: training steps per epoch.
        seed: of weights and corruption.
        settings: the trainer's settings.
        citation: of the method.
        versions: of nnunet_uad, nnunetv2 and torch.
        restorer: how to rebuild network and restoration without the pretrainer (:mod:`nnunet_uad.restoration`);
            empty for methods that nothing restores with.
        format: of this record.
    """

    method: str
    trainer: str
    dataset: str
    plans: str
    configuration: str
    fold: str
    cases: tuple[str, ...]
    channel_names: tuple[str, ...]
    normalization: tuple[str, ...]
    spacing: tuple[float, ...]
    patch_size: tuple[int, ...]
    architecture: str
    architecture_kwargs: dict[str, Any]
    architecture_requires_import: tuple[str, ...]
    num_epochs: int
    epochs_trained: int
    iterations_per_epoch: int
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)
    citation: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    restorer: dict[str, Any] = field(default_factory=dict)
    format: int = RECORD_FORMAT

    @property
    def dimension(self) -> int:
        """2 or 3."""
        return len(self.patch_size)

    def to_json(self) -> str:
        """The record as a JSON text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PretrainRecord:
        """Read a record back.

        Raises:
            ValueError: no JSON object, missing fields, or a record of a newer format.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The pretraining record is not valid JSON: {error}.") from error
        if not isinstance(content, dict) or content.get("format", 0) > RECORD_FORMAT:
            raise ValueError(
                f"The pretraining record has format {content.get('format') if isinstance(content, dict) else '?'}; "
                f"this version reads up to {RECORD_FORMAT}. Update: pip install -U nnunet_uad"
            )
        names = {f.name for f in dataclasses.fields(cls)}
        try:
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in content.items() if k in names
            }
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"The pretraining record is incomplete: {error}.") from error
