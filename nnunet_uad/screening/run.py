"""A folder of raw images → what is known, what is unknown, and one table of findings."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_uad.common.claim import claim
from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.nnunet import CHECKPOINT, ModelFolder
from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.inference.inputs import INPUTS_FILE, InputImages
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.inference.pipeline import list_cases, outdated_removed, run_cases
from nnunet_uad.inference.predict import Say, copies_of_training, overlap_with_training, wanted_score
from nnunet_uad.screening.calibration import Calibration, RateCheck
from nnunet_uad.screening.export import ScreenExporter
from nnunet_uad.screening.map_folders import MapScore
from nnunet_uad.screening.models import Models
from nnunet_uad.screening.names import CALIBRATION, KINDS, RECORD
from nnunet_uad.screening.request import ScreenRequest
from nnunet_uad.screening.tables import write_tables
from nnunet_uad.screening.unseen import UnseenCases
from nnunet_uad.screening.validation import Validations

#: A check this many times the promise is told as a warning.
_BROKEN = 1.5


@dataclass(frozen=True)
class ScreenResult:
    """What became of the cases.

    Attributes:
        written: Identifiers of the cases that were written now.
        kept: Identifiers of the cases that were finished before.
        failed: Reasons why cases could not be done, by identifier.
        threshold: Least score of an anomalous voxel.
        check: Rates of validation cases at thresholds that were chosen without them.
        findings: File of all findings.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    failed: dict[str, str]
    threshold: float
    check: RateCheck
    findings: Path


def screen_folder(request: ScreenRequest, say: Say = print) -> ScreenResult:
    """Screen all cases of a folder; finished cases are kept, so an interrupted run continues.

    Args:
        request: Images, both models, and what is wanted.
        say: Function that is told what the user should know before the work begins.

    Returns:
        What became of every case; one that fails does not stop the others.

    Raises:
        ValueError: The models do not read the same images, there is nothing to calibrate on, the settings are wrong,
            there is no image, or the output holds what was screened differently.
        FileNotFoundError: There is no such model, fold or folder of images.
        LockedError: Another process writes into the output.

    Example:
        >>> results = Path("nnUNet_results/Dataset901_Tumour")
        >>> supervised, dae = (results / f"{t}__nnUNetPlans__2d" for t in ("nnUNetTrainer", "nnUNetPretrainerDAE"))
        >>> labels = "nnUNet_raw/Dataset901_Tumour/labelsTr"
        >>> common = {"images": "IMAGES", "output": "SCREENED", "labels": labels, "device": "cpu"}
        >>> result = screen_folder(ScreenRequest(model=supervised, map_model=dae, **common), say=lambda told: None)
        >>> result.written, result.failed
        (('case',), {})
    """
    folder = Path(request.output)
    _refuse_other_contents(folder)
    known, folds = request.known.fold_folders(), request.map.fold_folders()
    models = _load(request)
    cases, failed = list_cases(Path(request.images), models.plans.known.dataset)
    calibration, check = _calibrate(request, models, say)
    exporter = _exporter(request, models, calibration)
    _refuse_same_files(exporter, cases)
    exporter.refuse_others(cases)
    trainer = request.map.names.trainer
    overlap_with_training(folds, cases, trainer, say)
    unseen = UnseenCases(known, folds)
    if warning := unseen.warning(cases):
        say(warning)
    record = {**_record(request, models), "calibrated_on": calibration.cases, "threshold": exporter.threshold}
    record["check"] = check.summary()
    remedy = "Choose another -o, or --overwrite."
    with folder_lock(folder, say=say):
        if (folder / INPUTS_FILE).is_file() and not (folder / RECORD).is_file():
            # Ours, but nobody knows any more how it was made.
            exporter.forget(cases)
        clear = partial(exporter.forget, cases)
        claim(folder / RECORD, record, "findings", remedy, request.overwrite, clear=clear)
        write_json(folder / CALIBRATION, dataclasses.asdict(calibration))
        inputs = InputImages(folder / INPUTS_FILE)
        outdated_removed(exporter, inputs, cases, say)
        todo = {k: v for k, v in cases.items() if not exporter.is_done(k)}
        if len(todo) < len(cases):
            say(f"{len(cases) - len(todo)} of {len(cases)} cases are done already (--overwrite screens them again).")
        watches = (unseen.watch(request.known.names.trainer, say), copies_of_training(folds, trainer, say))
        compute = _watched(models, watches)
        processes = request.map.processes(len(todo))
        failed |= run_cases(todo, models.plans.prepare, compute, exporter.write, processes, inputs)
        findings, _ = write_tables(folder, exporter.rows(), failed)
    written = tuple(case for case in todo if case not in failed)
    kept = tuple(case for case in cases if case not in todo)
    return ScreenResult(written, kept, failed, exporter.threshold, check, findings)


def _load(request: ScreenRequest) -> Models:
    """Both models, which must read the same images, and offer the score that is wanted."""
    restorer = request.map.load()
    settings = wanted_score(request.score, restorer)
    return Models.load(request.known, restorer, settings, request.mirroring, request.device)


def _exporter(request: ScreenRequest, models: Models, calibration: Calibration) -> ScreenExporter:
    return ScreenExporter(
        folder=Path(request.output),
        kinds=tuple(request.save),
        plans=models.plans,
        scorer=models.restorer.scorer,
        settings=models.settings,
        calibration=calibration,
        threshold=calibration.threshold(request.fpr),
        min_mm3=request.min_mm3,
    )


def _watched(models: Models, watches: Sequence[Callable[[str, Any], object]]) -> Callable[[str, Any], Any]:
    def compute(identifier: str, prepared: Any) -> Any:
        """Hash of the images of a case, and what the networks made of them."""
        for watch, (image, *_) in zip(watches, prepared, strict=True):
            watch(identifier, image)
        return models.compute(identifier, prepared)

    return compute


def _calibrate(request: ScreenRequest, models: Models, say: Say) -> tuple[Calibration, RateCheck]:
    """The calibration, and the check of what it promises, which the user is told."""
    validations = Validations(
        known=request.known.fold_folders(),
        map=request.map.fold_folders(),
        dataset=models.plans.known.dataset,
        score=MapScore.of(models.settings, models.restorer.scorer),
        labels=None if request.labels is None else Path(request.labels),
    )
    voxels = validations.count(validations.cases(say), request.margin_mm, say)
    calibration = Calibration.of(voxels, request.margin_mm)
    check = RateCheck.leaving_one_out(voxels, request.margin_mm, request.fpr)
    say(check.in_words())
    if calibration.rates[-1] > request.fpr:
        # Rounded up: two digits are at most 5 % too low.
        say(
            f"WARNING: in {len(voxels)} scans a single healthy voxel is more than --fpr {request.fpr:g}, so the "
            f"threshold lies above all of them, and the rate is not resolved. Ask for "
            f"{1.06 * calibration.rates[-1]:.2g} or more."
        )
    elif check.mean > _BROKEN * request.fpr:
        say(
            f"WARNING: on cases left out, {check.mean / request.fpr:.3g} times as much was called unknown as is "
            "promised. The validation cases are few or differ much: validate on more, or ask for a lower --fpr."
        )
    if others := sorted({request.checkpoint, request.map_checkpoint} - {CHECKPOINT}):
        say(
            f"WARNING: validations are of {CHECKPOINT} unless they were made otherwise (--val_best), this is of "
            f"{', '.join(others)}: the promised rate holds less exactly."
        )
    # A model that was trained with mirroring=false is neither validated nor run with it.
    if not request.mirroring and getattr(models.restorer.settings, "mirroring", True):
        say("WARNING: the validation maps were mirrored, these are not: the promised rate holds less exactly.")
    return calibration, check


def _refuse_other_contents(folder: Path) -> None:
    """Refuse to write over what this command did not make.

    Raises:
        ValueError: It is a file, or holds maps of ``nnunet_uad predict``, which have the same names.
    """
    if folder.is_file():
        raise ValueError(f"-o expects a folder to write into, found the file {folder}.")
    if (folder / MAPS_RECORD).is_file():
        raise ValueError(f"{folder} holds maps of nnunet_uad predict, which have the same names. Choose another -o.")


def _refuse_same_files(exporter: ScreenExporter, cases: Sequence[str] | dict[str, list[str]]) -> None:
    """Refuse cases whose files would overwrite each other's.

    Raises:
        ValueError: Two cases have a file in common, as ``a`` with ``a_map``; names it.
    """
    owners = Counter(path.name for case in cases for path in exporter.paths(case, KINDS).values())
    if twice := [name for name, count in owners.items() if count > 1]:
        raise ValueError(
            f"Files of two cases would have the same name: {', '.join(twice[:5])}. Rename the images of one, or screen "
            "them into different folders."
        )


def _record(request: ScreenRequest, models: Models) -> dict[str, Any]:
    """How the findings are made: models, weights, score and what is wanted."""
    known, pretrainer = request.known, request.map
    return {
        "known": _described(known.names, known.fold_folders(), known.checkpoint),
        "map": _described(pretrainer.names, pretrainer.fold_folders(), pretrainer.checkpoint),
        "channels": list(models.restorer.model.channel_names),
        "mirroring": request.mirroring,
        "seed": models.restorer.seed,
        "score": settings_to_json(models.settings),
        "promised_rate": request.fpr,
        "margin_mm": request.margin_mm,
        "min_mm3": request.min_mm3,
    }


def _described(names: ModelFolder, folds: Sequence[Path], checkpoint: str) -> dict[str, Any]:
    return {
        "trainer": names.trainer,
        "dataset": names.dataset,
        "folder": names.name,
        "folds": [fold.name for fold in folds],
        "checkpoint": checkpoint,
        "weights": {fold.name: file_hash(fold / checkpoint) for fold in folds},
    }
