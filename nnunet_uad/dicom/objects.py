"""DICOM objects beside their source: labels as DICOM-SEG, values as a Parametric Map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence, VOILUTTransformation
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.seg import Segmentation, SegmentationTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

import nnunet_uad
from nnunet_uad.dicom.concepts import LONGEST, descriptions
from nnunet_uad.dicom.kinds import CaseFile
from nnunet_uad.dicom.sources import Source

#: Letters of DICOM texts of the kinds SH and CS.
_SHORT = 16
#: Share of the values that a viewer shows from black to white at first.
_WINDOW = (0.5, 99.9)


def segmentation(
    file: CaseFile,
    labels: np.ndarray,
    names: Mapping[int, str],
    source: Source,
    made_by: AlgorithmIdentificationSequence,
    origin: str,
) -> Dataset:
    """A DICOM-SEG with a segment per label.

    Every slice has a frame for every segment, also an empty one: readers that stack frames (GDCM, so SimpleITK) would
    close the gaps.

    Args:
        file: File of the labels.
        labels: Labels (z, y, x) on the grid of the source.
        names: Names of the labels by value.
        source: Source of the case.
        made_by: Algorithm that made them.
        origin: Text that is the same for the same content, which the UIDs follow from.
    """
    numbers = np.zeros(labels.shape, np.uint16 if len(names) > 255 else np.uint8)
    for number, value in enumerate(names, start=1):
        numbers[labels == value] = number
    return Segmentation(
        source_images=source.slices,
        pixel_array=numbers,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions(names, made_by),
        content_label="SEGMENTATION",
        omit_empty_frames=False,
        further_source_images=source.others or None,
        **_common(file, origin),
    )


def parametric_map(file: CaseFile, values: np.ndarray, source: Source, origin: str) -> Dataset:
    """A Parametric Map of float32 values.

    Args:
        file: File of the values.
        values: Values (z, y, x) on the grid of the source.
        source: Source of the case.
        origin: Text that is the same for the same content, which the UIDs follow from.
    """
    low, high = (float(v) for v in np.percentile(values, _WINDOW))
    mapping = RealWorldValueMapping(
        lut_label=file.kind.words[:_SHORT],
        lut_explanation=file.words[:LONGEST],
        unit=codes.UCUM.NoUnits,
        value_range=(float(values.min()), float(values.max())),
        slope=1.0,
        intercept=0.0,
    )
    return ParametricMap(
        source_images=source.slices,
        pixel_array=np.ascontiguousarray(values, np.float32),
        # A map of a head may show a face as much as the scan does.
        contains_recognizable_visual_features=True,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-6))
        ],
        content_label="MAP",
        further_source_images=source.others or None,
        **_common(file, origin),
    )


def uid_of(origin: str, what: str) -> str:
    """A UID that is the same for the same content: a second export is not a second finding in the archive.

    Args:
        origin: Text that is the same for the same content.
        what: Noun for what the UID is of.
    """
    return str(generate_uid(entropy_srcs=[origin, what]))


def _common(file: CaseFile, origin: str) -> dict[str, Any]:
    """Arguments that both kinds of objects share."""
    version = nnunet_uad.__version__[:LONGEST]
    return {
        "series_instance_uid": uid_of(origin, "series"),
        "series_number": file.series_number,
        "sop_instance_uid": uid_of(origin, "instance"),
        "instance_number": 1,
        "manufacturer": "nnunet_uad",
        "manufacturer_model_name": "nnunet_uad",
        "software_versions": version,
        "device_serial_number": "none",
        "series_description": f"nnunet_uad: {file.words}"[:LONGEST],
        "content_description": f"{file.words}, for research"[:LONGEST],
    }
