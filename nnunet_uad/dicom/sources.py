"""The series that a case was made of: its files found by their UIDs, and a grid that maps must share."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from nnunet_uad.data.grids import Grid, grid_of
from nnunet_uad.dicom.headers import Header, read_header, uids_below
from nnunet_uad.dicom.record import Record
from nnunet_uad.dicom.series import Series
from nnunet_uad.dicom.slices import grid_of_slices

#: Elements that DICOM wants in every object, if need be empty; files that were stripped of names may lack them.
_REQUIRED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
)


@dataclass(frozen=True)
class Source:
    """What a case was made of.

    Attributes:
        slices: Headers of the first channel's files, slice by slice.
        others: Headers of the files of the other channels.
        grid: Grid of the case.
    """

    slices: list[Dataset]
    others: list[Dataset]
    grid: Grid

    def check(self, path: Path) -> None:
        """Refuse an image that does not lie on the grid of the series.

        Args:
            path: File of a map, mask or segmentation.

        Raises:
            ValueError: It does not; says how it differs.
        """
        difference = grid_of(path).difference(self.grid)
        if difference:
            raise ValueError(
                f"{path.name} has {difference} by the DICOM series. Export what was predicted from the imported "
                "images, unchanged."
            )


def find_sources(
    record: Record, cases: Collection[str], folder: Path | None = None
) -> tuple[dict[str, Source], dict[str, str]]:
    """The sources of cases, and why others have none.

    Args:
        record: Record of the import.
        cases: Names of the cases, all of which are in the record.
        folder: Folder of the DICOM files; those of the record if omitted.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A file is damaged.
    """
    found: dict[str, dict[str, Path]] = {}
    sources: dict[str, Source] = {}
    failed: dict[str, str] = {}
    for case in cases:
        place = str(folder or record.cases[case].folder)
        if not place:
            failed[case] = "its record names no folder of DICOM files. Name it: --dicom FOLDER"
            continue
        if place not in found:
            found[place] = uids_below(Path(place))
        files = found[place]
        wanted = [uid for channel in record.cases[case].channels for uid in channel.instances]
        missing = sum(uid not in files for uid in wanted)
        if missing:
            failed[case] = (
                f"{missing} of its {len(wanted)} DICOM files are not below {place}. Name theirs: --dicom FOLDER"
            )
            continue
        try:
            sources[case] = _source(record, case, files)
        except ValueError as error:
            failed[case] = str(error)
    return sources, failed


def _source(record: Record, case: str, files: Mapping[str, Path]) -> Source:
    first, *others = [[_whole(files[uid]) for uid in c.instances] for c in record.cases[case].channels]
    headers = [
        Header.of(files[uid], file) for uid, file in zip(record.cases[case].channels[0].instances, first, strict=True)
    ]
    series = Series.of(headers, derived=True)
    if series.problem or [h.uid for h in series.headers] != record.cases[case].channels[0].instances:
        raise ValueError(f"its DICOM files changed since the import: {series.problem or 'another order of slices'}.")
    if not headers[0].frame_of_reference:
        raise ValueError(
            "its series has no frame of reference (FrameOfReferenceUID), which DICOM objects beside it need."
        )
    grid = grid_of_slices(series.headers)
    for file in first:
        if grid.spacing is not None and not file.get("SliceThickness"):
            file.SliceThickness = f"{float(grid.spacing[2]):.6g}"
    return Source(first, [file for channel in others for file in channel], grid)


def _whole(path: Path) -> Dataset:
    """All elements of a file but its pixels; those that DICOM wants are there, empty if they are unknown."""
    file = read_header(path)
    for keyword in _REQUIRED:
        if keyword not in file:
            setattr(file, keyword, "")
    return file
