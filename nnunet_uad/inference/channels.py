"""Residuals as further channels of raw images, for nnU-Net models that know nothing of this plugin."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.common.claim import claim
from nnunet_uad.common.files import atomic_copy
from nnunet_uad.common.nnunet import channel_names
from nnunet_uad.inference.case import ScoredCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.restoration.residual_channels import make_channels
from nnunet_uad.scoring.geometry import map_ending, write_volume
from nnunet_uad.scoring.score_settings import ScoreSettings

#: Beside the images: which restorer made the channels.
CHANNELS_RECORD = "residual_channels.json"
#: The channel name that makes nnU-Net leave intensities as they are.
NO_NORMALISATION = "noNorm"


@dataclass(frozen=True)
class ChannelExporter:
    """Writes a case's images and residual channels under nnU-Net's names; whole files only.

    Attributes:
        folder: Folder to write into.
        files: Images of every case, in the order of the channels.
        kinds: Kinds of further channels, ``signed``, ``absolute``, ``reconstruction``.
        model: Plan of the restorer.
        ending: Ending of the files to write, for example ``.nii.gz``.
        copy: Whether to copy the images instead of linking them.
        settings: Settings of a score, which is not written.
    """

    folder: Path
    files: Mapping[str, Sequence[str]]
    kinds: Sequence[str]
    model: ModelPlan
    ending: str
    copy: bool = False
    settings: ScoreSettings = field(default_factory=ScoreSettings)

    def paths(self, identifier: str) -> list[Path]:
        """The residual channels' files, behind the images'.

        Args:
            identifier: Identifier of the case.
        """
        count = len(self.files[identifier])
        further = range(count, count * (1 + len(self.kinds)))
        return [self.folder / f"{identifier}_{k:04d}{self.ending}" for k in further]

    def is_done(self, identifier: str) -> bool:
        """Whether all files of a case exist; each is written whole.

        Args:
            identifier: Identifier of the case.
        """
        return all(path.exists() for path in self.paths(identifier))

    def remove(self, identifier: str) -> None:
        """Delete the residual channels of a case; its images are placed anew where they differ.

        Args:
            identifier: Identifier of the case.
        """
        for path in self.paths(identifier):
            path.unlink(missing_ok=True)

    def write(self, case: ScoredCase) -> None:
        """Write the channels (z-score units of the restorer's preprocessing, 0 outside the foreground).

        Args:
            case: Case to write.

        Raises:
            ValueError: The case has no reconstruction.
        """
        if case.reconstruction is None:
            raise ValueError("this model detects anomalies without reconstructing the image: there is no residual.")
        image, reconstruction = torch.from_numpy(case.image), torch.from_numpy(case.reconstruction)
        made = make_channels(self.kinds, image, reconstruction, axis=0)
        volumes = self.model.original_geometry(made.numpy() * case.foreground, case.properties)
        for index, source in enumerate(self.files[case.identifier]):
            place_file(Path(source), self.folder / f"{case.identifier}_{index:04d}{self.ending}", self.copy)
        for volume, path in zip(volumes, self.paths(case.identifier), strict=True):
            write_volume(np.asarray(volume), case.properties, path)


def place_file(source: Path, target: Path, copy: bool) -> None:
    """Link ``target`` to ``source``, or copy where asked or where links are not possible.

    Args:
        source: File that exists.
        target: File to make; one that is no link is kept if it holds the same.
        copy: Whether to copy instead of linking.
    """
    if target.exists() and not target.is_symlink() and filecmp.cmp(source, target, shallow=False):
        return
    target.unlink(missing_ok=True)
    if not copy:
        try:
            target.symlink_to(source.resolve())
            return
        except OSError:
            # A file system without links: the copy below.
            pass
    atomic_copy(source, target)


def check_ending(ending: str) -> None:
    """Refuse formats that cannot hold a residual.

    Args:
        ending: Ending of the dataset's files.

    Raises:
        ValueError: The format holds integers only (PNG, BMP).
    """
    if map_ending(ending) != ending:
        raise ValueError(
            f"Images of the format {ending} cannot hold a residual, which is a real number. Convert the dataset to "
            "NIfTI (.nii.gz) or use a …Residual trainer, which computes the residual inside the network."
        )


def check_reconstructs(restorer: Restorer, trainer: str) -> None:
    """Refuse models that detect anomalies without reconstructing the image.

    Args:
        restorer: Trained model.
        trainer: Name of its trainer.

    Raises:
        ValueError: The model does not reconstruct; names the trainer.
    """
    if not restorer.restoration.reconstructs:
        raise ValueError(f"{trainer} detects anomalies without reconstructing the image: there is no residual.")


def extended_dataset_json(dataset_json: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    """The dataset.json of the dataset with further channels, which nnU-Net is told not to normalise.

    Args:
        dataset_json: Content of the ``dataset.json`` of the dataset without them.
        kinds: Kinds of further channels; each is as many channels as the image has.

    Example:
        >>> extended_dataset_json({"channel_names": {"0": "FLAIR"}}, ["signed"])
        {'channel_names': {'0': 'FLAIR', '1': 'noNorm'}}
    """
    names = channel_names(dataset_json)
    further = [NO_NORMALISATION] * (len(names) * len(kinds))
    # nnU-Net counts modality, a key of its first version, where that is there.
    other = {key: value for key, value in dataset_json.items() if key != "modality"}
    return {**other, "channel_names": {str(k): n for k, n in enumerate([*names, *further])}}


def claim_folder(path: Path, record: Mapping[str, Any], images: Sequence[Path], overwrite: bool) -> None:
    """Write the record of residual channels; channels of another restorer are refused or deleted, never mixed in.

    Args:
        path: File of the record.
        record: Description of the restorer and the kinds of channels.
        images: Folders of the channels.
        overwrite: Whether channels that were made in another way, or finished ones, may be replaced.

    Raises:
        ValueError: There are channels of another restorer and ``overwrite`` is off.
    """

    def clear() -> None:
        """Delete the channels that are there."""
        for folder in images:
            for image in folder.glob("*_[0-9][0-9][0-9][0-9].*"):
                image.unlink()

    remedy = "They are stale: choose another -o, or make them anew with --overwrite."
    claim(path, record, "residual channels", remedy, overwrite, clear=clear)
