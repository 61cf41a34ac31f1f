"""How far the folds of a model agree on a scan: where they do not, nobody knows which of them to believe.

Where networks that were trained alike disagree, one of them is wrong, and the rate at which they do estimates the rate
of errors (Jiang et al., ICLR 2022, arXiv:2106.13799); as pairwise Dice of segmentations of MRI: Roy et al., NeuroImage
2019, DOI 10.1016/j.neuroimage.2019.03.042. The limit is that of the Dice that the folds reached in their validation, of
cases that they had not seen: a Dice to the truth, of which agreement is no further draw. So nothing is promised of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from nnunet_uad.common.claim import claim
from nnunet_uad.common.files import file_hash
from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.data.image_files import read_values
from nnunet_uad.inference.inputs import INPUTS_FILE, InputImages, images_hash
from nnunet_uad.inference.segmenter import load_segmenter, segment
from nnunet_uad.metrics.agreement import pairwise_dice
from nnunet_uad.quality.calibration import conformal_limit, refuse_fold_all
from nnunet_uad.quality.descriptors import AGREEMENT
from nnunet_uad.quality.findings import Finding
from nnunet_uad.quality.names import OK, UNFIT
from nnunet_uad.screening.map_folders import validation_command
from nnunet_uad.screening.models import SupervisedModel

#: Beside the segmentations: which weights made them.
_RECORD = "segmentations.json"
Say = Callable[[str], object]


@dataclass(frozen=True)
class _Summary:
    """What nnU-Net's ``validation/summary.json`` must hold."""

    metric_per_case: list[dict[str, Any]]


@dataclass(frozen=True)
class AgreementLimit:
    """What Dice the folds reached in their validation.

    Attributes:
        limit: Least agreement that is not unfit: the Dice that all but a share of the validation's cases reached.
        middle: Median Dice of the validation.
    """

    limit: float
    middle: float

    @classmethod
    def of(cls, model: SupervisedModel, rate: float) -> AgreementLimit:
        """The limit that the validation of a model gives.

        Args:
            model: Model that segments, of two folds or more.
            rate: Share of the validation's cases whose Dice may lie below.

        Raises:
            ValueError: The model has one fold only, or a fold was not validated; names the command. Or fold ``all`` is
                among the folds.
            FileNotFoundError: There is no such model, or a fold lacks the checkpoint.
        """
        folds = model.fold_folders()
        refuse_fold_all(folds, "-f")
        if len(folds) < 2:
            raise ValueError(
                f"Agreement needs two folds or more of {model.folder}, found {folds[0].name} alone. Train another: "
                f"{validation_command(folds[0]).removesuffix(' --val')}, with another fold; or leave -tr out."
            )
        scores = np.array([dice for fold in folds for dice in validation_dice(fold)])
        return cls(-conformal_limit(-scores, rate)[0], float(np.median(scores)))

    def finding(self, agreement: float) -> Finding:
        """What is said of a scan.

        Args:
            agreement: Mean Dice of all pairs of folds; NaN where no fold segments anything.
        """
        words = "agreement of the folds (Dice)"
        if math.isnan(agreement):
            return Finding(AGREEMENT, OK, words, low=self.limit, sentence="No fold segments anything.")
        verdict = OK if agreement >= self.limit else UNFIT
        reach = self.middle - self.limit
        strange = (self.middle - agreement) / reach if reach > 0 else float(agreement < self.limit) * 2
        told = f"The folds agree by {agreement:.2f} (median of their validation Dice: {self.middle:.2f})."
        advice = " The folds contradict each other: do not use the segmentation unseen." if verdict == UNFIT else ""
        return Finding(AGREEMENT, verdict, words, agreement, self.limit, None, "", strange, told + advice)


def validation_dice(fold: Path) -> list[float]:
    """Mean Dice over the classes of each validation case of a fold; cases without any class are left out.

    Args:
        fold: Folder of the fold.

    Raises:
        ValueError: The fold was not validated, or its summary is damaged; names the command.
    """
    path, fix = fold / "validation" / "summary.json", f"Validate it: {validation_command(fold)}"
    try:
        cases = read_as(_Summary, path, fix).metric_per_case
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    rows = [[metrics.get("Dice") for metrics in case.get("metrics", {}).values()] for case in cases]
    means = [[d for d in row if isinstance(d, (int, float)) and math.isfinite(d)] for row in rows]
    found = [float(np.mean(row)) for row in means if row]
    if not found:
        raise ValueError(f"{path} holds no Dice of any case. {fix}")
    return found


def agreement_findings(
    model: SupervisedModel,
    cases: Mapping[str, Sequence[str]],
    output: Path,
    limit: AgreementLimit,
    run: Mapping[str, Any],
    say: Say,
) -> tuple[dict[str, Finding], dict[str, str]]:
    """Segment scans with each fold, those that an interrupted run has left out, and compare the folds.

    Args:
        model: Model that segments.
        cases: Images of every scan, in the order of the channels.
        output: Folder for the segmentations, one below it per fold.
        limit: Limit of the agreement.
        run: Options of :func:`load_segmenter` that say how it is run: ``mirroring`` and ``device``.
        say: Function that is told what the user should know.

    Returns:
        Finding by scan, and reasons why scans failed.

    Raises:
        ValueError: The output holds segmentations of other weights.
    """
    folders = model.fold_folders()
    folds = [folder.name.removeprefix("fold_") for folder in folders]
    weights = {folder.name: file_hash(folder / model.checkpoint) for folder in folders}
    record = {"model": f"{model.names.dataset}/{model.names.name}", "weights": weights, **run}
    claim(output / _RECORD, record, "segmentations", "Choose another -o.")
    failed: dict[str, str] = {}
    for fold in folds:
        failed |= _segment_fold(model, fold, {k: v for k, v in cases.items() if k not in failed}, output, run, say)
    found = {}
    for case in (c for c in cases if c not in failed):
        labels = [read_values(next((output / f"fold_{fold}").glob(f"{case}.*"))) for fold in folds]
        # Empty segmentations agree, but on nothing: a scan without a finding, or one that no fold can read.
        found[case] = limit.finding(pairwise_dice(labels) if any(map(np.any, labels)) else math.nan)
    return found, failed


def _segment_fold(
    model: SupervisedModel,
    fold: str,
    cases: Mapping[str, Sequence[str]],
    output: Path,
    run: Mapping[str, Any],
    say: Say,
) -> dict[str, str]:
    """Write the segmentations of a fold; case → why it failed."""
    folder, failed = output / f"fold_{fold}", {}
    with folder_lock(folder, say=say):
        inputs = InputImages(folder / INPUTS_FILE)
        todo: Collection[str] = [c for c, f in cases.items() if not any(folder.glob(f"{c}.*")) or inputs.changed(c, f)]
        if not todo:
            return {}
        predictor = load_segmenter(model.folder, fold, model.checkpoint, **run)
        ending = predictor.dataset_json["file_ending"]
        for case in tqdm(todo, desc=f"fold {fold}"):
            files = [Path(f) for f in cases[case]]
            try:
                value = images_hash(files)
                segment(predictor, files, folder / f"{case}{ending}")
                inputs.add(case, value)
            except Exception as error:
                # Whatever is wrong with one scan, the others are finished; the caller lists it.
                failed[case] = f"{type(error).__name__}: {error}"
    return failed
