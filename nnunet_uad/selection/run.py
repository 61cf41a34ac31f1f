"""A raw dataset → which of its unlabelled cases or slices to label next, with pictures and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.common.claim import claim
from nnunet_uad.common.classes import IGNORE, with_ignore_label
from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.inference.predict import Say
from nnunet_uad.selection.candidates import Candidates, find_candidates, labelled_slices, refuse_nothing_left
from nnunet_uad.selection.chosen import ChosenFiles
from nnunet_uad.selection.describe import describe_cases
from nnunet_uad.selection.description import Description
from nnunet_uad.selection.models import NextModels
from nnunet_uad.selection.names import CASES, DATASET_FILE, RECORD
from nnunet_uad.selection.reasons import write_table
from nnunet_uad.selection.request import NextRequest
from nnunet_uad.selection.units import Chosen, case_units, choose_units, slice_units
from nnunet_uad.selection.view import axis_name, slice_axis


@dataclass(frozen=True)
class NextResult:
    """What to label next.

    Attributes:
        chosen: Cases or slices, the most useful first.
        table: File of the list.
        failed: Reasons why cases could not be looked at, by identifier.
    """

    chosen: Sequence[Chosen]
    table: Path
    failed: dict[str, str]


def label_next(request: NextRequest, say: Say = print) -> NextResult:
    """Choose what to label next, and write list, pictures and templates; an interrupted run continues.

    Args:
        request: Dataset, models, and what is wanted.
        say: Function that is told what the user should know.

    Returns:
        What was chosen; a case that fails does not stop the others.

    Raises:
        ValueError: Nothing is left to label, the models do not fit, or the output holds another choice.
        FileNotFoundError: There is no such model, fold or folder.
        LockedError: Another process writes into the output.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> raw = "nnUNet_raw/Dataset903_Healthy"
        >>> request = NextRequest(model=model, dataset=raw, output="next", count=1, device="cpu")
        >>> [one.unit.case for one in label_next(request, say=lambda told: None).chosen]
        ['healthy_0']
    """
    folder = Path(request.output)
    if folder.is_file():
        raise ValueError(f"-o expects a folder to write into, found the file {folder}.")
    refuse_without_pretrainer(request.names)
    request.fold_folders()
    models = NextModels.load(request)
    model = models.restorer.model
    candidates = find_candidates(Path(request.dataset), None if request.images is None else Path(request.images), model)
    slices = labelled_slices(candidates, model) if request.slices else None
    refuse_nothing_left(candidates, slices, Path(request.dataset).name, say)
    if len(models.predictors) == 1:
        say("The supervised model has one fold, so nobody can disagree with it: its doubt does not count.")
    files = ChosenFiles(folder, models, candidates, request.proposals)
    processes = request.processes(len(candidates.files))
    with folder_lock(folder, say=say):
        remedy, grows = "Choose another -o.", partial(_may_grow, request.slices)
        claim(folder / RECORD, _record(request, models, candidates), "a choice", remedy, may_differ=grows)
        found, failed = describe_cases(models, candidates.files, folder / CASES, processes, say)
        chosen = _choose(request, found, candidates, slices, say)
        files.write_all(chosen, say)
        if request.slices and IGNORE not in model.dataset["labels"]:
            write_json(folder / DATASET_FILE, with_ignore_label(model.dataset))
        labels = {one.unit.case: files.label(one.unit.case) for one in chosen}
        table = write_table(folder, chosen, axis_name(slice_axis(model)), labels)
    return NextResult(chosen, table, {**candidates.failed, **failed})


def refuse_without_pretrainer(names: ModelFolder) -> None:
    """Refuse to choose by the features of a model that is not there; say how to make one.

    Args:
        names: Dataset, trainer, plans and configuration of the pretrainer.

    Raises:
        FileNotFoundError: There is no such model.
    """
    if not names.path.is_dir():
        there = sorted(path.name for path in names.path.parent.glob("nnUNetPretrainer*__*__*"))
        raise FileNotFoundError(
            f"Cases are compared by what a pretrainer sees in them, and there is no {names.name} of {names.dataset}. "
            f"Pretrainers there: {', '.join(there) or 'none'}. To make one, which needs no label: nnUNetv2_train "
            f"{names.dataset} {names.configuration} 0 -tr {names.trainer} -p {names.plans}"
        )


def _choose(
    request: NextRequest,
    found: Mapping[str, Description],
    candidates: Candidates,
    slices: Mapping[str, np.ndarray] | None,
    say: Say,
) -> list[Chosen]:
    """The cases or slices to label.

    Raises:
        ValueError: No unlabelled case could be looked at.
    """
    units = case_units(found, list(candidates.labels)) if slices is None else slice_units(found, slices, say)
    left = sum(not unit.labelled for unit in units)
    if not left:
        raise ValueError("No unlabelled case could be looked at; see above why.")
    if left < request.count:
        say(f"{request.count} were asked for, {left} are left: all of them are listed, in their order.")
    return choose_units(units, request.count, request.weights)


def _record(request: NextRequest, models: NextModels, candidates: Candidates) -> dict[str, Any]:
    """How the choice is made: models, weights, score, cases and what is wanted."""
    supervised = request.supervised
    known = None
    if supervised is not None:
        known = _described(supervised.names, supervised.fold_folders(), supervised.checkpoint)
    return {
        "dataset": Path(request.dataset).name,
        "pretrainer": _described(request.names, request.fold_folders(), request.checkpoint),
        "supervised": known,
        "mirroring": request.mirroring,
        "seed": models.restorer.seed,
        "score": settings_to_json(models.settings),
        **request.wanted(),
        **candidates.record(),
    }


def _described(names: ModelFolder, folds: Sequence[Path], checkpoint: str) -> dict[str, Any]:
    return {
        "folder": f"{names.dataset}/{names.name}",
        "checkpoint": checkpoint,
        "weights": {fold.name: file_hash(fold / checkpoint) for fold in folds},
    }


def _may_grow(slices: bool, key: str, old: Any, new: Any) -> bool:
    """More cases of the same order may be asked for, the first ones stay; slices would be missing in templates."""
    return not slices and key == "count" and isinstance(old, int) and isinstance(new, int) and old <= new
