"""What is written of the chosen cases: a label template and a picture each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.classes import IGNORE, with_ignore_label
from nnunet_uad.inference.montage import write_montage
from nnunet_uad.scoring.score_settings import main_channel
from nnunet_uad.selection.candidates import Candidates
from nnunet_uad.selection.models import NextModels, prepare_both
from nnunet_uad.selection.names import LABELS, MONTAGES
from nnunet_uad.selection.templates import template, write_labels
from nnunet_uad.selection.units import Chosen
from nnunet_uad.selection.view import on_raw_grid, slice_axis

#: Most slices of a case that its picture shows.
_MOST_ROWS = 8


@dataclass(frozen=True)
class ChosenFiles:
    """Writes templates and pictures of chosen cases; files that are there are kept.

    Attributes:
        folder: Folder to write into.
        models: Models, loaded.
        candidates: Cases and their labels.
        proposals: Whether the templates hold the supervised model's segmentation.
    """

    folder: Path
    models: NextModels
    candidates: Candidates
    proposals: bool

    def label(self, case: str) -> Path:
        """File of a case's template.

        Args:
            case: Identifier of the case.
        """
        return self.folder / LABELS / f"{case}{self.models.restorer.model.file_ending}"

    def montage(self, case: str) -> Path:
        """File of a case's picture.

        Args:
            case: Identifier of the case.
        """
        return self.folder / MONTAGES / f"{case}.png"

    def write_all(self, chosen: Sequence[Chosen], say: Callable[[str], object]) -> None:
        """Write what is not there yet.

        Args:
            chosen: Cases or slices.
            say: Function that is told which templates are kept.
        """
        slices = slices_by_case(chosen)
        kept = [case for case in slices if self.label(case).exists()]
        if kept:
            say(f"{len(kept)} template(s) in {self.folder / LABELS} are kept as they are: labels may be in them.")
        todo = [case for case in slices if not (self.label(case).exists() and self.montage(case).exists())]
        for name in (LABELS, MONTAGES):
            (self.folder / name).mkdir(exist_ok=True)
        for case in tqdm(todo, desc="writing templates", disable=not todo):
            self._write(case, slices[case])

    def _write(self, case: str, slices: Sequence[int] | None) -> None:
        known, for_map = prepare_both(self.models.plans)(self.candidates.files[case])
        if not self.montage(case).exists():
            self._draw(case, for_map, slices)
        if not self.label(case).exists():
            proposal = self.models.proposal(known) if self.proposals else None
            self._write_template(case, slices, proposal, for_map[2])

    def _draw(self, case: str, prepared: Any, slices: Sequence[int] | None) -> None:
        models = self.models
        model, settings = models.restorer.model, models.settings
        scored = models.restorer.scorer.scored(models.reconstructed(case, prepared), settings)
        names = model.channel_names
        channel = main_channel(settings.channel_weights, names)
        shown = [] if slices is None else spread(slices, _MOST_ROWS)
        write_montage(on_raw_grid(scored, model), channel, names[channel], None, self.montage(case), shown)

    def _write_template(
        self, case: str, slices: Sequence[int] | None, proposal: np.ndarray | None, properties: dict[str, Any]
    ) -> None:
        model = self.models.restorer.model
        order = model.plans.transpose_backward
        shape = tuple(int(properties["shape_before_cropping"][a]) for a in order)
        labelled = None
        if case in self.candidates.labels:
            reader = model.plans.image_reader_writer_class()
            labelled = np.asarray(reader.read_seg(str(self.candidates.labels[case]))[0])[0]
        ignore = with_ignore_label(model.dataset)["labels"][IGNORE]
        labels = template(shape, proposal, slices, slice_axis(model), ignore, labelled)
        write_labels(labels, model, properties, self.label(case))


def slices_by_case(chosen: Sequence[Chosen]) -> Mapping[str, list[int] | None]:
    """Case → its chosen slices, ascending; ``None`` of a whole case. Cases in the order of their first rank.

    Args:
        chosen: Cases or slices.
    """
    found: dict[str, list[int] | None] = {}
    for one in chosen:
        if one.unit.slice is None:
            found[one.unit.case] = None
        else:
            found[one.unit.case] = sorted([*(found.get(one.unit.case) or []), one.unit.slice])
    return found


def spread(slices: Sequence[int], count: int) -> list[int]:
    """At most that many slices, spread over all.

    Args:
        slices: Indices, ascending.
        count: Largest number of slices.

    Example:
        >>> spread([1, 2, 3, 4, 5], 3)
        [1, 3, 5]
    """
    if len(slices) <= count:
        return list(slices)
    return [slices[round(k * (len(slices) - 1) / (count - 1))] for k in range(count)]
