"""``study.yaml`` → ``study.json`` and the folds that its cells are trained on."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_uad.data.cohort import raw_cases, unlabelled_cases
from nnunet_uad.data.splits import SPLITS_FILE
from nnunet_uad.study.folds import Split, append_splits, assign_indices, outer_splits
from nnunet_uad.study.labels import SEG_ENDING, Annotation, fingerprint, read_annotations
from nnunet_uad.study.layout import FORMAT, PLAN_FILE, REQUEST_FILE, Layout
from nnunet_uad.study.ordering import spread_order
from nnunet_uad.study.pretrainings import check_leakage, plan_pretrainings
from nnunet_uad.study.settings import Budget, Study, slug
from nnunet_uad.study.slices import choose_slices, free_number, labelled_name, write_slice_dataset
from nnunet_uad.training.atomic import write_json


@dataclass(frozen=True)
class Source:
    """The dataset that a study is about, preprocessed.

    Attributes:
        folder: in nnUNet_preprocessed.
        plans: content of the plans.
        dataset_json: its description.
        data: folder of the configuration's preprocessed data.
        voxel: volume of a voxel, mm³.
    """

    folder: Path
    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    data: Path
    voxel: float

    @property
    def ignore_label(self) -> int | None:
        """Label that means not annotated."""
        return self.dataset_json["labels"].get("ignore")

    @property
    def cases(self) -> list[str]:
        """Identifiers of the preprocessed cases."""
        return sorted(p.name[: -len(SEG_ENDING)] for p in self.data.glob(f"*{SEG_ENDING}"))


def open_source(folder: Path, study: Study) -> Source:
    """The preprocessed dataset.

    Raises:
        FileNotFoundError: it is not planned or not preprocessed with the configuration.
        ValueError: the plans do not have the configuration.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    number = study.dataset
    path = folder / f"{study.plans}.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Make it: nnUNetv2_plan_and_preprocess -d {number}")
    plans = json.loads(path.read_text(encoding="utf-8"))
    if study.configuration not in plans["configurations"]:
        raise ValueError(
            f"The plans {study.plans} of {folder.name} have no configuration {study.configuration!r}; they have: "
            f"{', '.join(plans['configurations'])}. Say in the study how to make it (small_plan), or choose one."
        )
    configuration = PlansManager(plans).get_configuration(study.configuration)
    data = folder / configuration.data_identifier
    source = Source(
        folder,
        plans,
        json.loads((folder / "dataset.json").read_text(encoding="utf-8")),
        data,
        float(np.prod(configuration.spacing)),
    )
    if not source.cases:
        raise FileNotFoundError(
            f"{data} holds no preprocessed case. Make them: nnUNetv2_preprocess -d {number} -c {study.configuration} "
            f"-plans_name {study.plans}; or let the study do it: nnunet_uad study run"
        )
    return source


def write_request(layout: Layout, study: Study, paths: dict[str, str]) -> None:
    """Write down what was asked for, for jobs that run elsewhere."""
    layout.folder.mkdir(parents=True, exist_ok=True)
    content = {"study": dataclasses.asdict(study), "paths": paths}
    path = layout.folder / REQUEST_FILE
    if not path.is_file() or json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(content)):
        write_json(path, content)


def plan_study(
    study: Study, layout: Layout, raw: Path, source_folder: Path, pretraining_folder: Path
) -> dict[str, Any]:
    """Plan a study: write ``study.json``, the folds, the slices' dataset, the links to test images.

    Planning the same study again changes nothing; a study with more budgets, draws, folds or trainers keeps the
    indices of the folds it had.

    Args:
        study: settings.
        layout: its folder.
        raw: nnUNet_raw.
        source_folder: the dataset in nnUNet_preprocessed.
        pretraining_folder: the dataset of stage one there.

    Returns:
        Content of ``study.json``.

    Raises:
        ValueError: budgets larger than the data, trainers that do not exist, a dataset that changed since it was
            planned, test cases that pretraining would see.
        FileNotFoundError: data that are not preprocessed.
    """
    source = open_source(source_folder, study)
    earlier = layout.plan if layout.planned else {}
    unlabelled = unlabelled_cases(source.folder)
    labelled = [c for c in source.cases if c not in unlabelled]
    annotations = read_annotations(source.data, labelled, source.ignore_label, source.voxel)
    digest = fingerprint(annotations, source.plans, study.configuration, source.dataset_json)
    if earlier and earlier["fingerprint"] != digest:
        raise ValueError(
            f"{source.folder.name} changed since the study was planned (labels, cases, channels or the configuration "
            f"{study.configuration}): results of before and after do not belong together. Restore the data, or plan "
            "anew under another output."
        )
    splits = outer_splits(source.folder, source.cases)
    outer = _outer_folds(study, splits, set(labelled))
    folds = _plan_folds(study, outer, annotations)
    case_folds = [f for f in folds if not f["slices"]]
    slice_folds = [f for f in folds if f["slices"]]
    known = {f["id"]: f for f in (*earlier.get("folds", []), *earlier.get("dropped", []))}
    assign_indices(splits, case_folds, {k: f for k, f in known.items() if not f["slices"]})
    slices = earlier.get("slice_dataset")
    if slice_folds:
        slices = slices or _slice_dataset_name(study, source, raw)
        _assign_slice_folds(source.folder.with_name(slices), slice_folds, known)
    for fold in folds:
        fold["dataset"] = slices if fold["slices"] else source.folder.name
    needs, pretrainings = plan_pretrainings(study, list(outer), pretraining_folder.name)
    check_leakage(pretraining_folder, outer, bool(pretrainings))
    arms = {name: _arm_content(study, name, needs[name], pretrainings) for name in study.arms}
    _refuse_changes(layout, earlier, {"arms": arms, "pretrainings": pretrainings})
    # What an earlier plan had and this one has not is kept: its results are not lost, its folds stay where they are.
    plan = {
        "format": FORMAT,
        "dataset": source.folder.name,
        "slice_dataset": slices,
        "fingerprint": digest,
        "seed": study.seed,
        "outer": outer,
        "volumes_mm3": {case: round(a.volume, 3) for case, a in annotations.items()},
        "arms": arms | {name: old for name, old in earlier.get("arms", {}).items() if name not in arms},
        "needs": needs,
        "pretrainings": pretrainings,
        "tests": _plan_tests(study, layout, raw, source),
        "folds": folds,
        "dropped": [fold for name, fold in known.items() if name not in {f["id"] for f in folds}],
    }
    if earlier != json.loads(json.dumps(plan)):
        write_json(layout.folder / PLAN_FILE, plan)
    # After study.json: folds without a record of what they mean would be of no use.
    append_splits(source.folder / SPLITS_FILE, splits, case_folds)
    if slice_folds:
        target = source.folder.with_name(str(slices))
        write_slice_dataset(source.folder, target, study.plans, study.configuration, slice_folds)
        append_splits(target / SPLITS_FILE, _splits_of(target), slice_folds)
    return plan


def _arm_content(study: Study, name: str, needs: dict[str, Any], pretrainings: dict[str, Any]) -> dict[str, Any]:
    """All that a trained cell of an arm depends on, besides its fold."""
    length, arm = study.fine_tuning, study.arms[name]
    wanted = {identifier for fold in needs.values() for identifier in fold.values()}
    stage_one = {(pretrainings[i]["trainer"], pretrainings[i]["dataset"]) for i in wanted}
    return {
        "trainer": arm.trainer + length.suffix,
        "settings": f"{length.settings} {arm.settings}".strip(),
        "pretraining": [[*entry, study.pretraining_of(arm).settings] for entry in sorted(stage_one)],
        "mirroring": study.mirroring,
        "seed": study.seed,
    }


def _refuse_changes(layout: Layout, earlier: dict[str, Any], now: dict[str, Any]) -> None:
    """Results of an arm or a pretraining that meant something else must not pass for results of this one.

    Args:
        layout: of the study.
        earlier: the plan so far.
        now: ``arms`` and ``pretrainings`` of the new one.

    Raises:
        ValueError: naming what changed and the folders of the old results.
    """
    for kind, entries in now.items():
        for name, content in entries.items():
            old = earlier.get(kind, {}).get(name, content)
            places = [layout.folder / "cells" / slug(name), layout.results(slug(name))]
            if kind == "pretrainings":
                places = [layout.pretrained(name), layout.results() / name]
            there = [str(place) for place in places if place.exists()]
            if old != content and there:
                changed = [f"{k}: {old.get(k)!r}, now {content[k]!r}" for k in content if old.get(k) != content[k]]
                raise ValueError(
                    f"{name} has results from when it was something else ({'; '.join(changed)}). Give what is new "
                    f"another name or another output; or remove {', '.join(there)}."
                )


def _splits_of(folder: Path) -> list[Split]:
    path = folder / SPLITS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def _outer_folds(study: Study, splits: list[Split], labelled: set[str]) -> dict[str, Split]:
    """Outer fold → labelled training and test cases.

    Raises:
        ValueError: a fold that does not exist, or without labelled cases on either side.
    """
    numbers: list[int] = []
    if "all" in study.folds:
        # Entries that studies appended are tested on the cases of an earlier entry.
        first = {tuple(sorted(s["val"])): k for k, s in reversed(list(enumerate(splits)))}
        numbers = sorted(first.values())
    numbers += [int(f) for f in study.folds if f != "all" and int(f) not in numbers]
    wrong = [n for n in numbers if n >= len(splits)]
    if wrong:
        raise ValueError(f"folds: there are the folds 0 to {len(splits) - 1}, not {', '.join(map(str, wrong))}.")
    outer = {}
    for number in numbers:
        split = {k: [c for c in splits[number][k] if c in labelled] for k in ("train", "val")}
        if not split["train"] or not split["val"]:
            raise ValueError(
                f"Fold {number} has no labelled {'training' if not split['train'] else 'validation'} case."
            )
        outer[str(number)] = split
    return outer


def _plan_folds(study: Study, outer: dict[str, Split], annotations: dict[str, Annotation]) -> list[dict[str, Any]]:
    """A fold for every outer fold, budget and draw, by budget: the comparison of a budget is finished together."""
    orders = {
        (number, draw): case_order(split["train"], annotations, f"{study.seed}/{number}/{draw}")
        for number, split in outer.items()
        for draw in range(study.draws)
    }
    folds = []
    for budget in map(Budget, study.budgets):
        for draw in range(study.draws):
            for number, split in outer.items():
                fold: dict[str, Any] = {
                    "id": f"fold{number}_{budget.text}_draw{draw}",
                    "outer": int(number),
                    "budget": budget.text,
                    "draw": draw,
                    "val": split["val"],
                    "slices": {},
                }
                order = orders[number, draw]
                if budget.in_slices:
                    fold |= _slice_fold(study, budget, order, annotations, fold["id"], number, draw)
                else:
                    fold |= _case_fold(budget, order, annotations, number)
                folds.append(fold)
    return folds


def case_order(cases: Sequence[str], annotations: dict[str, Annotation], seed: str) -> list[str]:
    """The order in which cases are labelled, every beginning spread over the labelled volumes.

    The first case has foreground: nobody would label a single case without any.
    """
    order = spread_order(sorted(cases, key=lambda c: (annotations[c].volume, c)), random.Random(seed))
    first = next((k for k, c in enumerate(order) if annotations[c].volume > 0), 0)
    return [order[first], *order[:first], *order[first + 1 :]]


def _case_fold(budget: Budget, order: Sequence[str], annotations: dict[str, Annotation], outer: str) -> dict[str, Any]:
    count = budget.count or len(order)
    if count > len(order):
        raise ValueError(
            f"budgets: {budget.words} are more than the {len(order)} labelled training cases of fold {outer}."
        )
    chosen = order[:count]
    return {"train": sorted(chosen), "annotated_slices": sum(annotations[c].slices for c in chosen)}


def _slice_fold(
    study: Study,
    budget: Budget,
    order: Sequence[str],
    annotations: dict[str, Annotation],
    name: str,
    outer: str,
    draw: int,
) -> dict[str, Any]:
    cases = order[: study.slice_cases]
    count = budget.count or 0
    slices = choose_slices(cases, annotations, count, f"{study.seed}/{outer}/{draw}")
    found = sum(map(len, slices.values()))
    if found < count:
        raise ValueError(
            f"budgets: {budget.words} are more than the {found} slices of {', '.join(cases)} (fold {outer}, draw "
            f"{draw}). Spread them over more cases: slice_cases: {study.slice_cases + 1}"
        )
    return {
        "train": sorted(labelled_name(c, name) for c in slices),
        "slices": slices,
        "annotated_slices": found,
    }


def _slice_dataset_name(study: Study, source: Source, raw: Path) -> str:
    number = free_number([raw, source.folder.parent])
    return f"Dataset{number:03d}_{source.folder.name.split('_', 1)[1]}Slices"


def _assign_slice_folds(target: Path, folds: list[dict[str, Any]], known: dict[str, dict[str, Any]]) -> None:
    assign_indices(_splits_of(target), folds, {k: f for k, f in known.items() if f["slices"]})


def _plan_tests(study: Study, layout: Layout, raw: Path, source: Source) -> list[dict[str, Any]]:
    """Link the images of the further datasets in the order of the model's channels.

    Raises:
        ValueError: other channels, another file ending, no labelled case, or the study's own dataset.
    """
    from nnunet_uad.cli.common import dataset_name

    channels, ending = list(source.dataset_json["channel_names"].values()), source.dataset_json["file_ending"]
    tests = []
    for wanted in study.test:
        name = dataset_name(raw, wanted)
        if name == source.folder.name:
            raise ValueError(f"test lists {wanted}, the study's own dataset, whose folds are tested anyway.")
        description = json.loads((raw / name / "dataset.json").read_text(encoding="utf-8"))
        if description["file_ending"] != ending:
            raise ValueError(f"{name} has images {description['file_ending']}, the models expect {ending}.")
        cases = [case for case in raw_cases(raw / name, channels)[0] if case.label is not None]
        if not cases:
            raise ValueError(f"{name} has no labelled case to test on.")
        folder = layout.images(name)
        folder.mkdir(parents=True, exist_ok=True)
        for case in cases:
            for channel, path in enumerate(case.images):
                link = folder / f"{case.identifier}_{channel:04d}{ending}"
                if not link.is_symlink():
                    link.symlink_to(Path(path).resolve())
        tests.append(
            {
                "dataset": name,
                "labels": {case.identifier: str(Path(case.label).resolve()) for case in cases if case.label},
                "classes": description["labels"],
            }
        )
    return tests
