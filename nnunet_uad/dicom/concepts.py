"""Coded concepts: what a segment is, and which algorithm made it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

import nnunet_uad
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.dicom.kinds import ANOMALY, CaseFile
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.screening.names import RECORD as SCREEN_RECORD

_ABNORMAL = codes.SCT.MorphologicallyAbnormalStructure
#: Words in the name of a label → concept of DICOM's CID 7159, Lesion Segmentation Types; the first that fits.
_TYPES: dict[str, Code] = {
    "edema": codes.SCT.Edema,
    "oedema": codes.SCT.Edema,
    "necro": codes.SCT.Necrosis,
    "hemorrhage": codes.SCT.Hemorrhage,
    "haemorrhage": codes.SCT.Hemorrhage,
    "metasta": codes.SCT.NeoplasmSecondary,
    "tumor": codes.SCT.Neoplasm,
    "tumour": codes.SCT.Neoplasm,
    "glioma": codes.SCT.Neoplasm,
    "neoplasm": codes.SCT.Neoplasm,
    "cyst": codes.SCT.Cyst,
    "nodule": codes.SCT.Nodule,
    "mass": codes.SCT.Mass,
    "lesion": codes.SCT.Lesion,
    # What is abnormal without anybody knowing what it is.
    ANOMALY: _ABNORMAL,
    "unknown finding": _ABNORMAL,
}
#: Letters of a DICOM text of the kind LO.
LONGEST = 64


def category_and_type(name: str) -> tuple[Code, Code]:
    """Category and type of a segment by the name of its label; of a name that says nothing: tissue, as 3D Slicer does.

    Args:
        name: Name of the label.

    Example:
        >>> [concept.meaning for concept in category_and_type("enhancing tumour")]
        ['Morphologically Abnormal Structure', 'Neoplasm']
    """
    found = next((concept for word, concept in _TYPES.items() if word in name.casefold()), None)
    return (_ABNORMAL, found) if found else (codes.SCT.Tissue, codes.SCT.Tissue)


def algorithm(folder: Path, file: CaseFile) -> AlgorithmIdentificationSequence:
    """Which algorithm made a file: the plugin's version and the model's names, or nnU-Net's for its own predictions.

    Args:
        folder: Folder of the file, whose record names the model.
        file: File of a case.
    """
    record = next((folder / n for n in (MAPS_RECORD, SCREEN_RECORD) if (folder / n).is_file()), None)
    if record is None and not file.kind.ending:
        return AlgorithmIdentificationSequence(
            "nnU-Net", codes.DCM.ArtificialIntelligence, metadata.version("nnunetv2"), "nnU-Net"
        )
    parameters = _model(read_mapping(record)) if record else {}
    return AlgorithmIdentificationSequence(
        "nnunet_uad",
        codes.DCM.ArtificialIntelligence,
        nnunet_uad.__version__[:LONGEST],
        "nnunet_uad",
        parameters or None,
    )


def descriptions(names: Mapping[int, str], made_by: AlgorithmIdentificationSequence) -> list[SegmentDescription]:
    """Descriptions of segments, numbered from 1 on as DICOM wants them.

    Args:
        names: Names of the labels by value, ascending.
        made_by: Algorithm that made them.
    """
    return [
        SegmentDescription(
            number, name[:LONGEST], *category_and_type(name), SegmentAlgorithmTypeValues.AUTOMATIC, made_by
        )
        for number, name in enumerate(names.values(), start=1)
    ]


def _model(record: Mapping[str, Any]) -> dict[str, str]:
    """Names of the model in a record of maps, as far as it has them."""
    model = record.get("model")
    return {key: str(value) for key, value in model.items() if value} if isinstance(model, dict) else {}
