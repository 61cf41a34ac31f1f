"""Preprocess labelled, unlabelled or mixed cohorts with another dataset's plans."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.utilities.crossval_split import generate_crossval_split
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from tqdm import tqdm

from nnunet_uad.common.claim import claim
from nnunet_uad.common.ending import process_pool
from nnunet_uad.common.files import (
    DiskFullError,
    atomic_copy,
    move_all,
    temporary_folder,
    words_for_full_disk,
    write_json,
)
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import channel_names, usable_configuration
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.data.cohort import UNLABELLED_FILE, RawCase, raw_cases, restricted_plans
from nnunet_uad.data.cohort_record import LABELS_FOLDER, CohortRecord, RawFiles
from nnunet_uad.data.complete_plans import require_complete
from nnunet_uad.data.content import remember_sources
from nnunet_uad.data.grids import reader_of
from nnunet_uad.data.image_files import ending_of, read_values
from nnunet_uad.data.raw_files import check_case, check_labels, label_values, write_whole_numbers
from nnunet_uad.data.splits import NUM_FOLDS, SPLITS_FILE, splits_of

#: Keys of dataset.json that preprocessed cases depend on.
_WHAT_CASES_DEPEND_ON = (
    "labels",
    "regions_class_order",
    "channel_names",
    "file_ending",
    "overwrite_image_reader_writer",
)


@dataclass(frozen=True)
class CohortRequest:
    """What is preprocessed like what.

    Attributes:
        sources: Folders of raw datasets.
        like: Folder of the preprocessed dataset whose plans are used.
        plans: Name of the plans.
        configurations: Names of the configurations to preprocess.
        target: Folder in nnUNet_preprocessed that is made.
        channels: Names of the channels, in their order; all of the plans' if empty.
        processes: Number of cases at a time.

    Example:
        >>> request = CohortRequest(
        ...     sources=[Path("nnUNet_raw/Dataset903_Healthy")],
        ...     like=Path("nnUNet_preprocessed/Dataset901_Tumour"),
        ...     plans="nnUNetPlans",
        ...     configurations=["2d"],
        ...     target=Path("nnUNet_preprocessed/Dataset903_Healthy"),
        ... )
    """

    sources: Sequence[Path]
    like: Path
    plans: str
    configurations: Sequence[str]
    target: Path
    channels: Sequence[str] = ()
    processes: int = 1


def preprocess_cohort(request: CohortRequest, say: Callable[[str], object] = print) -> dict[str, str]:
    """Preprocess with nnU-Net's own preprocessor; finished cases are kept, so an interrupted run continues.

    A case whose raw files have changed since, or that was labelled, is made again; one that was withdrawn is removed.

    Leaves what nnU-Net's trainers need: plans, dataset.json, fingerprint, ``gt_segmentations``, splits, and for
    cases without labels their names in ``unlabelled_cases.json``.

    Args:
        request: Datasets, plans and target.
        say: Function that is told which finished cases are made again or removed.

    Returns:
        Case → why it failed; the others are done.

    Raises:
        ValueError: Channels or configurations are wrong, identifiers occur twice, or the target was made with other
            plans or labels, or of entirely other cases.
        FileNotFoundError: A dataset, its plans or images are missing.
        LockedError: Another process writes into the target.

    Example:
        >>> healthy, tumour = "Dataset903_Healthy", Path("nnUNet_preprocessed/Dataset901_Tumour")
        >>> source, target = Path("nnUNet_raw") / healthy, Path("nnUNet_preprocessed") / healthy
        >>> preprocess_cohort(CohortRequest([source], tumour, "nnUNetPlans", ["2d"], target))
        {}
    """
    plans, dataset_json, fingerprint = _description(request)
    cases, failed = _collect(request, channel_names(dataset_json), dataset_json["labels"])
    with folder_lock(request.target):
        record = CohortRecord(
            request.target, _subfolders(plans, request.target / f"{request.plans}.json"), dataset_json["file_ending"]
        )
        outdated = _refuse_another_cohort(record, cases, request.target)
        claim(
            request.target / f"{request.plans}.json",
            plans,
            "cases",
            "They were preprocessed with other plans or channels. Remove that folder or name another dataset: "
            "-o DatasetXXX_Name",
            may_differ=_only_added,
        )
        dataset_json |= {"numTraining": len(cases), "name": request.target.name.split("_", 1)[-1]}
        claim(
            request.target / "dataset.json",
            dataset_json,
            "cases",
            "Remove that folder or name another dataset: -o DatasetXXX_Name",
            may_differ=lambda key, old, new: key not in _WHAT_CASES_DEPEND_ON,
        )
        for reason, identifiers in outdated.items():
            say(f"{request.target.name}: {', '.join(identifiers)}: {reason}.")
            record.remove(identifiers)
        write_json(request.target / "dataset_fingerprint.json", fingerprint)
        for configuration in request.configurations:
            failed |= _preprocess_all(request, plans, dataset_json, cases, configuration, record)
        done = [case for case in cases if case.identifier not in failed]
        _copy_labels(done, request.target, dataset_json["file_ending"])
        unlabelled = [case.identifier for case in done if case.label is None]
        write_json(request.target / UNLABELLED_FILE, unlabelled)
        remember_sources(request.target, {case.identifier: case.images for case in done})
        splits = make_splits([c.identifier for c in done if c.label], unlabelled, splits_of(request.like))
        if splits:
            write_json(request.target / SPLITS_FILE, splits)
        else:
            (request.target / SPLITS_FILE).unlink(missing_ok=True)
    return failed


def _subfolders(plans: dict[str, Any], earlier: Path) -> list[str]:
    """Folders of the configurations of these plans, and of those that were there before."""
    contents = [plans, *([load_plans(earlier, "Remove the folder.")] if earlier.is_file() else [])]
    return [
        str(usable_configuration(content, name)["data_identifier"])
        for content in contents
        for name in content["configurations"]
    ]


def _refuse_another_cohort(record: CohortRecord, cases: Sequence[RawCase], target: Path) -> dict[str, list[str]]:
    """What is outdated in the folder; a folder of entirely other cases was probably not meant.

    Raises:
        ValueError: None of the cases of the folder is in the raw datasets.
    """
    present = record.present()
    if present and not present & {case.identifier for case in cases}:
        raise ValueError(
            f"{target} holds {len(present)} case(s), none of which is in the raw datasets that were named (for example "
            f"{min(present)}). Name all datasets that it was made of with -d, another result with -o, or remove the "
            "folder."
        )
    return record.outdated(cases)


def make_splits(
    labelled: Sequence[str], unlabelled: Sequence[str], known: list[dict[str, list[str]]]
) -> list[dict[str, list[str]]]:
    """Cross-validation of a mixed cohort: unlabelled cases are trained on, labelled ones take turns.

    Args:
        labelled: Identifiers of the labelled cases.
        unlabelled: Identifiers of the others.
        known: Splits of the dataset whose plans are used. Where they hold all labelled cases they are kept, so that
            fold k is validated on what fold k of that dataset is validated on, and nothing leaks.

    Returns:
        Content of ``splits_final.json``; without labelled cases the unlabelled ones take turns, with a single case
        there are no splits (train with fold ``all``).

    Example:
        >>> make_splits(["a", "b"], ["c"], known=[{"train": ["a"], "val": ["b"]}])
        [{'train': ['a', 'c'], 'val': ['b']}]
    """
    if labelled and known and set(labelled) <= {c for split in known for c in (*split["train"], *split["val"])}:
        own = set(labelled)
        folds = [{k: [c for c in split[k] if c in own] for k in ("train", "val")} for split in known]
        return [{"train": [*f["train"], *unlabelled], "val": f["val"]} for f in folds]
    rotating, fixed = (labelled, unlabelled) if len(labelled) > 1 else ([*labelled, *unlabelled], [])
    if len(rotating) < 2:
        return []
    folds = generate_crossval_split(sorted(rotating), seed=12345, n_splits=min(NUM_FOLDS, len(rotating)))
    return [{"train": [*map(str, f["train"]), *fixed], "val": [*map(str, f["val"])]} for f in folds]


def _description(request: CohortRequest) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    command = f"nnUNetv2_plan_and_preprocess -d {request.like.name[len('Dataset') :].split('_')[0]}"
    fix = f"Make it: {command}"
    plans = load_plans(request.like / f"{request.plans}.json", fix)
    dataset_json = load_dataset_json(request.like / "dataset.json", fix)
    fingerprint = read_mapping(request.like / "dataset_fingerprint.json", fix)
    unknown = [c for c in request.configurations if c not in plans["configurations"]]
    if unknown:
        raise ValueError(
            f"The plans {request.plans} of {request.like.name} have no configuration {', '.join(unknown)}; they have: "
            f"{', '.join(plans['configurations'])}."
        )
    for name in request.configurations:
        require_complete(plans, name, str(request.like / f"{request.plans}.json"), len(channel_names(dataset_json)))
    if request.target.resolve() == request.like.resolve():
        raise ValueError(
            f"{request.target.name} is where the plans come from. Name another dataset: -o DatasetXXX_Name"
        )
    if request.channels:
        plans, dataset_json = restricted_plans(plans, dataset_json, request.channels)
    plans["dataset_name"] = request.target.name
    dataset_json.pop("dataset", None)
    return plans, dataset_json, fingerprint


def _collect(
    request: CohortRequest, channels: Sequence[str], classes: Mapping[str, Any]
) -> tuple[list[RawCase], dict[str, str]]:
    cases: dict[str, RawCase] = {}
    failed: dict[str, str] = {}
    for source in request.sources:
        complete, incomplete = raw_cases(source, channels)
        if any(case.label for case in complete):
            _refuse_other_numbers(source / "dataset.json", classes, request.like.name)
        twice = sorted({c.identifier for c in complete} & set(cases))
        if twice:
            raise ValueError(
                f"The identifiers {', '.join(twice[:5])} occur in more than one dataset; rename the files."
            )
        cases |= {c.identifier: c for c in complete}
        failed |= incomplete
    return list(cases.values()), failed


def _refuse_other_numbers(path: Path, classes: Mapping[str, Any], like: str) -> None:
    """Refuse labels that number the same classes in another way: they would be taken for each other.

    Raises:
        ValueError: A class has another number; names the class and both.
    """
    known = {name.casefold(): value for name, value in classes.items()}
    for name, value in load_dataset_json(path, labelled=False).get("labels", {}).items():
        expected = known.get(name.casefold(), value)
        if _as_set(expected) != _as_set(value):
            raise ValueError(
                f"{path}: labels: {name} expects {expected}, as in {like}, whose plans are used, found {value}. Number "
                "the classes alike, in the files of the labels, too."
            )


def _as_set(value: Any) -> set[int]:
    return set(value) if isinstance(value, list) else {value}


def _only_added(key: str, old: Any, new: Any) -> bool:
    """Whether plans differ only in configurations that one of them does not have: those change nothing."""
    return key == "configurations" and all(old[name] == new[name] for name in old.keys() & new.keys())


def _preprocess_all(
    request: CohortRequest,
    plans: dict[str, Any],
    dataset_json: dict[str, Any],
    cases: Sequence[RawCase],
    configuration: str,
    record: CohortRecord,
) -> dict[str, str]:
    folder = request.target / PlansManager(plans).get_configuration(configuration).data_identifier
    folder.mkdir(exist_ok=True)
    todo = [c for c in cases if not record.holds(c.identifier, folder.name)]
    failed: dict[str, str] = {}

    def collect(case: str, outcome: RawFiles | str) -> None:
        """Note a case that is finished, or why it is not."""
        if isinstance(outcome, str):
            failed[case] = outcome
        else:
            record.add(case, outcome)
        progress.update()

    with tqdm(total=len(cases), initial=len(cases) - len(todo), desc=f"preprocessing {configuration}") as progress:
        if request.processes <= 1:
            for case in todo:
                collect(case.identifier, _preprocess_one(plans, dataset_json, case, configuration, folder))
            return failed
        with process_pool(request.processes) as pool:
            jobs: dict[Future[RawFiles | str], str] = {
                pool.submit(_preprocess_one, plans, dataset_json, case, configuration, folder): case.identifier
                for case in todo
            }
            for job in as_completed(jobs):
                error = job.exception()
                collect(jobs[job], f"the worker died: {error}" if error else job.result())
    return failed


def _preprocess_one(
    plans: dict[str, Any], dataset_json: dict[str, Any], case: RawCase, configuration: str, folder: Path
) -> RawFiles | str:
    """Preprocess a case into a folder of its own, then move it; the file that makes it count comes last.

    Returns:
        What its raw files held, or why it failed.
    """
    counts = f"{case.identifier}.b2nd"
    try:
        with words_for_full_disk(folder / counts), temporary_folder(folder.parent) as temporary:
            manager = PlansManager(plans)
            config = manager.get_configuration(configuration)
            files = RawFiles.of(case)
            check_case(case.images, case.label, reader_of(manager), len(dataset_json["channel_names"]))
            label = _checked_label(case, temporary, dataset_json)
            preprocessor = config.preprocessor_class(verbose=False)
            made = temporary / "made"
            made.mkdir()
            truncated = str(made / case.identifier)
            preprocessor.run_case_save(truncated, list(case.images), label, manager, config, dataset_json)
            _check_written(made, case.identifier)
            if label is None:
                _add_empty_locations(made / f"{case.identifier}.pkl", manager, dataset_json)
            move_all(made, folder, last=counts)
    except Exception as error:
        # Whatever is wrong with one case, the others are finished; the caller lists it.
        in_words = isinstance(error, (ValueError, DiskFullError))
        return str(error) if in_words else f"{type(error).__name__}: {error}"
    return files


def _checked_label(case: RawCase, folder: Path, dataset_json: dict[str, Any]) -> str | None:
    """The label file that nnU-Net is to read: the case's, or a copy of integers, which nnU-Net would cut off.

    Raises:
        ValueError: The labels are no whole numbers, or the dataset does not know them.
    """
    if case.label is None:
        return None
    source, copy = Path(case.label), folder / f"label{ending_of(Path(case.label))}"
    label = copy if write_whole_numbers(source, copy) else source
    check_labels(read_values(label), label_values(dataset_json), source.name)
    return str(label)


def _check_written(folder: Path, identifier: str) -> None:
    """Read what nnU-Net has written: its format does not say when a disk was full.

    Raises:
        ValueError: The image is not finite.
    """
    image, labels = nnUNetDatasetBlosc2(str(folder)).load_case(identifier)[:2]
    labels[:]
    if not np.isfinite(image[:]).all():
        raise ValueError("the image holds NaN or infinite values. Fix it.")


def _add_empty_locations(path: Path, manager: PlansManager, dataset_json: dict[str, Any]) -> None:
    """nnU-Net's loader looks up where the classes are; without labels nowhere."""
    labels = manager.get_label_manager(dataset_json)
    classes = [*(labels.foreground_regions if labels.has_regions else labels.foreground_labels)]
    if labels.has_ignore_label:
        # Where anything is annotated.
        classes.append((-1, *labels.all_labels))
    with path.open("rb") as handle:
        properties = pickle.load(handle)
    properties["class_locations"] = {c: np.zeros((0, 4), dtype=np.int64) for c in classes}
    with path.open("wb") as handle:
        pickle.dump(properties, handle)


def _copy_labels(cases: Sequence[RawCase], target: Path, ending: str) -> None:
    """Ground truth for the validation, where nnU-Net looks for it."""
    folder = target / LABELS_FOLDER
    folder.mkdir(exist_ok=True)
    for case in cases:
        path = folder / f"{case.identifier}{ending}"
        if case.label is None or path.exists() or write_whole_numbers(Path(case.label), path):
            continue
        atomic_copy(case.label, path)
