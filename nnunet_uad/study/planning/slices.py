"""A dataset in which some slices of some cases are labelled and the rest carries the ignore label.

The images are links to the source's. One dataset serves all slice budgets of a study: a case whose slices are
labelled for a fold appears under a name of its own.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
from batchgenerators.utilities.file_and_folder_operations import load_pickle, write_pickle
from tqdm import tqdm

from nnunet_uad.common.classes import IGNORE, with_ignore_label
from nnunet_uad.common.files import atomic_copy, atomic_path, write_json
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.study.pins import SEG_ENDING
from nnunet_uad.study.planning.labels import Annotation
from nnunet_uad.study.planning.ordering import interleave, spread_order

FIRST_NUMBER, LAST_NUMBER = 500, 999


def slice_order(annotation: Annotation, rng: random.Random) -> list[int]:
    """The order in which slices are annotated: with and without lesion in turn, each kind spread over the volume."""
    return interleave(spread_order(annotation.lesion_slices, rng), spread_order(annotation.other_slices, rng))


def choose_slices(
    cases: Sequence[str], annotations: dict[str, Annotation], count: int, seed: str
) -> dict[str, list[int]]:
    """The first ``count`` slices, taken from the cases in turn; fewer if they have no more.

    Args:
        cases: Identifiers of the cases, in their order.
        annotations: Annotations of these cases.
        count: Number of slices.
        seed: Seed of the order, which does not depend on ``count``: smaller budgets are subsets of larger ones.
    """
    orders = {case: slice_order(annotations[case], random.Random(f"{seed}/{case}")) for case in cases}
    turns = [(position, case) for case in cases for position in range(len(orders[case]))]
    turns.sort(key=lambda turn: (turn[0], cases.index(turn[1])))
    chosen: dict[str, list[int]] = {}
    for position, case in turns[:count]:
        chosen.setdefault(case, []).append(orders[case][position])
    return {case: sorted(slices) for case, slices in chosen.items()}


def free_number(roots: Sequence[Path]) -> int:
    """The lowest dataset number from 500 on that no folder below ``roots`` has.

    Raises:
        ValueError: all are taken.
    """
    names = [p.name for root in roots if root.is_dir() for p in root.iterdir()]
    taken = {int(match[1]) for name in names if (match := re.match(r"Dataset(\d{3})_", name))}
    free = [n for n in range(FIRST_NUMBER, LAST_NUMBER + 1) if n not in taken]
    if not free:
        raise ValueError(f"No dataset number from {FIRST_NUMBER} to {LAST_NUMBER} is free for the slices' dataset.")
    return free[0]


def labelled_name(case: str, fold: str) -> str:
    """Identifier of a case whose labels are those of one fold."""
    return f"{case}_{fold}"


def write_slice_dataset(
    source: Path, target: Path, plans_name: str, configuration: str, folds: Sequence[dict[str, Any]]
) -> None:
    """Write (or complete) the derived dataset; files that are there are kept.

    Args:
        source: Folder of the dataset in nnUNet_preprocessed.
        target: Folder of the derived dataset beside it.
        plans_name: Name of the plans.
        configuration: Name of the configuration whose preprocessed data are linked.
        folds: Folds with ``id``, ``slices`` (case → indices) and ``val``.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    plans = load_plans(source / f"{plans_name}.json")
    plans["dataset_name"] = target.name
    description = with_ignore_label(load_dataset_json(source / "dataset.json"))
    manager = PlansManager(plans)
    identifier = manager.get_configuration(configuration).data_identifier
    data = target / identifier
    data.mkdir(parents=True, exist_ok=True)
    write_json(target / f"{plans_name}.json", plans)
    write_json(target / "dataset.json", description)
    atomic_copy(source / "dataset_fingerprint.json", target / "dataset_fingerprint.json")
    if not (target / "gt_segmentations").exists():
        (target / "gt_segmentations").symlink_to((source / "gt_segmentations").resolve(), target_is_directory=True)
    labels = manager.get_label_manager(description)
    wanted = [
        *(labels.foreground_regions if labels.has_regions else labels.foreground_labels),
        [-1, *labels.all_labels],
    ]
    cases = {labelled_name(c, f["id"]): (c, z) for f in folds for c, z in f["slices"].items()}
    # nnU-Net's loader asks every case, the fully labelled test cases too, where its annotated voxels are.
    cases |= {c: (c, None) for f in folds for c in f["val"]}
    for name, (case, slices) in tqdm(cases.items(), desc="labelling slices", disable=len(cases) < 50):
        if not (data / f"{name}.pkl").is_file():
            _write_case(source / identifier / case, data / name, slices, description["labels"][IGNORE], wanted)


def _write_case(source: Path, target: Path, slices: Sequence[int] | None, ignore: int, wanted: list) -> None:
    """Link a case's image, write labels and foreground locations; the ``.pkl``, last, says that it is complete."""
    from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

    _link(source.with_name(f"{source.name}.b2nd"), target.with_name(f"{target.name}.b2nd"))
    path = source.with_name(source.name + SEG_ENDING)
    stored = blosc2.open(urlpath=str(path), mode="r")
    seg = np.asarray(stored[:])
    own_labels = target.with_name(target.name + SEG_ENDING)
    if slices is None:
        _link(path, own_labels)
    else:
        hidden = np.ones(seg.shape[1], bool)
        hidden[list(slices)] = False
        # All of the slice, as if the raw labels had been ignored: nnU-Net draws patches around every other voxel.
        seg[:, hidden] = ignore
        with atomic_path(own_labels) as temporary:
            blosc2.asarray(
                seg, urlpath=str(temporary), chunks=stored.chunks, blocks=stored.blocks, cparams=stored.cparams
            )
    properties = load_pickle(str(source.with_name(f"{source.name}.pkl")))
    properties["class_locations"] = DefaultPreprocessor._sample_foreground_locations(seg, wanted)
    with atomic_path(target.with_name(f"{target.name}.pkl")) as temporary:
        write_pickle(properties, str(temporary))


def _link(source: Path, target: Path) -> None:
    if not target.is_symlink():
        target.symlink_to(source.resolve())
