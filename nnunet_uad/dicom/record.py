"""The record beside imported images: of which series each was made. It names no patient; its UIDs are the archive's."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_as
from nnunet_uad.dicom.names import RECORD


@dataclass(frozen=True)
class ChannelRecord:
    """A channel of a case.

    Attributes:
        name: Name of the channel.
        series: UID of the series (SeriesInstanceUID).
        instances: SOPInstanceUID of every slice, in the order of the image's slices.
        resampled: Whether it was brought to the grid of the first channel.
    """

    name: str
    series: str
    instances: list[str]
    resampled: bool = False


@dataclass(frozen=True)
class CaseRecord:
    """A case.

    Attributes:
        study: UID of the study (StudyInstanceUID).
        channels: Channels in their order; the grid is that of the first.
        folder: Folder of the DICOM files that was imported; empty if its path names a patient.
    """

    study: str
    channels: list[ChannelRecord]
    folder: str = ""

    def is_of_same(self, other: CaseRecord) -> bool:
        """Whether both are of the same series, wherever these lie.

        Args:
            other: Record to compare with.
        """
        return (self.study, self.channels) == (other.study, other.channels)


@dataclass(frozen=True)
class Record:
    """What a folder of images was made of.

    Attributes:
        cases: Cases by name.
    """

    cases: dict[str, CaseRecord] = field(default_factory=dict)

    @classmethod
    def read(cls, images: Path) -> Record:
        """The record of a folder of images.

        Args:
            images: Folder that was written by an import.

        Raises:
            FileNotFoundError: The folder has no record.
            ValueError: The record is damaged.
        """
        return read_as(cls, images / RECORD, "It is written by: nnunet_uad dicom import -i DICOM -o IMAGES …")

    def write(self, images: Path) -> None:
        """Write the record into a folder of images.

        Args:
            images: Folder that exists.
        """
        write_json(images / RECORD, dataclasses.asdict(self))
