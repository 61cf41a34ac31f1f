"""Maps, masks and segmentations of imported cases as DICOM objects beside the series that they were made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from tqdm import tqdm

import nnunet_uad
from nnunet_uad.common.files import atomic_path, file_hash
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.data.image_files import read_values
from nnunet_uad.data.raw_files import whole_numbers
from nnunet_uad.dicom.concepts import algorithm
from nnunet_uad.dicom.headers import quiet, read_header
from nnunet_uad.dicom.kinds import CaseFile, files_of_cases, segments_of
from nnunet_uad.dicom.objects import parametric_map, segmentation, uid_of
from nnunet_uad.dicom.record import Record
from nnunet_uad.dicom.sources import Source, find_sources

Say = Callable[[str], object]


#: What helps where an element of the source cannot be copied into a new object.
_HEADERS = "DICOM objects repeat the elements of their source: correct that element in the source files."


@dataclass(frozen=True)
class ExportRequest:
    """What is to be exported.

    Attributes:
        maps: Folder of maps, masks or segmentations.
        output: Folder to write into.
        images: Folder of the imported images, with the record.
        dicom: Folder of the DICOM files; that of the import if omitted.
        dataset: Content of the ``dataset.json`` that names labels; that beside the maps if omitted.
        split: Whether every label gets a file of its own.
        overwrite: Whether files of before are replaced by others.
    """

    maps: Path
    output: Path
    images: Path
    dicom: Path | None = None
    dataset: Mapping[str, Any] | None = None
    split: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class ExportResult:
    """What became of the files.

    Attributes:
        written: Files that were written or were there already.
        failed: Reasons why files or cases could not be exported, by name.
    """

    written: list[Path] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def export_folder(request: ExportRequest, say: Say = print) -> ExportResult:
    """Write a DICOM file for every image of a folder; one that fails does not stop the others.

    Args:
        request: Folders, and what is wanted.
        say: Function that is told what was passed over.

    Returns:
        What became of every file.

    Raises:
        FileNotFoundError: A folder, or the record of the import, does not exist.
        ValueError: Nothing in the folder belongs to an imported case, or a DICOM file is damaged.
        LockedError: Another process writes into the output.
    """
    record = Record.read(request.images)
    files, others = files_of_cases(request.maps, list(record.cases))
    if not files:
        raise ValueError(
            f"{request.maps} holds nothing of the cases {', '.join(list(record.cases)[:5])} …, which were imported "
            f"into {request.images}; it has {', '.join(others[:5])}. Name the folder of their maps, and their --images."
        )
    if others:
        say(f"{len(others)} image(s) belong to no imported case and were passed over: {', '.join(others[:5])}")
    cases = list(dict.fromkeys(file.case for file in files))
    sources, failed = find_sources(record, cases, request.dicom)
    dataset = request.dataset or _dataset_beside(request.maps)
    written: list[Path] = []
    with folder_lock(request.output, say=say):
        for file in tqdm([f for f in files if f.case in sources], desc="Exporting", unit="file"):
            try:
                written += _export(file, sources[file.case], dataset, request)
            except ValueError as error:
                failed[file.path.name] = f"{error} {_HEADERS}" if "not a valid" in str(error) else str(error)
            except (AttributeError, KeyError, TypeError) as error:
                # Of an element that highdicom expects in the source.
                failed[file.path.name] = f"{type(error).__name__}: {error}. {_HEADERS}"
    return ExportResult(written, failed)


def _export(file: CaseFile, source: Source, dataset: Mapping[str, Any] | None, request: ExportRequest) -> list[Path]:
    """The DICOM files of an image.

    Raises:
        ValueError: The image is damaged, of another grid, or holds what it should not; or another file is in the way.
    """
    source.check(file.path)
    values = read_values(file.path)
    names = segments_of(file, values, dataset)
    made_of = [file_hash(file.path), str(source.slices[0].SeriesInstanceUID), nnunet_uad.__version__, file.name]
    if names is None:
        origin = json.dumps(made_of)
        target = request.output / f"{file.name}.dcm"
        return [_write(target, origin, lambda: parametric_map(file, values, source, origin), request)]
    labels = whole_numbers(values, file.path.name)
    made_by = algorithm(request.maps, file)
    parts = [{v: n} for v, n in names.items()] if request.split else [names]
    paths = []
    for part in parts:
        origin = json.dumps([*made_of, part, list(map(str, made_by[0].values()))])
        label = f"_label{next(iter(part))}" if request.split else ""
        make = _maker(file, labels, part, source, made_by, origin)
        paths.append(_write(request.output / f"{file.name}{label}.dcm", origin, make, request))
    return paths


def _maker(*arguments: Any) -> Callable[[], Dataset]:
    """What makes a segmentation when it is wanted."""
    return lambda: segmentation(*arguments)


def _write(path: Path, origin: str, make: Callable[[], Dataset], request: ExportRequest) -> Path:
    """Write a file, unless the same is there.

    Raises:
        ValueError: Another file is there, and is not to be replaced.
    """
    if path.exists() and not request.overwrite:
        if str(read_header(path, ["SOPInstanceUID"]).get("SOPInstanceUID", "")) == uid_of(origin, "instance"):
            return path
        raise ValueError(f"{path} is there and was made of something else. Choose another -o, or --overwrite.")
    with atomic_path(path) as temporary, quiet():
        make().save_as(temporary)
    return path


def _dataset_beside(maps: Path) -> dict[str, Any] | None:
    """What nnUNetv2_predict leaves beside its predictions to name their labels."""
    path = maps / "dataset.json"
    return read_mapping(path) if path.is_file() else None
