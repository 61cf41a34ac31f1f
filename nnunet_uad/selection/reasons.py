"""The list of what to label, as a table: numbers, and in words why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_uad.common.csv_files import write_csv_file
from nnunet_uad.selection.names import TABLE
from nnunet_uad.selection.units import Chosen

_DIGITS = 4


def reason(chosen: Chosen, noun: str) -> str:
    """Why a case or slice was chosen, in words.

    Args:
        chosen: Case or slice.
        noun: ``case`` or ``slice``.
    """
    choice = chosen.choice
    if choice.distance is None:
        place = f"the most typical: nearest to the others of {choice.covers} unlabelled {noun}s"
    else:
        place = f"unlike what is labelled or above; {choice.covers} unlabelled {noun}(s) are nearer to it than to those"
    unusual = f"its anomaly map is higher than in {chosen.anomaly_above:.0%} of the others"
    doubt = chosen.disagreement_above
    unsure = "" if doubt is None else f"; the folds agree less than in {doubt:.0%} of them"
    return f"{place}; {unusual}{unsure}"


def write_table(folder: Path, chosen: Sequence[Chosen], axis: str, labels: Mapping[str, Path]) -> Path:
    """Write ``next.csv``, a row per case or slice.

    Args:
        folder: Folder to write into.
        chosen: Cases or slices, in their order.
        axis: Name of the axis of the slices.
        labels: Case → file of its template.

    Returns:
        The file.
    """
    slices = any(one.unit.slice is not None for one in chosen)
    noun = "slice" if slices else "case"
    where = ("slice", "axis") if slices else ()
    numbers = ("covers", "gain", "distance", "anomaly", "anomaly_above", "agreement", "disagreement_above")
    rows = [
        [
            one.rank,
            one.unit.case,
            *((one.unit.slice, axis) if slices else ()),
            one.choice.covers,
            *(
                None if value is None else round(value, _DIGITS)
                for value in (
                    one.choice.gain,
                    one.choice.distance,
                    one.unit.anomaly,
                    one.anomaly_above,
                    one.unit.agreement,
                    one.disagreement_above,
                )
            ),
            reason(one, noun),
            labels[one.unit.case].relative_to(folder).as_posix(),
        ]
        for one in chosen
    ]
    return write_csv_file(folder / TABLE, ("rank", "case", *where, *numbers, "reason", "label"), rows)
