"""Findings: what lies together in a mask, where it is and how anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from nnunet_uad.metrics.lesions import connected_components
from nnunet_uad.scoring.geometry import is_natural_image

KNOWN, UNKNOWN = "known", "unknown"


@dataclass(frozen=True)
class Finding:
    """A connected component of the segmentation, or of what is anomalous beside it.

    Attributes:
        kind: Word for where it comes from, ``known`` or ``unknown``.
        number: Number among the findings of its kind in the case, from 1, the highest score first; of an unknown one
            its value in ``CASE_unknown``.
        label: Name of the class that most of a known finding's voxels have; empty of an unknown one.
        x_mm: Position of its centre of mass, mm to the left (LPS, as SimpleITK and DICOM count).
        y_mm: Position of its centre of mass, mm to the back.
        z_mm: Position of its centre of mass, mm upwards.
        slice: Index of the slice with most of its voxels, from 0, along the first axis of SimpleITK's arrays.
        voxels: Number of its voxels.
        volume_mm3: Volume, mm³ (mm², for 2D images).
        peak_score: Highest combined score.
        mean_score: Mean combined score.
        peak_map: Highest value of the anomaly map.
    """

    kind: str
    number: int
    label: str
    x_mm: float
    y_mm: float
    z_mm: float
    slice: int
    voxels: int
    volume_mm3: float
    peak_score: float
    mean_score: float
    peak_map: float


@dataclass(frozen=True)
class Case:
    """A screened case on the grid of its raw image.

    Attributes:
        segmentation: Labels (z, y, x) of the supervised model.
        unknown: Mask (z, y, x) of what is anomalous and not explained by them.
        scores: Anomaly map (z, y, x).
        combined: Combined score (z, y, x).
        properties: Mapping that nnU-Net stored when it read the case.
    """

    segmentation: np.ndarray
    unknown: np.ndarray
    scores: np.ndarray
    combined: np.ndarray
    properties: Mapping[str, Any]


def findings_of(case: Case, classes: Mapping[int, str], min_mm3: float = 0.0) -> tuple[list[Finding], np.ndarray]:
    """Group what a case shows.

    Components are those of :func:`~nnunet_uad.metrics.lesions.connected_components`: voxels that share a face, an edge
    or a corner. A known finding is a component of all labels together: a tumour and its oedema are one.

    Args:
        case: Case to describe.
        classes: Value of a label → its name.
        min_mm3: Volume below which unknown findings are dropped, mm³ (mm², for 2D images). Known ones all stay: they
            are what nnU-Net says.

    Returns:
        Findings, the highest score first, and labels (z, y, x), uint16: the numbers of the unknown ones.
    """
    known, _ = _components(case, case.segmentation > 0, KNOWN, classes, 0.0)
    unknown, labels = _components(case, case.unknown, UNKNOWN, {}, min_mm3)
    return sorted([*known, *unknown], key=lambda finding: -finding.peak_score), labels


def _components(
    case: Case, mask: np.ndarray, kind: str, classes: Mapping[int, str], min_mm3: float
) -> tuple[list[Finding], np.ndarray]:
    """Findings of a kind, the highest score first, and their numbers as labels (z, y, x)."""
    components, count = connected_components(mask)
    volume = float(np.prod(voxel_size(case.properties)))
    found = []
    for index, box in enumerate(ndimage.find_objects(components, max_label=count), start=1):
        inside = components[box] == index
        if np.count_nonzero(inside) * volume >= min_mm3:
            found.append((index, box, inside, float(case.combined[box][inside].max())))
    found.sort(key=lambda entry: -entry[3])
    numbers = np.zeros(count + 1, np.uint16)
    findings = []
    for number, (index, box, inside, peak) in enumerate(found[: np.iinfo(np.uint16).max], start=1):
        numbers[index] = number
        places = np.argwhere(inside) + [axis.start for axis in box]
        slices, counts = np.unique(places[:, 0], return_counts=True)
        x, y, z = world_position(places.mean(0), case.properties)
        values, weights = np.unique(case.segmentation[box][inside], return_counts=True)
        findings.append(
            Finding(
                kind=kind,
                number=number,
                label=classes.get(int(values[weights.argmax()]), ""),
                x_mm=x,
                y_mm=y,
                z_mm=z,
                slice=int(slices[counts.argmax()]),
                voxels=len(places),
                volume_mm3=len(places) * volume,
                peak_score=peak,
                mean_score=float(case.combined[box][inside].mean(dtype=np.float64)),
                peak_map=float(case.scores[box][inside].max()),
            )
        )
    return findings, numbers[components]


def voxel_size(properties: Mapping[str, Any]) -> tuple[float, ...]:
    """Voxel size (z, y, x) of a raw image, mm; 1, a pixel, of natural images and along the missing axis of slices.

    Args:
        properties: Mapping that nnU-Net stored when it read the case.
    """
    # nnU-Net gives 2D images an axis of 999 mm in front.
    flat = is_natural_image(dict(properties)) or len(properties.get("sitk_stuff", {}).get("spacing", (1, 1, 1))) == 2
    spacing = [float(s) for s in properties["spacing"]]
    if is_natural_image(dict(properties)):
        return (1.0,) * len(spacing)
    return (1.0, *spacing[1:]) if flat else tuple(spacing)


def world_position(index: Sequence[float], properties: Mapping[str, Any]) -> tuple[float, float, float]:
    """Where a point of an array lies in the world of its image: LPS, mm, as SimpleITK and DICOM count.

    Viewers that count to the right and to the front, RAS as NIfTI's headers, show x and y with the other sign.

    Args:
        index: Place in the array (z, y, x), voxels, which may lie between them.
        properties: Mapping that nnU-Net stored when it read the case. Images without header have their voxels at
            multiples of the spacing.

    Returns:
        Position (x, y, z), mm; pixels, for natural images; z is 0 of an image of two axes.

    Example:
        >>> header = {"spacing": (1.0, 2.0), "origin": (10.0, 20.0), "direction": (-1.0, 0.0, 0.0, 1.0)}
        >>> world_position((0, 3, 4), {"sitk_stuff": header, "spacing": (999, 2.0, 1.0)})
        (6.0, 26.0, 0.0)
    """
    point = np.asarray(index, np.float64)[::-1]
    if header := properties.get("sitk_stuff"):
        axes = len(header["spacing"])
        direction = np.array(header["direction"], np.float64).reshape(axes, axes)
        place = np.array(header["origin"]) + direction @ (point[:axes] * np.array(header["spacing"]))
    elif header := properties.get("nibabel_stuff"):
        affine = np.asarray(header.get("reoriented_affine", header["original_affine"]), np.float64)
        place = (affine @ [*point, 1.0])[:3] * (-1, -1, 1)
    else:
        place = point * np.array(voxel_size(properties))[::-1]
        place[2:] = 0.0 if is_natural_image(dict(properties)) else place[2:]
    x, y, z = (float(value) for value in (*place, 0.0)[:3])
    return x, y, z
