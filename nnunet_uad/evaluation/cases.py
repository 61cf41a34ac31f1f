"""Cases of an evaluation: their files, read one by one onto the grid of the labels."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from nnunet_uad.data.grids import voxel_spacing
from nnunet_uad.data.image_files import channels_in, images_in, maps_in, read_on_grid, read_values
from nnunet_uad.data.probability_files import lesion_probability, probabilities_in
from nnunet_uad.data.raw_files import whole_numbers
from nnunet_uad.evaluation.request import EvaluationRequest
from nnunet_uad.metrics.baseline import equalised_intensity, image_foreground
from nnunet_uad.metrics.lesion_recall import Lesions

#: Name of the maps' own score in a summary.
MAP = "map"


@dataclass(frozen=True)
class Case:
    """A case that could be read.

    Attributes:
        identifier: Name of the case.
        scores: Name of a score → its values, float, on the grid of the labels.
        positive: Voxels of lesions, bool.
        valid: Voxels that count, bool; ``None`` where all do.
        foreground: Voxels whose healthy ones false-positive rates are shares of, bool.
        spacing: Edge lengths of a voxel, mm.
    """

    identifier: str
    scores: dict[str, np.ndarray]
    positive: np.ndarray
    valid: np.ndarray | None
    foreground: np.ndarray
    spacing: tuple[float, ...]

    @property
    def lesions(self) -> Lesions:
        """Lesions with their volumes."""
        return Lesions.of(self.positive, math.prod(self.spacing))

    @property
    def healthy(self) -> int:
        """Number of foreground voxels without lesion."""
        healthy = self.foreground & ~self.positive
        return int(np.count_nonzero(healthy if self.valid is None else healthy & self.valid))


def pair_files(request: EvaluationRequest) -> tuple[dict[str, dict[str, Path]], dict[str, str]]:
    """Files of each case, and what is missing.

    Args:
        request: Request that names what is compared with what.

    Returns:
        Case → kind of file → path, of the cases that are whole; case → what it lacks, of the others.
    """
    maps = probabilities_in(request.maps) if request.probabilities else maps_in(request.maps)
    labels = images_in(request.labels)
    masks = images_in(request.masks) if request.masks else {}
    images = channels_in(request.images) if request.images else {}
    files: dict[str, dict[str, Path]] = {}
    failed: dict[str, str] = {}
    for case in sorted(request.only or {*maps, *labels}):
        missing = [what for what, files_of in {"map": maps, "label": labels}.items() if case not in files_of]
        if request.masks and case not in masks:
            missing.append("mask")
        missing += [f"image of channel {k}" for k in request.channels if k not in images.get(case, {})]
        if missing:
            failed[case] = f"there is no {' and no '.join(missing)} of this case"
            continue
        files[case] = {"map": maps[case], "label": labels[case]}
        if request.masks:
            files[case]["mask"] = masks[case]
        files[case] |= {_channel(k): images[case][k] for k in request.channels}
    return files, failed


def _channel(index: int) -> str:
    return f"channel {index}"


def read_cases(
    request: EvaluationRequest,
    files: dict[str, dict[str, Path]],
    failed: dict[str, str],
    what: str,
    wanted: Collection[str] | None = None,
) -> Iterator[Case]:
    """Cases one by one, with all scores or those wanted.

    Args:
        request: Request that names what is compared with what.
        files: Files of each case (:func:`pair_files`).
        failed: Case → why it cannot be read; what fails here is added.
        what: Word for the progress bar.
        wanted: Names of the floors' scores to make; all if not given.
    """
    for identifier, paths in tqdm(files.items(), desc=what):
        try:
            case = _read(request, identifier, paths, wanted)
        except (ValueError, OSError, MemoryError) as error:
            failed[identifier] = str(error)
            continue
        yield case


def _read(request: EvaluationRequest, identifier: str, paths: dict[str, Path], wanted: Collection[str] | None) -> Case:
    reference = paths["label"]
    labels = whole_numbers(read_values(reference), reference.name)
    valid = None if request.ignore_label is None else labels != request.ignore_label
    positive = _lesions(labels, valid, request)
    foreground = None
    if "mask" in paths:
        foreground = read_on_grid(paths["mask"], reference, request.resample) > 0.5
    if request.probabilities:
        values = lesion_probability(paths["map"], labels.shape, request.lesion_labels)
    else:
        values = read_on_grid(paths["map"], reference, request.resample)
    if values.min() == values.max():
        raise ValueError(f"{paths['map'].name} is {values.max():g} everywhere: an empty map ranks nothing.")
    scores = {MAP: _inside(values, foreground)}
    known, spacing = foreground, voxel_spacing(reference)
    for channel in request.channels:
        image = read_on_grid(paths[_channel(channel)], reference, request.resample)
        inside = image_foreground(image) if foreground is None else foreground
        known = inside if known is None else known | inside
        for floor in (f for f in request.floors if f.channel == channel):
            scores |= floor.maps(image, inside, spacing, wanted)
        for name in (n for n, k in request.baselines.items() if k == channel):
            scores[name] = equalised_intensity(image, inside)
    if known is None:
        known = image_foreground(values)
    return Case(identifier, scores, positive, valid, known, spacing)


def _lesions(labels: np.ndarray, valid: np.ndarray | None, request: EvaluationRequest) -> np.ndarray:
    present = sorted({int(v) for v in np.unique(labels)} - {0, request.ignore_label})
    if not request.lesion_labels and set(present) - {1}:
        raise ValueError(
            f"the labels hold the values {present}, where 0 and 1 were expected. Say which are lesions: "
            f"--labels {' '.join(map(str, present))}"
        )
    positive = np.isin(labels, list(request.lesion_labels or (1,)))
    if valid is not None:
        positive &= valid
    if not positive.any() and not request.healthy_cases:
        raise ValueError("the labels hold no lesion voxel. If healthy cases belong to the test: --healthy-cases")
    return positive


def _inside(scores: np.ndarray, foreground: np.ndarray | None) -> np.ndarray:
    """Voxels outside the foreground count as score 0, or as the lowest score where there are negative ones."""
    if foreground is None:
        return scores
    return np.where(foreground, scores, min(0.0, float(scores.min()))).astype(np.float32)
