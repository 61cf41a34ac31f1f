"""What the checks find in a scan: a number, the range of the training scans, and a sentence that says what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_uad.quality.calibration import Calibration, columns_of
from nnunet_uad.quality.descriptors import CHANNELS, ORIENTATION, described, descriptor
from nnunet_uad.quality.likeness import TURNS, channel_likeness
from nnunet_uad.quality.names import OK, UNFIT, UNUSUAL, VERDICTS
from nnunet_uad.quality.profile import Profile
from nnunet_uad.quality.reference import Reference


@dataclass(frozen=True)
class Finding:
    """What one check says of one scan.

    Attributes:
        check: Name of the check.
        verdict: ``ok``; ``unusual``, beyond this check's own limit; ``unfit``, beyond the limit of all together.
        number: Noun phrase for the number, the strangest of the check's.
        value: Value of the number; ``None`` where there is none.
        low: Lower end of the range that a scan may lie in, ``None`` where it is free.
        high: Upper end of that range.
        unit: Unit of the three.
        score: Distance from the training scans' median, in units of what all checks together allow: above 1 is unfit.
        sentence: Sentence on what is likely wrong, and what to do.
    """

    check: str
    verdict: str
    number: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    score: float | None = None
    sentence: str = ""

    @property
    def range(self) -> str:
        """The range in words."""
        unit = f" {self.unit}" if self.unit else ""
        if self.low is None and self.high is None:
            return ""
        if self.low is None:
            return f"up to {self.high:.3g}{unit}"
        if self.high is None:
            return f"{self.low:.3g}{unit} or more"
        return f"{self.low:.3g} to {self.high:.3g}{unit}"


def worst(findings: Iterable[Finding]) -> str:
    """The verdict on a scan: the worst of its checks.

    Args:
        findings: Findings of the scan.
    """
    return max((f.verdict for f in findings), key=VERDICTS.index, default=OK)


def judge(profile: Profile, reference: Reference, calibration: Calibration) -> list[Finding]:
    """Judge a scan.

    Args:
        profile: Profile of the scan.
        reference: Training scans.
        calibration: Limits of the checks.

    Returns:
        A finding per check, and further ones for what is wrong whatever the cohort.
    """
    found = [Finding(CHANNELS, UNFIT, sentence=sentence) for sentence in profile.faults]
    if reference.strange_axes(profile.axes):
        found.append(Finding(ORIENTATION, UNFIT, sentence=_axes_sentence(profile.axes, reference)))
    if profile.faults:
        # Without a channel the numbers mean nothing.
        return found
    values = reference.numbers(profile)
    distances = calibration.distances(values)
    for check, columns in columns_of(calibration.names).items():
        column = max(columns, key=lambda k: float(distances[k]))
        name = calibration.names[column]
        distance = float(distances[column])
        score = calibration.score(check, distance)
        verdict = UNFIT if score > calibration.joint else UNUSUAL if score > calibration.own[check] else OK
        sentence = "" if verdict == OK else _sentence(name, values, calibration, profile, reference)
        low, high = (_shown(name, end) for end in calibration.range_of(name))
        words = described(name, reference.setup.channels)
        value, unit = _shown(name, float(values[column])), descriptor(name).unit
        found.append(
            Finding(check, verdict, words, value, low, high, unit, distance / calibration.reach(check), sentence)
        )
    return found


def _shown(name: str, value: float) -> float | None:
    """A value in the unit that people read; ``None`` for the end of a range that is free."""
    if math.isinf(value):
        return None
    return float(10**value) if descriptor(name).logarithm else value


def _sentence(name: str, values: np.ndarray, calibration: Calibration, profile: Profile, reference: Reference) -> str:
    """What is likely wrong with a number that is out of range."""
    row, index = descriptor(name), calibration.names.index(name)
    if row.name == "upright" and values[index] < 0:
        turn = TURNS[reference.best_turn(profile)]
        return (
            f"It fits the training scans better when turned: {turn.words}, whatever the header says. Bring its voxels "
            "into the training's orientation."
        )
    if row.name == "upright":
        return "It fits the training scans hardly better than when turned: another orientation or anatomy. Look at it."
    if row.name == "own channel":
        return _channel_sentence(int(name.partition(":")[2]), profile, reference.setup.channels, reference) or row.low
    return row.low if values[index] < calibration.middle[index] else row.high


def _channel_sentence(index: int, profile: Profile, channels: Sequence[str], reference: Reference) -> str:
    """Which channel a channel looks like, where that is another; else empty."""
    likeness = channel_likeness(profile, reference.mean)
    other = int(likeness[index].argmax())
    if other == index:
        return ""
    files = ", ".join(f"_{k:04d} {name}" for k, name in enumerate(channels))
    return (
        f"{channels[index]} looks like {channels[other]} (correlation {likeness[index, other]:.2f}, with "
        f"{channels[index]} {likeness[index, index]:.2f}): are the channels swapped? The model expects {files}."
    )


def _axes_sentence(axes: str, reference: Reference) -> str:
    there = ", ".join(sorted(set(reference.axes) - {""})) or "none"
    return (
        f"Its axes point to {axes or 'nowhere'} by the header, those of the training scans to {there}; the network "
        "sees the voxels as they are stored. Bring it into the training's orientation, or correct the header."
    )
