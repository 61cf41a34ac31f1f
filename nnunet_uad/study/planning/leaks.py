"""Would a study measure anything on images that a model has seen? Asked before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nnunet_uad.common.nnunet import load_json, resolved_configuration
from nnunet_uad.data.splits import SPLITS_FILE, Split
from nnunet_uad.study.pins import changed_cases, contents_of, pin_dataset, pin_tests
from nnunet_uad.study.planning.source import Source
from nnunet_uad.study.study_file import Study
from nnunet_uad.weights.leakage import Overlap

_KIND = "test case(s) of the study"


def pin_study(
    study: Study, raw: Path, source: Source, pretraining: Path, outer: Mapping[str, Split], seen: Mapping[str, Split]
) -> dict[str, Any]:
    """What the cases hold that a study trains on, and tests on by cross-validation.

    Args:
        study: Settings of the study.
        raw: Folder of all raw datasets.
        source: Dataset of the study.
        pretraining: Folder of the dataset of stage one in nnUNet_preprocessed.
        outer: Outer folds of the study.
        seen: Folds that are pretrained on; none if nothing is.

    Returns:
        Name of the dataset → what :func:`~nnunet_uad.study.pins.pin_dataset` says of it; for the dataset of stage one
        its splits, too.
    """
    cases = {c for split in outer.values() for c in (*split["train"], *split["val"])}
    further = {c for split in seen.values() for c in (*split["train"], *split["val"])}
    same = pretraining.name == source.folder.name
    pins = {source.folder.name: pin_dataset(raw, source.folder, source.data.name, cases | (further if same else set()))}
    if seen and not same:
        plans = load_json(pretraining / f"{study.plans}.json", "nnunet_uad preprocess --like …")
        known = study.configuration in plans["configurations"]
        data = resolved_configuration(plans, study.configuration)["data_identifier"] if known else source.data.name
        pins[pretraining.name] = pin_dataset(raw, pretraining, data, further)
    if seen:
        pins[pretraining.name]["splits"] = dict(seen)
    return pins


def pin_test_datasets(tests: list[dict[str, Any]], images: Callable[[str], Mapping[str, list[Path]]]) -> dict[str, Any]:
    """What the cases of the further datasets hold.

    Args:
        tests: Further datasets as the plan describes them.
        images: Function of a dataset's name: images by case.
    """
    return {test["dataset"]: pin_tests(images(test["dataset"]), test["labels"]) for test in tests}


def refuse_changed_pins(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare cases with what they held when the study was planned before.

    Args:
        earlier: Pins of the earlier plan; empty at first.
        now: Pins of the new one.

    Raises:
        ValueError: Images or labels are others.
    """
    for dataset in earlier.keys() & now.keys():
        then, cases = earlier[dataset]["cases"], now[dataset]["cases"]
        changes = changed_cases({case: old for case, old in then.items() if case in cases}, cases)
        if changes:
            raise ValueError(
                f"{dataset} changed since the study was planned ({'; '.join(changes)}): results of before and after do "
                "not belong together. Restore the data, or plan anew under another output."
            )


def refuse_leaking_folds(source: Path, outer: Mapping[str, Split], pins: Mapping[str, Any]) -> None:
    """Refuse outer folds whose test cases are among their training cases, under whatever name.

    Args:
        source: Folder of the dataset in nnUNet_preprocessed.
        outer: Outer folds of the study.
        pins: Pins of the dataset.

    Raises:
        ValueError: Naming fold and cases.
    """
    for number, split in outer.items():
        train, val = (contents_of(pins, split[part]) for part in ("train", "val"))
        if overlap := Overlap.between(train, val):
            consequence = f"A study does not report such scores; correct the folds in {source / SPLITS_FILE}."
            raise ValueError(overlap.finding(f"fold {number} of {source.name}", consequence, _KIND))


def refuse_leaking_tests(
    tests: list[dict[str, Any]],
    outer: Mapping[str, Split],
    pins: Mapping[str, Any],
    dataset: str,
    say: Callable[[str], object],
) -> None:
    """Refuse further datasets that repeat training cases, under whatever name.

    Args:
        tests: Further datasets as the plan describes them.
        outer: Outer folds of the study.
        pins: Pins of all datasets of the study.
        dataset: Name of the study's dataset.
        say: Function that is told of cases that share no more than their name.

    Raises:
        ValueError: Naming dataset and cases.
    """
    trained = contents_of(pins[dataset], [case for split in outer.values() for case in split["train"]])
    for other in pins.values():
        for split in other.get("splits", {}).values():
            trained |= contents_of(other, split["train"])
    for test in tests:
        name = test["dataset"]
        overlap = Overlap.between(trained, contents_of(pins[name], test["labels"]))
        kind = f"case(s) of {name}, which the study is tested on,"
        if overlap.certain:
            consequence = f"Take them out of {name}, or leave it out of test."
            raise ValueError(overlap.certain.finding(f"the study ({dataset})", consequence, kind))
        if overlap:
            say(f"WARNING: {overlap.suspicion(f'the study ({dataset})', f'the scores on {name} are too good', kind)}")
