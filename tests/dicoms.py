"""DICOM series of nobody, written by pydicom: oblique if wanted, files in any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SHAPE = (5, 7, 6)
#: Voxel size (z, y, x), mm.
SPACING = (3.0, 1.5, 1.25)
STRAIGHT = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def voxels(seed: int, shape: Sequence[int] = SHAPE) -> np.ndarray:
    """Stored values (z, y, x)."""
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(np.int16)


def orientation(seed: int) -> tuple[float, ...]:
    """Any orientation of rows and columns, ImageOrientationPatient."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return tuple(float(v) for v in (*q[:, 0], *q[:, 1]))


def direction(axes: Sequence[float]) -> np.ndarray:
    """Directions of the axes x, y, z, a column each."""
    row, column = np.array(axes[:3]), np.array(axes[3:])
    return np.stack([row, column, np.cross(row, column)], axis=1)


def write_series(
    folder: Path,
    values: np.ndarray,
    *,
    description: str = "FLAIR axial",
    patient: str = "Doe^Jane",
    study: str = "1.2.3.1",
    series: str = "",
    axes: Sequence[float] = STRAIGHT,
    origin: Sequence[float] = (-20.0, 15.0, 7.5),
    spacing: Sequence[float] = SPACING,
    slopes: Sequence[float] = (),
    change: Callable[[int, FileDataset], Any] = lambda k, image: None,
    **header: Any,
) -> list[Path]:
    """Write a series of single-frame MR images; the names of the files say nothing of their order.

    Args:
        folder: Folder to write into.
        values: Stored values (z, y, x).
        description: SeriesDescription.
        patient: PatientName; PatientID follows from it.
        study: StudyInstanceUID.
        series: SeriesInstanceUID; of study and description if empty.
        axes: ImageOrientationPatient.
        origin: Position of the first voxel, mm.
        spacing: Voxel size (z, y, x), mm.
        slopes: RescaleSlope of every slice, with an intercept of −3; none are written if empty.
        change: Function of a slice's number and its image, called before it is written.
        **header: Further elements by keyword.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = series or generate_uid(entropy_srcs=[study, description])
    normal = np.cross(axes[:3], axes[3:])
    paths = []
    for k, plane in enumerate(values):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = MRImageStorage, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[series, str(k)])
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
        image.PatientName, image.PatientID = patient, f"ID-{patient.split('^')[0]}"
        image.StudyInstanceUID, image.SeriesInstanceUID = study, series
        image.SeriesDescription, image.SeriesNumber, image.Modality = description, 4, "MR"
        image.FrameOfReferenceUID = f"{study}.7"
        image.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        image.InstanceNumber = k + 1
        image.ImageOrientationPatient = [f"{v:.10f}" for v in axes]
        image.ImagePositionPatient = [f"{v:.8f}" for v in np.array(origin) + k * spacing[0] * normal]
        image.PixelSpacing, image.SliceThickness = [spacing[1], spacing[2]], spacing[0]
        image.Rows, image.Columns = plane.shape
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
        if len(slopes):
            image.RescaleSlope, image.RescaleIntercept, image.RescaleType = slopes[k], -3, "US"
        for keyword, value in header.items():
            setattr(image, keyword, value)
        image.PixelData = np.ascontiguousarray(plane, "<i2").tobytes()
        change(k, image)
        # Sorted by name, slices would stand in another order than in space.
        path = folder / f"IM{(k * 3 + 1) % 101:04d}_{(k * 7) % 5}"
        image.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def multi_frame(image: Dataset) -> None:
    """Make an image one of several frames."""
    image.NumberOfFrames = 2
    image.PixelData = image.PixelData * 2
