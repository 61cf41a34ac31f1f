"""What a study's cases hold, written down when it is planned and compared before every job.

Results of before and after a change do not belong together, whoever changed splits, images or labels in between.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.data.content import (
    ARRAY,
    Contents,
    file_digests,
    preprocessed_contents,
    raw_contents,
    raw_images,
    sources_of,
)
from nnunet_uad.data.image_files import channels_in
from nnunet_uad.data.splits import SPLITS_FILE, splits_of
from nnunet_uad.study.layout import Cell, Layout

#: Of a preprocessed case's labels on the grid of its image.
SEG_ENDING = "_seg.b2nd"
_MOST_NAMED = 5


def pin_dataset(raw: Path, preprocessed: Path, data: str, cases: Iterable[str]) -> dict[str, Any]:
    """What cases of a preprocessed dataset hold.

    Args:
        raw: Folder of all raw datasets.
        preprocessed: Folder of the dataset in nnUNet_preprocessed.
        data: Name of the folder of the configuration's data in it.
        cases: Identifiers of the cases.
    """
    cases = sorted(set(cases))
    images = raw_images(raw / preprocessed.name)
    contents, sources = preprocessed_contents(preprocessed / data, cases), sources_of(preprocessed)
    files = {
        case: {
            "labels": [preprocessed / data / f"{case}{SEG_ENDING}"],
            "test labels": sorted((preprocessed / "gt_segmentations").glob(f"{glob.escape(case)}.*")),
            "raw images": images.get(case, []),
        }
        for case in cases
    }
    found = raw_contents({case: images[case] for case in cases if case in images})
    seen = {case: [*found.get(case, sources.get(case, ())), *contents[case]] for case in cases}
    return {"data": data, "cases": _pinned(files, seen)}


def pin_tests(images: Mapping[str, list[Path]], labels: Mapping[str, str]) -> dict[str, Any]:
    """What the cases of a further dataset hold, which is only tested on.

    Args:
        images: Files of the images by case.
        labels: File of the labels by case.
    """
    found = raw_contents(images)
    files = {case: {"raw images": images.get(case, []), "test labels": [Path(p)]} for case, p in labels.items()}
    return {"cases": _pinned(files, {case: list(found.get(case, ())) for case in labels})}


def contents_of(pins: Mapping[str, Any], cases: Iterable[str]) -> Contents:
    """Fingerprints of cases, by what was pinned; none of cases that were not.

    Args:
        pins: Pins of a dataset, by :func:`pin_dataset` or :func:`pin_tests`.
        cases: Identifiers of the cases.
    """
    known = pins.get("cases", {})
    return {case: tuple(known.get(case, {}).get("contents", ())) for case in cases}


def refuse_changed_cell(layout: Layout, cell: Cell) -> None:
    """Compare what a cell is trained and tested on with the plan.

    Args:
        layout: Folder of the study.
        cell: Cell that is to be trained or tested.

    Raises:
        RuntimeError: Its fold, its images or its labels are not those that were planned.
    """
    fold = cell.fold
    where = f"fold {fold['index']} of {fold['dataset']}"
    _refuse(layout, where, _split_changes(layout, fold["dataset"], fold["index"], fold))
    refuse_changed_tests(layout, [*(fold["slices"] or fold["train"]), *fold["val"]])


def refuse_changed_tests(layout: Layout, used: Iterable[str]) -> None:
    """Compare cases of the study's dataset, and those of the further datasets, with the plan.

    Args:
        layout: Folder of the study.
        used: Identifiers of cases of the study's own dataset.

    Raises:
        RuntimeError: Their images or labels are not those that were planned.
    """
    source = layout.plan["dataset"]
    if not layout.plan.get("pins", {}):
        print(_unpinned(layout), flush=True)
        return
    _refuse(layout, source, _changes(layout, source, used))
    for test in layout.plan["tests"]:
        _refuse(layout, test["dataset"], _changes(layout, test["dataset"], test["labels"]))


def refuse_changed_pretraining(layout: Layout, identifier: str) -> None:
    """Compare what a pretraining sees with the plan.

    Args:
        layout: Folder of the study.
        identifier: Identifier of the pretraining.

    Raises:
        RuntimeError: Its fold or its images are not those that were planned.
    """
    entry = layout.pretrainings[identifier]
    pins = layout.plan.get("pins", {}).get(entry["dataset"], {})
    planned = pins.get("splits", {}).get(str(entry["fold"]))
    if planned is None:
        print(_unpinned(layout), flush=True)
        return
    where = f"fold {entry['fold']} of {entry['dataset']}"
    _refuse(layout, where, _split_changes(layout, entry["dataset"], entry["fold"], planned))
    _refuse(layout, entry["dataset"], _changes(layout, entry["dataset"], [*planned["train"], *planned["val"]]))


def changed_cases(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words what became of cases since they were pinned.

    Args:
        then: Cases as they were pinned.
        now: The same cases as they are.
    """
    changed: dict[str, list[str]] = {}
    for case, old in then.items():
        new = now.get(case, {"contents": [], "files": {}})
        if _array(old) != _array(new):
            changed.setdefault("images", []).append(case)
        for kind, digest in old["files"].items():
            if new["files"].get(kind) != digest:
                changed.setdefault(kind, []).append(case)
    return [f"{kind} of {_listed(cases)}" for kind, cases in changed.items()]


def _split_changes(layout: Layout, dataset: str, index: int, planned: Mapping[str, Any]) -> list[str]:
    path = Path(layout.request["paths"]["nnUNet_preprocessed"]) / dataset
    splits = splits_of(path)
    if index >= len(splits):
        return [f"{path / SPLITS_FILE} has {len(splits)} entries"]
    now = {part: splits[index].get(part, []) for part in ("train", "val")}
    return [
        f"{path / SPLITS_FILE} has {_listed(cases)} as {part}, planned was {_listed(planned[part])}"
        for part, cases in now.items()
        if sorted(cases) != sorted(planned[part])
    ]


def _changes(layout: Layout, dataset: str, cases: Iterable[str]) -> list[str]:
    pins = layout.plan["pins"].get(dataset, {"cases": {}})
    then = {case: pins["cases"][case] for case in cases if case in pins["cases"]}
    paths = {kind: Path(layout.request["paths"][f"nnUNet_{kind}"]) for kind in ("raw", "preprocessed")}
    if "data" in pins:
        now = pin_dataset(paths["raw"], paths["preprocessed"] / dataset, pins["data"], then)
        return changed_cases(then, now["cases"])
    (test,) = (t for t in layout.plan["tests"] if t["dataset"] == dataset)
    labels = {case: test["labels"][case] for case in then}
    return changed_cases(then, pin_tests(test_images(layout, dataset), labels)["cases"])


def test_images(layout: Layout, dataset: str) -> dict[str, list[Path]]:
    """Images of a further dataset by case, channels in the order of the model's.

    Args:
        layout: Folder of the study.
        dataset: Name of the dataset.
    """
    files = channels_in(layout.images(dataset))
    return {case: [p.resolve() for _, p in sorted(channels.items())] for case, channels in files.items()}


def _refuse(layout: Layout, where: str, changes: list[str]) -> None:
    if changes:
        raise RuntimeError(
            f"{where} changed since the study was planned: {'; '.join(changes)}. What is finished is kept; results of "
            "before and after do not belong together, and test cases may be training cases now. Restore the data and "
            f"run the same again, or plan anew under another output (not {layout.folder})."
        )


def _unpinned(layout: Layout) -> str:
    return (
        f"WARNING: {layout.folder} was planned by an earlier version, so it cannot be checked whether images "
        "or labels changed since. Plan it again to have them compared from now on: nnunet_uad study plan STUDY.yaml"
    )


def _pinned(files: Mapping[str, Mapping[str, list[Path]]], contents: Mapping[str, list[str]]) -> dict[str, Any]:
    digests = file_digests(p for kinds in files.values() for paths in kinds.values() for p in paths)
    return {
        case: {
            "contents": contents[case],
            "files": {kind: " ".join(digests[p] for p in paths) for kind, paths in kinds.items() if paths},
        }
        for case, kinds in files.items()
    }


def _array(entry: Mapping[str, Any]) -> list[str]:
    return [f for f in entry["contents"] if f.startswith(ARRAY)]


def _listed(cases: Iterable[str]) -> str:
    names = list(cases)
    more = len(names) - _MOST_NAMED
    return ", ".join(map(str, names[:_MOST_NAMED])) + (f" and {more} more" if more > 0 else "") or "no case"
