"""What is annotated in preprocessed cases: volumes, slices, and a fingerprint that notices changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from tqdm import tqdm

from nnunet_uad.common.files import file_hash
from nnunet_uad.common.plan_settings import carried_settings
from nnunet_uad.study.pins import SEG_ENDING

#: A slice is worth annotating if at least so much of it is inside the image's nonzero region.
LEAST_FOREGROUND = 0.01


@dataclass(frozen=True)
class Annotation:
    """One case's labels on the preprocessed grid.

    Attributes:
        volume: Volume of the labelled foreground, mm³ (mm² for a 2D image).
        lesion_slices: Indices along the first axis of slices with foreground labels.
        other_slices: Indices of slices without, that show enough of the image.
        digest: SHA-256 of the label file's bytes.
    """

    volume: float
    lesion_slices: tuple[int, ...]
    other_slices: tuple[int, ...]
    digest: str

    @property
    def slices(self) -> int:
        """How many slices somebody who annotates the whole case looks at."""
        return len(self.lesion_slices) + len(self.other_slices)


def read_annotations(folder: Path, cases: Sequence[str], ignore: int | None, voxel: float) -> dict[str, Annotation]:
    """Annotations of preprocessed cases.

    Args:
        folder: Folder of a configuration's preprocessed data.
        cases: Identifiers of the cases.
        ignore: Label that means not annotated.
        voxel: Volume of a voxel, mm³.

    Raises:
        FileNotFoundError: A case's labels are not there in nnU-Net's present format.
    """
    annotations = {}
    for case in tqdm(cases, desc="reading labels", disable=len(cases) < 50):
        path = folder / f"{case}{SEG_ENDING}"
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist. Expected data as nnU-Net 2.8 preprocesses them; preprocess again: "
                "nnUNetv2_preprocess"
            )
        annotations[case] = _annotation(path, ignore, voxel)
    return annotations


def _annotation(path: Path, ignore: int | None, voxel: float) -> Annotation:
    seg = np.asarray(blosc2.open(urlpath=str(path), mode="r")[:])[0]
    positive = seg > 0
    if ignore is not None:
        positive &= seg != ignore
    flat = positive.reshape(len(seg), -1)
    lesion = flat.any(1)
    visible = (seg.reshape(len(seg), -1) >= 0).mean(1) >= LEAST_FOREGROUND
    return Annotation(
        volume=float(positive.sum() * voxel),
        lesion_slices=tuple(int(z) for z in np.flatnonzero(lesion)),
        other_slices=tuple(int(z) for z in np.flatnonzero(visible & ~lesion)),
        digest=file_hash(path),
    )


def fingerprint(
    annotations: dict[str, Annotation], plans: dict[str, Any], configuration: str, dataset_json: dict[str, Any]
) -> str:
    """A digest of labels, configuration, settings in the plans and channels: what a plan of a study was made for.

    Args:
        annotations: Annotations by case.
        plans: Content of the plans.
        configuration: Name of the configuration.
        dataset_json: Description of the dataset.
    """
    content = {
        "labels": {case: a.digest for case, a in sorted(annotations.items())},
        "configuration": plans["configurations"][configuration],
        "channels": dataset_json["channel_names"],
        "classes": dataset_json["labels"],
    }
    settings = carried_settings(plans)
    if settings:
        content["settings"] = settings
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
