"""Cases or slices as units that can be chosen: their features side by side, what is labelled, what is unusual."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_uad.selection.coverage import Choice, choose, distances, merits, percentiles, standardised
from nnunet_uad.selection.description import Description

#: Largest number of units that are compared; of more slices every second, third … is taken.
MOST = 5000


@dataclass(frozen=True)
class Unit:
    """A case, or a slice of one.

    Attributes:
        case: Identifier of the case.
        slice: Index of the slice in the raw image, ``None`` of a whole case.
        labelled: Whether it is labelled.
        descriptor: Features, (entries,).
        anomaly: Mean score of its most anomalous voxels.
        agreement: Mean Dice between the folds' segmentations, NaN where nobody knows.
    """

    case: str
    slice: int | None
    labelled: bool
    descriptor: np.ndarray
    anomaly: float
    agreement: float


@dataclass(frozen=True)
class Chosen:
    """A unit to label, with its reasons.

    Attributes:
        unit: Case or slice.
        rank: Place in the list, from 1.
        choice: Coverage by it.
        anomaly_above: Share of the other unlabelled units whose anomaly is lower.
        disagreement_above: Share of the other unlabelled units on which the folds agree more; ``None`` without folds.
    """

    unit: Unit
    rank: int
    choice: Choice
    anomaly_above: float
    disagreement_above: float | None


@dataclass(frozen=True)
class Weights:
    """What counts beside typicality and diversity.

    Attributes:
        anomaly: Weight of an unusual scan: the most anomalous unit counts 1 + weight times as much as the least.
        disagreement: Weight of folds that disagree, likewise.
    """

    anomaly: float = 1.0
    disagreement: float = 1.0


def case_units(descriptions: Mapping[str, Description], labelled: Sequence[str]) -> list[Unit]:
    """Whole cases as units.

    Args:
        descriptions: Case → what is known of it.
        labelled: Identifiers of the cases that are labelled.
    """
    return [
        Unit(case, None, case in labelled, d.moments.of_volume(), float(d.anomaly), float(d.agreement))
        for case, d in descriptions.items()
    ]


def slice_units(
    descriptions: Mapping[str, Description], labelled: Mapping[str, np.ndarray], say: Callable[[str], object] = print
) -> list[Unit]:
    """Slices as units.

    Args:
        descriptions: Case → what is known of it.
        labelled: Labelled case → whether each slice of the raw image is labelled, (slices,).
        say: Function that is told if there are too many.
    """
    found = {case: description.worthwhile_slices() for case, description in descriptions.items()}
    step = -(-sum(map(len, found.values())) // MOST)
    if step > 1:
        say(f"{sum(map(len, found.values()))} slices are too many to compare: of each case every {step}th is taken.")
    units = []
    for case, pairs in found.items():
        description = descriptions[case]
        descriptors = description.moments.descriptors()
        done = labelled.get(case)
        for index, z in pairs[::step] if step > 1 else pairs:
            units.append(
                Unit(
                    case,
                    index,
                    done is not None and bool(done[index]),
                    descriptors[z],
                    float(description.slice_anomaly[z]),
                    float(description.slice_agreement[z]),
                )
            )
    return units


def choose_units(units: Sequence[Unit], count: int, weights: Weights) -> list[Chosen]:
    """The units to label next, the most useful first.

    Args:
        units: Cases or slices, labelled ones too.
        count: Number of units that are wanted.
        weights: Weights of what counts beside typicality and diversity.

    Raises:
        ValueError: Everything is labelled.
    """
    free = np.array([not unit.labelled for unit in units], dtype=bool)
    if not free.any():
        raise ValueError("there is nothing left to label.")
    anomaly, doubt = np.full(len(units), 0.5), np.full(len(units), 0.5)
    anomaly[free] = percentiles(np.array([u.anomaly for u in units])[free])
    doubt[free] = percentiles(-np.array([u.agreement for u in units])[free])
    apart = distances(standardised(np.stack([u.descriptor for u in units])))
    merit = merits([(anomaly, weights.anomaly), (doubt, weights.disagreement)])
    choices = choose(apart, np.flatnonzero(~free).tolist(), merit, count)
    return [
        Chosen(
            units[c.unit],
            rank,
            c,
            float(anomaly[c.unit]),
            float(doubt[c.unit]) if np.isfinite(units[c.unit].agreement) else None,
        )
        for rank, c in enumerate(choices, 1)
    ]
