"""``study.yaml`` → ``study.json`` and the folds that its cells are trained on."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from nnunet_uad.common.files import write_json
from nnunet_uad.common.json_files import read_json
from nnunet_uad.common.lock import file_lock, folder_lock
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.data.splits import SPLITS_FILE, Split, splits_of
from nnunet_uad.study.layout import FORMAT, PLAN_FILE, REQUEST_FILE, Layout
from nnunet_uad.study.pins import SEG_ENDING, test_images
from nnunet_uad.study.planning.arm_settings import check_settings
from nnunet_uad.study.planning.budgets import outer_folds, plan_folds
from nnunet_uad.study.planning.changes import arm_content, refuse_changes
from nnunet_uad.study.planning.folds import append_splits, assign_indices, outer_splits
from nnunet_uad.study.planning.labels import Annotation, fingerprint, read_annotations
from nnunet_uad.study.planning.leaks import (
    pin_study,
    pin_test_datasets,
    refuse_changed_pins,
    refuse_leaking_folds,
    refuse_leaking_tests,
)
from nnunet_uad.study.planning.outer import (
    Entries,
    StageOne,
    StageOneData,
    appended_folds,
    pool_split,
    remember_appended,
)
from nnunet_uad.study.planning.pretrainings import check_leakage, plan_pretrainings
from nnunet_uad.study.planning.slices import free_number, write_slice_dataset
from nnunet_uad.study.planning.source import Source, add_small_plan, open_source
from nnunet_uad.study.planning.test_datasets import plan_tests
from nnunet_uad.study.study_file import POOL, Study
from nnunet_uad.training.cases import refuse_absent_cases

#: In nnUNet_preprocessed while a study is planned.
PLANNING_LOCK = ".nnunet_uad_planning"


def write_request(layout: Layout, study: Study, paths: dict[str, str]) -> None:
    """Write down what was asked for, for jobs that run elsewhere."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    content = {"study": dataclasses.asdict(study), "paths": paths}
    path = layout.folder / REQUEST_FILE
    if not _holds(path, content):
        write_json(path, content)


def _holds(path: Path, content: dict[str, Any]) -> bool:
    """Whether a file holds this content; one that cannot be read does not."""
    try:
        return path.is_file() and read_json(path) == json.loads(json.dumps(content))
    except ValueError:
        return False


def plan_study(
    study: Study,
    layout: Layout,
    raw: Path,
    source_folder: Path,
    pretraining_folder: Path,
    say: Callable[[str], object] = print,
    cut: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Plan a study: write ``study.json``, the folds, the slices' dataset, the links to test images.

    Planning the same study again changes nothing; a study with more budgets, draws, folds or trainers keeps the
    indices of the folds it had. Studies are planned one after the other: each appends behind the folds of the others.

    Args:
        study: Settings of the study.
        layout: Folder of the study.
        raw: Folder nnUNet_raw.
        source_folder: Folder of the dataset in nnUNet_preprocessed, to whose plans a ``small_plan`` is added.
        pretraining_folder: Folder of the dataset of stage one there.
        say: Function that is told what the user should know.
        cut: Draws and arms that ``budget_hours`` has no room for, see :mod:`nnunet_uad.study.planning.hours`.

    Returns:
        Content of ``study.json``.

    Raises:
        ValueError: Budgets larger than the data, trainers or settings that do not exist, a dataset that changed since
            it was planned, test cases that training or pretraining would see.
        FileNotFoundError: Data that are not preprocessed.
    """
    check_settings(study)
    kept = study.reduced(cut["draws"], cut["arms"]) if cut else study
    with only_planning(source_folder, say):
        return _plan(kept, layout, raw, source_folder, pretraining_folder, say, cut)


@contextmanager
def only_planning(source: Path, say: Callable[[str], object]) -> Iterator[None]:
    """One after the other: numbers of derived datasets are free until they are taken, indices of folds as well.

    Args:
        source: Folder of the dataset in nnUNet_preprocessed.
        say: Function that is told whom this waits for.
    """
    root = source.parent
    with ExitStack() as stack:
        # Where nothing can be written nothing is appended: a plan that stays as it is may be made anew.
        if os.access(root, os.W_OK):
            lock = file_lock(root / PLANNING_LOCK, f"A study is being planned in {root}", wait=True, say=say)
            stack.enter_context(lock)
        if os.access(source, os.W_OK):
            stack.enter_context(folder_lock(source, wait=True, say=say))
        yield


def _plan(
    study: Study,
    layout: Layout,
    raw: Path,
    source_folder: Path,
    pretraining_folder: Path,
    say: Callable[[str], object],
    cut: dict[str, Any] | None,
) -> dict[str, Any]:
    add_small_plan(source_folder, study)
    source = open_source(source_folder, study)
    earlier = layout.plan if layout.planned else {}
    unlabelled = unlabelled_cases(source.folder)
    labelled = [case for case in source.cases if case not in unlabelled]
    annotations = read_annotations(source.data, labelled, source.ignore_label, source.voxel)
    digest = _fingerprint(study, source, annotations, earlier)
    entries = Entries([*_known_folds(earlier).values(), *earlier.get("entries", [])])
    whole = _outer_entries(study, source, labelled, entries)
    outer = {
        number: {part: [c for c in split[part] if c in annotations] for part in split}
        for number, split in whole.items()
    }
    stage_one = StageOne(study, _stage_one_data(source, pretraining_folder), whole, entries)
    needs, pretrainings = plan_pretrainings(study, list(outer), stage_one)
    pins = pin_study(study, raw, source, pretraining_folder, outer, stage_one.splits)
    refuse_changed_pins(earlier.get("pins", {}), pins)
    refuse_leaking_folds(source.folder, outer, pins[source.folder.name])
    check_leakage(stage_one, outer, pins, source.folder.name)
    arms = {name: arm_content(study, name, needs, pretrainings) for name in study.trainers}
    dropped = refuse_changes(layout, earlier, {"arms": arms, "pretrainings": pretrainings})
    folds = plan_folds(study, outer, annotations)
    tests = plan_tests(study, layout, raw, source)
    tested = pin_test_datasets(tests, lambda name: test_images(layout, name))
    refuse_changed_pins(earlier.get("pins", {}), tested)
    pins |= tested
    refuse_leaking_tests(tests, outer, pins, source.folder.name, say)
    known = _known_folds(earlier)
    slice_dataset = earlier.get("slice_dataset") or _slice_dataset(folds, source, raw)
    appended = entries.all
    _index_folds(folds, {**known, **{e["id"]: e for e in appended}}, source.folder, slice_dataset)
    plan = {
        "format": FORMAT,
        "dataset": source.folder.name,
        "slice_dataset": slice_dataset,
        "fingerprint": digest,
        "seed": study.seed,
        "outer": outer,
        "volumes_mm3": {case: round(a.volume, 3) for case, a in annotations.items()},
        "arms": arms,
        "needs": needs,
        "pretrainings": pretrainings,
        "tests": tests,
        "folds": folds,
        "entries": appended,
        "pins": pins,
        "cut": cut,
        # What an earlier plan had and this one has not: its results are not lost, its folds stay where they are.
        "dropped": {**dropped, "folds": [f for name, f in known.items() if name not in {g["id"] for g in folds}]},
    }
    if earlier != json.loads(json.dumps(plan)):
        write_json(layout.folder / PLAN_FILE, plan)
    # After study.json: folds without a record of what they mean would be of no use.
    _write_folds(study, source, folds, appended)
    return plan


def _known_folds(earlier: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Identifier → fold of an earlier plan, whether it is still wanted or not."""
    return {f["id"]: f for f in (*earlier.get("folds", []), *earlier.get("dropped", {}).get("folds", []))}


def _outer_entries(study: Study, source: Source, labelled: list[str], entries: Entries) -> dict[str, Split]:
    """Outer fold → its entry in the splits, cases without labels included.

    Raises:
        ValueError: Folds that do not exist or are of no use, cases that cannot be.
    """
    splits = outer_splits(source.folder, source.cases)
    if study.test_cases:
        split = pool_split(study, source.cases, labelled)
        return {str(entries.index(POOL, source.folder, split)): split}
    numbers = outer_folds(study, splits, set(labelled), appended_folds(source.folder))
    for number in numbers:
        cases = [case for part in ("train", "val") for case in splits[int(number)][part]]
        refuse_absent_cases(number, cases, source.cases, source.folder / SPLITS_FILE)
    return {number: splits[int(number)] for number in numbers}


def _stage_one_data(source: Source, folder: Path) -> StageOneData:
    """The dataset of stage one and its cases."""
    if folder.name == source.folder.name:
        return StageOneData(source.folder, source.cases)
    cases = sorted({p.name[: -len(SEG_ENDING)] for p in folder.glob(f"*/*{SEG_ENDING}")})
    return StageOneData(folder, cases, source.cases)


def _fingerprint(study: Study, source: Source, annotations: dict[str, Annotation], earlier: dict[str, Any]) -> str:
    """Of the dataset as it is.

    Raises:
        ValueError: The dataset is not what it was when the study was planned.
    """
    digest = fingerprint(annotations, source.plans, study.configuration, source.dataset_json)
    if earlier and earlier["fingerprint"] != digest:
        raise ValueError(
            f"{source.folder.name} changed since the study was planned (labels, cases, channels, settings in the plans "
            f"or the configuration {study.configuration}): results of before and after do not belong together. Restore "
            "the data, or plan anew under another output."
        )
    return digest


def _slice_dataset(folds: list[dict[str, Any]], source: Source, raw: Path) -> str | None:
    """A name for the derived dataset, if any fold needs one."""
    if not any(fold["slices"] for fold in folds):
        return None
    number = free_number([raw, source.folder.parent])
    return f"Dataset{number:03d}_{source.folder.name.split('_', 1)[1]}Slices"


def _index_folds(folds: list[dict[str, Any]], known: dict[str, Any], source: Path, slices: str | None) -> None:
    """Say of every fold in which dataset it is and at which index."""
    for name in (source.name, slices):
        own_folds = [fold for fold in folds if bool(fold["slices"]) == (name == slices)]
        for fold in own_folds:
            fold["dataset"] = name
        if own_folds:
            indexed = {k: f for k, f in known.items() if f["dataset"] == name}
            assign_indices(splits_of(source.with_name(str(name))), own_folds, indexed)


def _write_folds(study: Study, source: Source, folds: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    """Append to the splits of all datasets; that of the slices is completed first."""
    every, claimed = [*entries, *folds], appended_folds(source.folder)
    for dataset in dict.fromkeys(fold["dataset"] for fold in every):
        own_folds = [fold for fold in every if fold["dataset"] == dataset]
        target = source.folder.with_name(dataset)
        if any(fold.get("slices") for fold in own_folds):
            write_slice_dataset(source.folder, target, study.plans, study.configuration, own_folds)
        # Budgets of a fold that belongs to a study belong to it, too; so do cases that are only pretrained on.
        remember_appended(
            target, [f for f in own_folds if study.test_cases or "outer" not in f or f["outer"] in claimed]
        )
        append_splits(target / SPLITS_FILE, splits_of(target), own_folds)
