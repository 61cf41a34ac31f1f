"""Predict corrupted images with nnU-Net and score them: one row on disk per model, fold and condition."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nnunet_uad.common.claim import claim
from nnunet_uad.common.devices import require_device
from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.json_files import read_as, read_mapping
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import CHECKPOINT
from nnunet_uad.common.nnunet_files import RESTORE, load_dataset_json, load_plans
from nnunet_uad.data.content import raw_contents
from nnunet_uad.data.grids import reader_named
from nnunet_uad.data.image_files import channels_in, ending_of
from nnunet_uad.data.raw_files import check_case
from nnunet_uad.evaluation.segmentation import score_case
from nnunet_uad.inference.inputs import images_hash
from nnunet_uad.inference.segmenter import load_segmenter, segment
from nnunet_uad.robustness.artefacts import SEVERITIES, check_artefacts
from nnunet_uad.robustness.images import CLEAN, Condition, corrupted_files
from nnunet_uad.training.cases import CASES_FILE, TrainedCases
from nnunet_uad.weights.leakage import Overlap, unknown_cases

RECORD = "request.json"
#: Keys of the record that grow with every model and fold.
_GROWING = ("weights", "images and labels")


@dataclass(frozen=True)
class RobustnessRequest:
    """What is predicted.

    Attributes:
        raw: Folder of the dataset in nnUNet_raw.
        folds: Fold → identifiers of its validation cases.
        models: Name of a trainer → folder of its model.
        artefacts: Names of the artefacts.
        output: Folder to write into.
        severities: Severities from 1 to 5.
        seed: Seed of the artefacts.
        checkpoint: Name of the checkpoint's file.
        mirroring: Whether test-time mirroring is used.
        device: Device to predict on.
    """

    raw: Path
    folds: dict[str, list[str]]
    models: dict[str, Path]
    artefacts: Sequence[str]
    output: Path
    severities: Sequence[int] = SEVERITIES
    seed: int = 0
    checkpoint: str = CHECKPOINT
    mirroring: bool = True
    device: str = "cpu"

    @property
    def conditions(self) -> list[Condition]:
        """Conditions to predict under, the clean images first."""
        return [CLEAN, *(Condition(a, s) for a in self.artefacts for s in self.severities)]


def refuse_leakage(
    request: RobustnessRequest, images: Mapping[str, Sequence[Path]], say: Callable[[str], object]
) -> None:
    """Refuse models that were trained on what they are to be measured on; splits may have changed since.

    Args:
        request: Models and cases.
        images: Files of every case.
        say: Function that is told where nobody knows what a model has seen.

    Raises:
        ValueError: A fold was trained on some of its cases.
    """
    consequence = "the scores are too good"
    contents = raw_contents(images)
    for model in request.models.values():
        for fold, cases in request.folds.items():
            folder = model / f"fold_{fold}"
            trained = TrainedCases.read(folder)
            if trained is None:
                if set(cases) - set(validated_cases(folder)):
                    say("WARNING: " + unknown_cases(str(folder), consequence, f"{CASES_FILE} is missing there"))
                continue
            measured = {case: contents[case] for case in cases}
            if overlap := Overlap.between(trained.train, measured):
                raise ValueError(
                    overlap.finding(
                        str(folder),
                        "Scores on them do not count. The splits changed since it was trained: restore them, or train "
                        "the fold anew.",
                    )
                )


def validated_cases(folder: Path) -> list[str]:
    """Cases that a fold was validated on, by nnU-Net's own summary of it; none if there is none.

    Args:
        folder: Folder of the fold.
    """
    try:
        summary = read_mapping(folder / "validation" / "summary.json")
        files = [Path(row["prediction_file"]) for row in summary["metric_per_case"]]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [path.name.removesuffix(ending_of(path)) for path in files]


def check_request(request: RobustnessRequest, say: Callable[[str], object] = print) -> dict[str, list[Path]]:
    """Refuse before anything is written.

    Args:
        request: Models, cases and artefacts.
        say: Function that is told what the user should know.

    Returns:
        Case → its raw images.

    Raises:
        ValueError: Unknown artefacts, missing, damaged or displaced images or labels, models that were trained on the
            cases, results of another run in the output folder.
        FileNotFoundError: Models or folds that are not trained.
        RuntimeError: The device is not there.
    """
    check_artefacts(request.artefacts, request.severities)
    missing = [
        str(folder / f"fold_{fold}" / request.checkpoint)
        for folder in request.models.values()
        for fold in request.folds
        if not (folder / f"fold_{fold}" / request.checkpoint).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            "These folds are not trained: " + ", ".join(missing) + ". Train them (nnUNetv2_train DATASET CONFIGURATION "
            "FOLD -tr TRAINER), or name a checkpoint that exists with -chk."
        )
    images = channels_in(request.raw / "imagesTr")
    cases = sorted({case for fold in request.folds.values() for case in fold})
    ending = load_dataset_json(request.raw / "dataset.json")["file_ending"]
    absent = [c for c in cases if c not in images or not (request.raw / "labelsTr" / f"{c}{ending}").is_file()]
    if absent or not cases:
        raise ValueError(
            f"{request.raw} lacks images or labels of the validation cases {', '.join(absent) or '(there are none)'}."
        )
    require_device(request.device)
    files = {case: [images[case][k] for k in sorted(images[case])] for case in cases}
    labels = {case: request.raw / "labelsTr" / f"{case}{ending}" for case in cases}
    _check_files(request, files, labels)
    refuse_leakage(request, files, say)
    record: dict[str, Any] = {
        "artefacts' seed": request.seed,
        "mirroring": request.mirroring,
        "checkpoint": request.checkpoint,
        "dataset": request.raw.name,
        "weights": {
            f"{trainer}/fold_{fold}": file_hash(folder / f"fold_{fold}" / request.checkpoint)
            for trainer, folder in request.models.items()
            for fold in request.folds
        },
        "images and labels": {case: images_hash([*files[case], labels[case]]) for case in cases},
    }
    path = request.output / RECORD
    if path.is_file():
        # Rows of other trainers and folds stay beside these, and so does what they were made of.
        earlier = read_mapping(path, "Choose another -o.")
        for key in _GROWING:
            record[key] = {**earlier.get(key, {}), **record[key]}
    claim(path, record, "rows", "Choose another -o.", may_differ=_only_added)
    return files


def _check_files(request: RobustnessRequest, files: dict[str, list[Path]], labels: dict[str, Path]) -> None:
    """All images and labels are whole, and on one grid.

    Raises:
        ValueError: Some are not; names each.
    """
    plans = load_plans(next(iter(request.models.values())) / "plans.json", RESTORE)
    wrong = []
    for case, images in files.items():
        try:
            check_case(images, labels[case], reader_named(str(plans["image_reader_writer"])))
        except ValueError as error:
            wrong.append(f"{case}: {error}")
    if wrong:
        raise ValueError(f"{len(wrong)} case(s) of {request.raw} cannot be used:\n  " + "\n  ".join(wrong))


def _only_added(key: str, old: Any, new: Any) -> bool:
    """Whether only something was added: rows of further models and cases change none of the others."""
    return key in _GROWING and old is not None and all(new[name] == value for name, value in old.items())


def run_robustness(request: RobustnessRequest) -> list[dict[str, Any]]:
    """Predict and score what has no row yet.

    Returns:
        All rows: trainer, fold, artefact, severity, case, Dice per class, and the metrics of a case.

    Raises:
        LockedError: Another process writes into the output.
    """
    with folder_lock(request.output):
        return _run(request, check_request(request))


def _run(request: RobustnessRequest, files: dict[str, list[Path]]) -> list[dict[str, Any]]:
    jobs = list(_jobs(request))
    rows: list[dict[str, Any]] = []
    predictors: dict[tuple[str, str], Any] = {}
    for trainer, fold, condition in tqdm(jobs, desc="predicting"):
        path = request.output / "rows" / trainer / f"fold_{fold}" / f"{condition.name}.json"
        if not path.is_file():
            if (trainer, fold) not in predictors:
                # One network at a time: a model is finished before the next begins.
                predictors = {(trainer, fold): _load(request, trainer, fold)}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, _predict(request, predictors[trainer, fold], files, trainer, fold, condition))
        rows += read_as(list[dict[str, Any]], path, "Delete it, and it is made anew.")
    return rows


def _jobs(request: RobustnessRequest) -> Iterator[tuple[str, str, Condition]]:
    for trainer in request.models:
        for fold in request.folds:
            for condition in request.conditions:
                yield trainer, fold, condition


def _load(request: RobustnessRequest, trainer: str, fold: str) -> Any:
    return load_segmenter(request.models[trainer], fold, request.checkpoint, request.mirroring, request.device)


def _predict(
    request: RobustnessRequest,
    predictor: Any,
    files: dict[str, list[Path]],
    trainer: str,
    fold: str,
    condition: Condition,
) -> list[dict[str, Any]]:
    """Predict the fold's cases under a condition; segmentations are written, probabilities only scored."""
    cases = request.folds[fold]
    ending = ending_of(files[cases[0]][0])
    images = [corrupted_files(request.output / "images", condition, c, files[c], request.seed, ending) for c in cases]
    folder = request.output / "predictions" / trainer / f"fold_{fold}" / condition.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    for case, files_of_case in zip(cases, images, strict=True):
        path, label = folder / f"{case}{ending}", request.raw / "labelsTr" / f"{case}{ending}"
        scores = score_case(path, segment(predictor, files_of_case, path), label, predictor)
        rows.append({"trainer": trainer, "fold": fold, **condition.__dict__, "case": case, **scores})
    return rows
