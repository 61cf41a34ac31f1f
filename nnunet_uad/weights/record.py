"""What is known about pretrained weights: travels in the header of their file."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from nnunet_uad.common.schema import build
from nnunet_uad.common.settings import without_folders
from nnunet_uad.weights.case_names import SeenCases, is_hidden, is_salt

#: 2: an earlier version would take hashes for names, and pass over what weights went on from, and with it over cases
#: that they have seen.
RECORD_FORMAT = 2
#: Settings of any method that name a file or folder (``Settings.paths``); earlier versions kept the folder.
PATH_SETTINGS = ("init", "lesion_masks")


@dataclass(frozen=True)
class PretrainRecord:
    """Everything that stage two must know about stage one.

    Attributes:
        method: Name of the method: ``DAE``, ``MAE``, …
        trainer: Name of the pretrainer.
        dataset: Name of the nnU-Net dataset (``Dataset901_Tumour``).
        plans: Name of the plans.
        configuration: Name of the configuration.
        fold: Fold number, or ``all``.
        cases: Identifiers of the cases whose patches were trained on, or hashes of them.
        channel_names: Names of the image's channels, in the order of the input channels.
        normalization: Normalisation scheme of nnU-Net, per channel.
        spacing: Edge length of a voxel, mm, per axis of the patch.
        patch_size: Edge length of the patch, voxels, per axis.
        architecture: Class name of the network in the plans.
        architecture_kwargs: Arguments of the network as in the plans.
        architecture_requires_import: Names of the arguments that name a class.
        num_epochs: Planned length, epochs.
        epochs_trained: Length at the time of writing, epochs.
        iterations_per_epoch: Training steps per epoch.
        seed: Seed of weights and corruption.
        settings: Settings of the trainer.
        citation: Publication of the method.
        versions: Versions of nnunet_uad, nnunetv2 and torch.
        restorer: Description to rebuild network and restoration without the pretrainer
            (:mod:`nnunet_uad.restoration`); empty for methods that nothing reconstructs with.
        contents: Fingerprints of the cases' images (:mod:`nnunet_uad.data.content`), by case or hash; none in the
            records of earlier versions.
        salt: Salt of the hashes (:mod:`nnunet_uad.weights.case_names`); empty where the identifiers stand in clear.
        bases: Weights that the pretraining went on from, instead of random ones, and before them those that these went
            on from, and so on.
        plan: Parts of the plans that a plan for these weights needs besides the above: the whole configuration, the
            order of the axes, the intensities of the foreground; empty in the records of earlier versions.
        licence: SPDX expression of the licence; empty if nobody gave one.
        data_statement: Text that says where the data come from and why they may be used; empty if nobody gave one.
        metrics: Quality on the validation cases, by name; empty if nobody added it.
        validation_cases: Number of cases that the metrics are of.
        format: Version of this record's form.
    """

    method: str
    trainer: str
    dataset: str
    plans: str
    configuration: str
    fold: str
    # Not printed, as names of cases nowhere are.
    cases: tuple[str, ...] = field(repr=False)
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
    contents: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    salt: str = ""
    bases: tuple[BaseWeights, ...] = ()
    plan: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    data_statement: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    validation_cases: int = 0
    format: int = RECORD_FORMAT

    def __post_init__(self) -> None:
        """Refuse what no training has.

        Raises:
            ValueError: Lists of different lengths, or numbers out of range; names the field.
        """
        channels, axes = len(self.channel_names), len(self.patch_size)
        faults = {
            "channel_names expects a name per channel, at least one": channels < 1 or not all(self.channel_names),
            f"normalization expects {channels} entries, one per channel": len(self.normalization) != channels,
            "patch_size expects 2 or 3 lengths >= 1": axes not in (2, 3) or min(self.patch_size) < 1,
            f"spacing expects {axes} lengths > 0 in mm": len(self.spacing) != axes or not _all_positive(self.spacing),
            "num_epochs expects >= 1": self.num_epochs < 1,
            "epochs_trained expects >= 0": self.epochs_trained < 0,
            "iterations_per_epoch expects >= 1": self.iterations_per_epoch < 1,
            "validation_cases expects >= 0": self.validation_cases < 0,
            "metrics expects finite numbers": not all(map(math.isfinite, self.metrics.values())),
            "salt expects 32 hexadecimal digits or nothing": bool(self.salt) and not is_salt(self.salt),
            "cases expects hashes of 32 hexadecimal digits beside a salt": not self._names_are_all_hashes_or_none(),
        }
        for fault, there in faults.items():
            if there:
                raise ValueError(f"{fault}, found {getattr(self, fault.split()[0])!r}.")

    @property
    def dimension(self) -> int:
        """Number of axes: 2 or 3."""
        return len(self.patch_size)

    @property
    def batch_size(self) -> int:
        """Number of patches per step; 0 in the records of earlier versions."""
        configuration = self.plan.get("configuration")
        found = configuration.get("batch_size") if isinstance(configuration, dict) else None
        return found if type(found) is int and found > 0 else 0

    @property
    def seen(self) -> SeenCases:
        """The cases with their fingerprints; no fingerprints in records of earlier versions."""
        return SeenCases({case: self.contents.get(case, ()) for case in self.cases}, self.salt)

    @property
    def names_in_clear(self) -> bool:
        """Whether identifiers of cases can be read, of this pretraining or of those that it goes back to."""
        return any(record.cases and not record.salt for record in self.lineage)

    def with_hidden_names(self, salt: str) -> PretrainRecord:
        """The same record with a hash for every identifier that can be read, of those that it goes back to, too.

        Args:
            salt: Salt of the hashes.
        """
        bases = tuple(
            base if base.record is None else dataclasses.replace(base, record=base.record.with_hidden_names(salt))
            for base in self.bases
        )
        if self.salt:
            return dataclasses.replace(self, bases=bases)
        hidden = self.seen.hidden(salt).contents
        contents = {case: found for case, found in hidden.items() if found}
        return dataclasses.replace(
            self, cases=tuple(hidden), contents=contents, salt=salt, bases=bases, format=RECORD_FORMAT
        )

    def without_folders(self) -> PretrainRecord:
        """The same record without folders of the machine that wrote it, in what it goes back to neither."""
        kept = without_folders(self.settings, PATH_SETTINGS)
        return dataclasses.replace(self, settings=kept, bases=tuple(base.without_folders() for base in self.bases))

    def _names_are_all_hashes_or_none(self) -> bool:
        return not self.salt or all(map(is_hidden, (*self.cases, *self.contents)))

    @property
    def lineage(self) -> tuple[PretrainRecord, ...]:
        """This record, then those of the weights that it goes back to, as far as they have one."""
        return (self, *(base.record for base in self.bases if base.record is not None))

    @property
    def strangers(self) -> tuple[BaseWeights, ...]:
        """The weights without a record that it goes back to: nobody knows which cases they have seen."""
        return tuple(base for base in self.bases if base.record is None)

    def to_json(self) -> str:
        """The record as a JSON text."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PretrainRecord:
        """Read a record back; folders of the machine that wrote it, which earlier versions kept, are left out.

        Args:
            text: JSON text.

        Raises:
            ValueError: No JSON object, missing fields, values of a wrong type, length or range, or a record of a newer
                format.
        """
        try:
            content = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The pretraining record is not valid JSON: {error}.") from error
        found = content.get("format", 0) if isinstance(content, dict) else None
        if type(found) is not int:
            raise ValueError(
                f"The pretraining record expects keys with values and a format, found {str(content)[:80]}."
            )
        if found > RECORD_FORMAT:
            raise ValueError(
                f"The pretraining record has format {found}; this version reads up to {RECORD_FORMAT}. "
                "Update: pip install -U nnunet_uad"
            )
        try:
            # Once it is read it may be written into other files, and with those it travels.
            return build(cls, content, "record", ignore_unknown=True).without_folders()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The pretraining record is incomplete or damaged: {error}") from error


@dataclass(frozen=True)
class BaseWeights:
    """Weights that a pretraining went on from, instead of random ones.

    Attributes:
        file: Name of the file without its folder, which is of one machine.
        sha256: SHA-256 of the file, in hexadecimal digits.
        kind: Kind of the file (:class:`~nnunet_uad.weights.readers.SourceWeights`).
        record: Record of those weights, without what only rebuilds them; ``None`` for files that others wrote.
    """

    file: str
    sha256: str
    kind: str
    record: PretrainRecord | None = None

    def without_folders(self) -> BaseWeights:
        """The same weights; of their record as :meth:`PretrainRecord.without_folders`."""
        return self if self.record is None else dataclasses.replace(self, record=self.record.without_folders())

    @classmethod
    def chain(cls, file: str, sha256: str, kind: str, record: PretrainRecord | None) -> tuple[BaseWeights, ...]:
        """These weights and those that they go back to, the newest first.

        Args:
            file: Name of the file without its folder.
            sha256: SHA-256 of the file, in hexadecimal digits.
            kind: Kind of the file.
            record: Record of the weights, if there is one.
        """
        if record is None:
            return (cls(file, sha256, kind),)
        # What rebuilds a network is large, and here nobody rebuilds it.
        bare = dataclasses.replace(
            record, bases=(), restorer={}, plan={}, architecture_kwargs={}, architecture_requires_import=()
        )
        return (cls(file, sha256, kind, bare), *record.bases)


def _all_positive(lengths: tuple[float, ...]) -> bool:
    return all(0 < length < math.inf for length in lengths)


def _no_number(name: str) -> None:
    """Python's JSON knows NaN and Infinity; no field of a record may be one."""
    raise ValueError(f"{name} is no number")
