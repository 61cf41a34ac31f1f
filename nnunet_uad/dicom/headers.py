"""Headers of DICOM files: what is needed of them, read without their pixels and checked where it enters."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import MediaStorageDirectoryStorage
from tqdm import tqdm

#: What a DICOM file holds behind its first 128 bytes.
_MAGIC, _MAGIC_AT = b"DICM", 128
_AGAIN = "Export or copy it again, or take it out of the folder."
_KEYWORDS = (
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "PatientName",
    "SeriesDescription",
    "SeriesNumber",
    "Modality",
    "ImageType",
    "Rows",
    "Columns",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
)


@dataclass(frozen=True)
class Header:
    """What is needed of the header of a DICOM file.

    Attributes:
        path: File of the image.
        uid: SOPInstanceUID, by which other files refer to it.
        study: UID of its study (StudyInstanceUID).
        series: UID of its series (SeriesInstanceUID).
        frame_of_reference: FrameOfReferenceUID; empty if there is none.
        patient: PatientID and PatientName; they stay in memory.
        description: Words for the series (SeriesDescription).
        number: SeriesNumber; −1 if there is none.
        modality: Modality, ``MR``.
        image_type: Values of ImageType.
        size: Rows and columns; ``None`` of a file without an image.
        frames: Number of frames.
        grey: Whether a pixel holds one value that is bright where it is high.
        has_table: Whether stored values pass a table of values (ModalityLUTSequence).
        rescale: Slope and intercept from stored values to values.
        position: Position of the first pixel (x, y, z), mm; ``None`` if it is missing or no three numbers.
        orientation: Directions of rows and columns, six numbers; ``None`` as before.
        spacing: Distances of rows and of columns, mm; ``None`` as before.
    """

    path: Path
    uid: str
    study: str
    series: str
    frame_of_reference: str
    patient: tuple[str, str]
    description: str
    number: int
    modality: str
    image_type: tuple[str, ...]
    size: tuple[int, int] | None
    frames: int
    grey: bool
    has_table: bool
    rescale: tuple[float, float]
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None

    @classmethod
    def of(cls, path: Path, file: Dataset) -> Header:
        """The header of a file.

        Args:
            path: File that was read.
            file: Elements of the file, its pixels left out.
        """
        size = _numbers(file, "Rows", 1), _numbers(file, "Columns", 1)
        frames = _numbers(file, "NumberOfFrames", 1)
        number = _numbers(file, "SeriesNumber", 1)
        slope = _numbers(file, "RescaleSlope", 1) or (1.0,)
        intercept = _numbers(file, "RescaleIntercept", 1) or (0.0,)
        image_type = _element(file, "ImageType")
        return cls(
            path=path,
            uid=_text(file, "SOPInstanceUID"),
            study=_text(file, "StudyInstanceUID"),
            series=_text(file, "SeriesInstanceUID"),
            frame_of_reference=_text(file, "FrameOfReferenceUID"),
            patient=(_text(file, "PatientID"), _text(file, "PatientName")),
            description=_text(file, "SeriesDescription"),
            number=int(number[0]) if number else -1,
            modality=_text(file, "Modality"),
            image_type=(image_type,) if isinstance(image_type, str) else tuple(str(v) for v in image_type or ()),
            size=(int(size[0][0]), int(size[1][0])) if size[0] and size[1] else None,
            frames=int(frames[0]) if frames else 1,
            grey=_text(file, "SamplesPerPixel") in ("", "1")
            and _text(file, "PhotometricInterpretation") in ("", "MONOCHROME2"),
            has_table=bool(_element(file, "ModalityLUTSequence")),
            rescale=(slope[0], intercept[0]),
            position=_numbers(file, "ImagePositionPatient", 3),
            orientation=_numbers(file, "ImageOrientationPatient", 6),
            spacing=_numbers(file, "PixelSpacing", 2),
        )


def headers_below(folder: Path, say: Callable[[str], object], strict: bool = True) -> list[Header]:
    """Headers of all DICOM files of a folder, in any nesting, in the order of their paths.

    Args:
        folder: Folder to look into; hidden files, and DICOMDIR, which lists others, are passed over.
        say: Function that is told how many files are no DICOM.
        strict: Whether a damaged file is refused, for it may be a slice that is missed; else it is told.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: The folder holds no DICOM file, or a damaged one.
    """
    files = list(dicom_files(folder))
    headers: list[Header] = []
    others, damaged = 0, []
    for path in tqdm(files, desc="Reading headers", unit="file", leave=False):
        if not _is_dicom(path):
            others += 1
            continue
        try:
            header = _header(path)
        except ValueError as error:
            damaged.append(str(error))
            continue
        headers += [header] if header else []
    if damaged:
        told = f"{damaged[0]}{f' So are {len(damaged) - 1} others.' if len(damaged) > 1 else ''}"
        if strict:
            raise ValueError(told)
        say(told)
    if not headers:
        raise ValueError(
            f"{folder} holds no DICOM file; {others} other file(s) were found. Name the folder above them."
        )
    if others:
        say(f"{others} file(s) of {folder} are no DICOM and were passed over.")
    return headers


def dicom_files(folder: Path) -> Iterator[Path]:
    """Files of a folder that may be DICOM, sorted.

    Args:
        folder: Folder to look into, in any nesting.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder. Name one that holds DICOM files, in any nesting.")
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.name.upper() != "DICOMDIR" and path.is_file():
            yield path


def read_header(path: Path, keywords: tuple[str, ...] | list[str] | None = None) -> Dataset:
    """Elements of a DICOM file without its pixels.

    Args:
        path: File to read.
        keywords: Keywords of the elements that are wanted; all if omitted.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with quiet():
            return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(keywords) if keywords else None)
    except (InvalidDicomError, EOFError, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise ValueError(f"{path} is damaged ({error}). {_AGAIN}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries from warning of elements that are not as DICOM wants them: they print the patient's name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def uids_below(folder: Path) -> dict[str, Path]:
    """SOPInstanceUID → file, of all DICOM files of a folder.

    Args:
        folder: Folder to look into, in any nesting.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A file is damaged.
    """
    files = tqdm([p for p in dicom_files(folder) if _is_dicom(p)], desc="Reading headers", unit="file", leave=False)
    return {_text(read_header(path, ["SOPInstanceUID"]), "SOPInstanceUID"): path for path in files}


def _header(path: Path) -> Header | None:
    """The header of a file; ``None`` of one that lists others.

    Raises:
        ValueError: The file is damaged.
    """
    file = read_header(path, _KEYWORDS)
    if file.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        return None
    with quiet():
        header = Header.of(path, file)
    if not header.uid:
        raise ValueError(f"{path} is damaged (no SOPInstanceUID). {_AGAIN}")
    return header


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(_MAGIC_AT + len(_MAGIC))[_MAGIC_AT:] == _MAGIC


def _element(file: Dataset, keyword: str) -> Any:
    """Value of an element; ``None`` if it is missing, empty or of a form that DICOM does not allow."""
    try:
        return getattr(file, keyword, None)
    except (ValueError, TypeError, OverflowError):
        return None


def _text(file: Dataset, keyword: str) -> str:
    value = _element(file, keyword)
    return "" if value is None else str(value).strip()


def _numbers(file: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    value = _element(file, keyword)
    try:
        numbers = tuple(float(v) for v in (value if count > 1 else [value]))
    except (ValueError, TypeError):
        return None
    return numbers if len(numbers) == count and all(math.isfinite(n) for n in numbers) else None
