"""Describe all cases, one file each; those that are described are kept, so an interrupted run continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_uad.inference.inputs import INPUTS_FILE, InputImages
from nnunet_uad.inference.pipeline import outdated_removed, run_cases
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.selection.description import Description, highest_mean
from nnunet_uad.selection.models import NextModels, Seen, prepare_both


@dataclass(frozen=True)
class DescriptionFiles:
    """Where the descriptions lie; travels to worker processes.

    Attributes:
        folder: Folder of the descriptions.
        scorer: Way of scoring.
        settings: Settings of the score.
    """

    folder: Path
    scorer: Scorer
    settings: ScoreSettings

    def path(self, identifier: str) -> Path:
        """File of a case.

        Args:
            identifier: Identifier of the case.
        """
        return self.folder / f"{identifier}.npz"

    def is_done(self, identifier: str) -> bool:
        """Whether a case is described.

        Args:
            identifier: Identifier of the case.
        """
        return self.path(identifier).exists()

    def remove(self, identifier: str) -> None:
        """Delete a description.

        Args:
            identifier: Identifier of the case.
        """
        self.path(identifier).unlink(missing_ok=True)

    def write(self, seen: Seen) -> None:
        """Score a case and write its description.

        Args:
            seen: Outputs of the networks for it.
        """
        score, inside = self.scorer.scored(seen.case, self.settings).score, seen.case.foreground
        agreement, slice_agreement = seen.agreement()
        moments, properties = seen.moments, seen.case.properties
        Description(
            first_slice=np.array(properties["bbox_used_for_cropping"][0][0]),
            raw_slices=np.array(properties["shape_after_cropping_and_before_resampling"][0]),
            weight=moments.weight,
            first=moments.first.astype(np.float32),
            second=moments.second.astype(np.float32),
            peak=moments.peak.astype(np.float32),
            anomaly=np.array(highest_mean(score, inside)),
            slice_anomaly=np.array([highest_mean(s, f) for s, f in zip(score, inside, strict=True)]),
            agreement=np.array(agreement),
            slice_agreement=slice_agreement,
        ).write(self.path(seen.case.identifier))


def describe_cases(
    models: NextModels,
    cases: Mapping[str, list[str]],
    folder: Path,
    processes: tuple[int, int],
    say: Callable[[str], object],
) -> tuple[dict[str, Description], dict[str, str]]:
    """Descriptions of all cases.

    Args:
        models: Models that look at them.
        cases: Files of every case, in the order of the channels.
        folder: Folder of the descriptions.
        processes: Numbers of processes that preprocess and that score; with 0 this one does it.
        say: Function that is told what is done already.

    Returns:
        Case → description, and case → why it failed.
    """
    files = DescriptionFiles(folder, models.restorer.scorer, models.settings)
    folder.mkdir(exist_ok=True)
    inputs = InputImages(folder / INPUTS_FILE)
    outdated_removed(files, inputs, dict(cases), say)
    todo = {case: images for case, images in cases.items() if not files.is_done(case)}
    if len(todo) < len(cases):
        say(f"{len(cases) - len(todo)} of {len(cases)} cases were looked at already.")
    failed = run_cases(todo, prepare_both(models.plans), models.look, files.write, processes, inputs)
    return {case: Description.read(files.path(case)) for case in cases if case not in failed}, failed
