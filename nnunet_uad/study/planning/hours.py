"""What fits into ``budget_hours``: estimates from finished jobs, the study's file or timed steps; what is cut."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.study.forms import TimingForm
from nnunet_uad.study.labelled import Budget
from nnunet_uad.study.layout import Cell, Layout, MapCell
from nnunet_uad.study.study_file import Study

#: Seconds in which a job that tests has loaded its libraries and the weights.
START = 15.0

FINISHED, STATED, TIMED = "finished jobs", "the study's file", "timed steps"


@dataclass
class Estimates:
    """Seconds of the jobs of a planned study.

    Attributes:
        layout: Folder of the study, planned with everything that it asks for.
        study: Settings of the study.
        origins: Sources from which estimates were taken so far.
        unknown: Jobs for which there is none: ``train of DAE``.
    """

    layout: Layout
    study: Study
    origins: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    @cached_property
    def _timed(self) -> dict[str, Any]:
        path = self.layout.timing
        fix = "Delete it, and steps are timed anew: nnunet_uad study run STUDY.yaml"
        return read_mapping(path, fix, TimingForm) if path.is_file() else {"pretrain": {}, "train": {}, "case": {}}

    @cached_property
    def _finished(self) -> dict[tuple[str, str], list[float]]:
        """Stage and arm, or the pretrainer's name → seconds of its finished jobs; of tests and maps per case."""
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        layout = self.layout
        for identifier, entry in layout.pretrainings.items():
            if layout.pretrained(identifier).is_file():
                found["pretrain", entry["trainer"]].append(_seconds(layout.pretrained(identifier)))
        for identifier, cell in layout.cells.items():
            if layout.trained(identifier).is_file():
                found["train", cell.arm].append(_seconds(layout.trained(identifier)))
            if layout.finished("test", identifier):
                taken = sum(_seconds(layout.scores(identifier, d)) for d in layout.datasets)
                found["test", cell.arm].append(taken / self._cases(cell))
        for identifier, map_cell in layout.map_cells.items():
            if layout.finished("map", identifier):
                taken = sum(_seconds(layout.map_scores(identifier, d)) for d in layout.datasets)
                found["map", map_cell.arm].append(taken / self._cases(map_cell))
        return found

    def _cases(self, cell: Cell | MapCell) -> int:
        return max(1, sum(len(self.layout.tested(cell, dataset)) for dataset in self.layout.datasets))

    def pretrain(self, identifier: str) -> float:
        """Seconds of a pretraining.

        Args:
            identifier: Identifier of the pretraining.
        """
        trainer = self.layout.pretrainings[identifier]["trainer"]
        arms = [a for a, folds in self.layout.plan["needs"].items() for f in folds.values() if identifier in f.values()]
        stated = [s for arm in arms if (s := self.study.seconds_of(arm, "pretrain")) is not None]
        return self._known("pretrain", trainer, stated[:1], self._timed["pretrain"].get(trainer))

    def train(self, arm: str) -> float:
        """Seconds of a training.

        Args:
            arm: Name of the arm.
        """
        return self._known("train", arm, self._stated(arm, "train"), self._timed["train"].get(arm))

    def predict(self, stage: str, cell: Cell | MapCell) -> float:
        """Seconds of the tests, or of the maps, of a cell.

        Args:
            stage: Stage, ``test`` or ``map``.
            cell: Cell of the study.
        """
        parts = self.layout.parts(cell) if isinstance(cell, Cell) else None
        stated = self._stated(cell.arm, stage)
        if parts and not stated and not self._finished.get((stage, cell.arm)):
            # The trained cell's test again; the maps are there.
            return self.predict(stage, parts[0])
        cases = self._cases(cell)
        per_case = [(s - START) / cases for s in stated]
        return START + cases * self._known(stage, cell.arm, per_case, self._timed["case"].get(cell.arm))

    def _stated(self, arm: str, stage: str) -> list[float]:
        seconds = self.study.seconds_of(arm, stage)
        return [] if seconds is None else [seconds]

    def _known(self, stage: str, name: str, stated: Sequence[float], timed: float | None) -> float:
        """The best estimate: of jobs like it that are finished, as stated, as timed."""
        finished = self._finished.get((stage, name), [])
        if finished:
            self.origins.add(FINISHED)
            return sum(finished) / len(finished)
        if stated:
            self.origins.add(STATED)
            return stated[0]
        if timed is None:
            self.unknown.add(f"{stage} of {name}")
            return 0.0
        self.origins.add(TIMED)
        return timed


@dataclass(frozen=True)
class Hours:
    """Estimated hours of a study's parts.

    Attributes:
        pretrainings: Arm → identifiers of its pretrainings.
        pretrain: Pretraining → hours.
        maps: Arm without labels → hours of its maps.
        cell: Arm → budget → hours of a draw, all outer folds.
    """

    pretrainings: Mapping[str, Sequence[str]]
    pretrain: Mapping[str, float]
    maps: Mapping[str, float]
    cell: Mapping[str, Mapping[str, float]]

    def of(self, arms: Sequence[str], draws: int) -> float:
        """Hours of some arms with a number of draws; what arms share counts once.

        Args:
            arms: Names of the arms.
            draws: Number of draws.
        """
        shared = {identifier for arm in arms for identifier in self.pretrainings[arm]}
        cells = sum(hours for arm in arms for hours in self.cell.get(arm, {}).values())
        return sum(self.pretrain[i] for i in shared) + sum(self.maps.get(a, 0.0) for a in arms) + draws * cells


def estimated_hours(estimates: Estimates) -> Hours:
    """Hours of the parts of a planned study.

    Args:
        estimates: Seconds of its jobs.
    """
    layout = estimates.layout
    pretrainings = {
        arm: list(dict.fromkeys(i for kinds in folds.values() for i in kinds.values()))
        for arm, folds in layout.plan["needs"].items()
    }
    cell: dict[str, dict[str, float]] = {arm: defaultdict(float) for arm in layout.arms}
    for one in (c for c in layout.cells.values() if c.fold["draw"] == 0):
        training = estimates.train(one.arm) + START if one.identifier in layout.trained_cells else 0.0
        seconds = training + estimates.predict("test", one)
        cell[one.arm][one.fold["budget"]] += seconds / 3600
    maps: dict[str, float] = defaultdict(float)
    for map_cell in layout.map_cells.values():
        maps[map_cell.arm] += estimates.predict("map", map_cell) / 3600
    pretrain = {i: (estimates.pretrain(i) + START) / 3600 for i in layout.pretrainings}
    return Hours(pretrainings, pretrain, dict(maps), cell)


def asked_of(study: Study) -> dict[str, Any]:
    """What a study asks for, as far as it decides what fits: while it stays, so does what was cut.

    Args:
        study: Settings of the study.
    """
    content = dataclasses.asdict(study)
    for arm in content["trainers"].values():
        # Earlier versions had none, and what they have cut stays.
        for key in ("screen", "weights"):
            if not arm[key]:
                del arm[key]
    if not content["pretraining"]["shared"]:
        del content["pretraining"]["shared"]
    keys = ("budget_hours", "seconds", "budgets", "draws", "folds", "test_cases", "pool", "test", "trainers")
    asked = {key: content[key] for key in (*keys, "pretraining", "fine_tuning")}
    return dict(json.loads(json.dumps(asked)))


def decide_cut(study: Study, hours: Hours, origins: Sequence[str]) -> dict[str, Any]:
    """What is left out to fit: first draws, then arms for which there is no room, the last ones first.

    The baseline stays. An arm that costs next to nothing, as one without labels does, is kept where a longer one before
    it is not; a screen where both arms are that it is made of.

    Args:
        study: Settings of the study, which has a ``budget_hours``.
        hours: Estimated hours of its parts.
        origins: Sources of the estimates.

    Returns:
        The entry ``cut`` of ``study.json``.

    Raises:
        ValueError: Not even the baseline with one draw fits; says what it needs.
    """
    limit, arms = study.budget_hours or 0.0, list(study.trainers)
    first = study.baseline or arms[0]
    everything = hours.of(arms, study.draws)
    if hours.of([first], 1) > limit:
        raise ValueError(
            f"budget_hours: {limit:g} h are too few for {first} alone with a single draw, which needs about "
            f"{hours.of([first], 1):.2g} h; all of the study {everything:.2g} h. Raise budget_hours, or shorten "
            "fine_tuning and pretraining."
        )
    kept = [first]
    screens = [a for a in arms if study.trainers[a].screen]
    for arm in (a for a in (*(a for a in arms if a not in screens), *screens) if a != first):
        whole = set(study.trainers[arm].screen or ()) <= set(kept)
        kept += [arm] if whole and hours.of([*kept, arm], 1) <= limit else []
    draws = study.draws
    while draws > 1 and hours.of(kept, draws) > limit:
        draws -= 1
    return {
        "budget_hours": limit,
        "asked": asked_of(study),
        "draws": draws,
        "arms": [arm for arm in arms if arm not in kept],
        "hours": round(hours.of(kept, draws), 3),
        "all_hours": round(everything, 3),
        "origins": sorted(origins),
    }


def is_cut(cut: Mapping[str, Any]) -> bool:
    """Whether anything is left out.

    Args:
        cut: Entry ``cut`` of ``study.json``.
    """
    return bool(cut["draws"] < cut["asked"]["draws"] or cut["arms"])


def cut_words(cut: Mapping[str, Any]) -> str:
    """In a sentence what was cut; for the terminal and the report.

    Args:
        cut: Entry ``cut`` of ``study.json``.
    """
    asked = cut["asked"]["draws"]
    parts = [f"{cut['draws']} of {asked} draws are made"] if cut["draws"] < asked else []
    parts += [f"{', '.join(cut['arms'])} {'is' if len(cut['arms']) == 1 else 'are'} left out"] if cut["arms"] else []
    limit, needed = f"{cut['budget_hours']:g} h", f"{cut['all_hours']:.2g} h"
    if not parts:
        return f"All that was asked for fits into {limit} of computing (about {needed})."
    return (
        f"To fit into {limit} of computing (all would take about {needed}), {' and '.join(parts)}; that takes about "
        f"{cut['hours']:.2g} h."
    )


def table_lines(study: Study, hours: Hours, cut: Mapping[str, Any]) -> list[str]:
    """Arms x budgets: estimated hours of all draws, and what is kept.

    Args:
        study: Settings of the study.
        hours: Estimated hours of its parts.
        cut: Entry ``cut`` of ``study.json``.
    """
    budgets = [Budget(b) for b in study.budgets]
    rows = [("hours", "pretraining", *(b.words for b in budgets), "maps", "together", "kept")]
    for arm in study.trainers:
        own = sum(hours.pretrain[i] for i in hours.pretrainings[arm])
        cells = [study.draws * hours.cell.get(arm, {}).get(b.text, 0.0) for b in budgets]
        values = [own, *cells, hours.maps.get(arm, 0.0)]
        kept = (
            "nothing"
            if arm in cut["arms"]
            else f"{cut['draws']} of {study.draws} draws"
            if arm in study.arms
            else "all"
        )
        rows.append((arm, *(f"{v:.2f}" if v else "–" for v in values), f"{sum(values):.2f}", kept))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return [*lines, f"{cut_words(cut)} Estimated from {', '.join(cut['origins'])}; what arms share counts once."]


def _seconds(path: Any) -> float:
    return float(read_mapping(path)["seconds"])


def known_cut(layout: Layout, study: Study) -> dict[str, Any] | None:
    """What was cut when the same was asked for before: a study does not change under its user's hands.

    Args:
        layout: Folder of the study.
        study: Settings of the study.
    """
    cut = layout.plan.get("cut") if layout.planned else None
    return cut if cut and cut["asked"] == asked_of(study) else None
