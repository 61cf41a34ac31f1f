"""A folder of raw images → a folder of anomaly maps, reconstructions, residuals, masks and montages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_uad.common.claim import claim
from nnunet_uad.common.files import file_hash
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.common.settings import read_settings, settings_from, settings_to_json
from nnunet_uad.data.content import array_fingerprint
from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.inputs import INPUTS_FILE, InputImages
from nnunet_uad.inference.model import ModelRequest, training_records
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.names import DEFAULT_THRESHOLD, MAPS_RECORD
from nnunet_uad.inference.overlay import require_volumes, write_overlays
from nnunet_uad.inference.pipeline import Prepared, list_cases, outdated_removed, predict_cases
from nnunet_uad.inference.pipeline import prepare as prepare_case
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.scoring.score_settings import ScoreSettings, channel_weights, same_score, score_settings
from nnunet_uad.scoring.thresholds import refuse_infinite, resolve_threshold, stored_thresholds
from nnunet_uad.weights.case_names import SeenCases
from nnunet_uad.weights.leakage import ARRAY, Cases, Overlap, unknown_bases, unknown_cases
from nnunet_uad.weights.names import FILE_NAME

#: Tells the user something while it happens.
Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class PredictRequest(ModelRequest):
    """A folder of raw images, a model, and what is wanted of them.

    Attributes:
        images: Folder of raw images, named as for nnUNetv2_predict.
        output: Folder to write into.
        save: Kinds of files to write: ``map``, ``reconstruction``, ``residual``, ``mask``, ``png``.
        threshold: Threshold of masks and outlines: a number in units of the score, or the name of a threshold that is
            stored with the model (``fpr:0.05``, ``fpr:0.01``, ``fpr:0.001``, ``best``).
        score: Settings of the score that differ from the training's, ``residual=absolute median_mm=5``.
        overlay: Whether to write scenes for 3D Slicer and labels for ITK-SNAP, too, with the maps and masks they show.
        overwrite: Whether to predict finished cases again, and to replace maps that were made differently.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> request = PredictRequest(model=model, images="IMAGES", output="MAPS", save=("map", "mask"), device="cpu")
    """

    images: str | Path
    output: str | Path
    save: Sequence[str] = ("map",)
    threshold: str | float = DEFAULT_THRESHOLD
    score: str = ""
    overlay: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class PredictResult:
    """What became of the cases.

    Attributes:
        written: Identifiers of the cases that were written now.
        kept: Identifiers of the cases that were finished before.
        failed: Reasons why cases could not be done, by identifier.
        overlap: Cases that share their identifiers with training cases of the model.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]
    failed: dict[str, str]
    overlap: Overlap

    @classmethod
    def of(
        cls, cases: Iterable[str], todo: Iterable[str], failed: Mapping[str, str], overlap: Overlap
    ) -> PredictResult:
        """Sort cases by what became of them.

        Args:
            cases: Identifiers of all cases that could be read.
            todo: Identifiers of the cases that were not finished before.
            failed: Reasons why cases could not be done, by identifier.
            overlap: Cases that share their identifiers with training cases.
        """
        todo = list(todo)
        written = tuple(case for case in todo if case not in failed)
        return cls(written, tuple(case for case in cases if case not in todo), dict(failed), overlap)


def predict_folder(request: PredictRequest, say: Say = print) -> PredictResult:
    """Write maps of all cases of a folder; finished cases are kept, so an interrupted run continues.

    Args:
        request: Images, model, and what is wanted.
        say: Function that is told what the user should know before the work begins.

    Returns:
        What became of every case; one that fails does not stop the others.

    Raises:
        ValueError: The model does not offer what is wanted, the settings are wrong, there is no image, or the output
            holds maps that were made differently.
        FileNotFoundError: There is no such model, fold or folder of images.
        LockedError: Another process writes into the output.

    Example:
        >>> model = "nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d"
        >>> result = predict_folder(PredictRequest(model=model, images="IMAGES", output="MAPS", device="cpu"))
        >>> result.written, result.failed
        (('case',), {})
    """
    folds = request.fold_folders()
    restorer = request.load()
    settings = _checked_score(request, restorer)
    if request.overlay:
        require_volumes(restorer.model.file_ending)
        request = replace(request, save=(*request.save, "map", "mask"))
    stored = stored_thresholds(folds, settings_to_json(settings))
    # A mask needs a threshold; a montage outlines it where the model has it.
    wanted = "mask" in request.save or ("png" in request.save and request.threshold in stored)
    refuse_infinite(str(request.threshold))
    threshold = resolve_threshold(str(request.threshold), stored) if wanted else None
    cases, failed = list_cases(Path(request.images), restorer.model.dataset)
    overlap = overlap_with_training(folds, cases, request.names.trainer, say)
    exporter = Exporter(Path(request.output), tuple(request.save), restorer.model, settings, threshold)
    record = {
        "model": {"trainer": request.names.trainer, "dataset": request.names.dataset, "folder": request.names.name},
        "folds": [f.name for f in folds],
        "checkpoint": request.checkpoint,
        "weights": {f.name: file_hash(f / request.checkpoint) for f in folds},
        "channels": list(restorer.model.channel_names),
        "mirroring": restorer.mirror_axes is not None,
        "seed": restorer.seed,
        "score": settings_to_json(settings),
        "thresholds": stored,
        "mask_threshold": threshold,
    }
    remedy = "Choose another -o, or --overwrite."
    with folder_lock(exporter.folder, say=say):
        images = exporter.folder / INPUTS_FILE
        # No map of before counts as finished, should this be interrupted.
        clear = partial(images.unlink, missing_ok=True)
        claim(exporter.folder / MAPS_RECORD, record, "maps", remedy, request.overwrite, _may_join, clear)
        inputs = InputImages(images)
        if not request.overwrite:
            outdated_removed(exporter, inputs, cases, say)
        todo = {k: v for k, v in cases.items() if request.overwrite or not exporter.is_done(k)}
        if len(todo) < len(cases):
            say(f"{len(cases) - len(todo)} of {len(cases)} cases are done already (--overwrite predicts them again).")
        watch = copies_of_training(folds, request.names.trainer, say)
        failed |= predict_cases(restorer, exporter, todo, request.processes(len(todo)), inputs, watch)
        shown = [case for case in cases if case not in failed]
        if request.overlay and shown:
            write_overlays(exporter, cases, shown)
    return PredictResult.of(cases, todo, failed, overlap)


def prepare(
    files: Sequence[str], plans: PlansManager, configuration: ConfigurationManager, dataset_json: dict[str, Any]
) -> Prepared:
    """Check and preprocess a raw case as :func:`predict_folder` does, for scripts that have plans and no model.

    Args:
        files: Images, one per channel in their order.
        plans: Plans of a dataset.
        configuration: Configuration of these plans.
        dataset_json: Content of the ``dataset.json`` that the plans were made for.

    Raises:
        ValueError: A file is cut short, holds NaN or several volumes, or lies on another grid than the first.
        FileNotFoundError: A file is missing.
    """
    return prepare_case(files, ModelPlan(plans, configuration, dataset_json))


def overlap_with_training(folds: Sequence[Path], cases: Cases, trainer: str, say: Say) -> Overlap:
    """Cases that training cases of the folds share identifiers or images with; the user is told.

    Args:
        folds: Folders of the folds.
        cases: Cases, with the fingerprints of their images where they are known.
        trainer: Name of the pretrainer.
        say: Function that is told the warning.
    """
    consequence = "their maps do not count as maps of unseen cases"
    without = [fold.name for fold in folds if not training_records([fold])]
    if without:
        reason = f"{', '.join(without)} of {folds[0].parent} lacks {FILE_NAME}"
        say(unknown_cases(trainer, consequence, reason))
    records = training_records(folds)
    for warning in unknown_bases(records, consequence):
        say(warning)
    overlap = Overlap.of(records, cases)
    if overlap:
        say(overlap.in_words(trainer, consequence))
    return overlap


def copies_of_training(folds: Sequence[Path], trainer: str, say: Say) -> Callable[[str, np.ndarray], None]:
    """A watch over cases while they are predicted: which are copies of training cases under other names?

    Args:
        folds: Folders of the folds.
        trainer: Name of the pretrainer.
        say: Function that is told the warning.

    Returns:
        Function of a case's identifier and its preprocessed image (C, z, y, x).
    """
    seen = [seen.seen for record in training_records(folds) for seen in record.lineage]
    return watch_for_copies(seen, trainer, "Its maps do not count as maps of an unseen case.", say)


def watch_for_copies(
    trained: Iterable[SeenCases], trainer: str, consequence: str, say: Say
) -> Callable[[str, np.ndarray], None]:
    """A watch over cases while the networks are at them, as :func:`copies_of_training`.

    Args:
        trained: Training cases with the fingerprints of their images.
        trainer: Name of the trainer.
        consequence: Sentence that says what follows.
        say: Function that is told the warning.

    Returns:
        Function of a case's identifier and its preprocessed image (C, z, y, x).
    """
    seen = {f: (cases, key) for cases in trained for key, found in cases.contents.items() for f in found}
    seen = {f: owner for f, owner in seen.items() if f.startswith(ARRAY)}

    def watch(identifier: str, image: np.ndarray) -> None:
        """Compare the preprocessed image (C, z, y, x), which is at hand: nothing is read again."""
        cases, key = seen.get(ARRAY + array_fingerprint(image), (None, "")) if seen else (None, "")
        if cases is not None and not cases.named_like(key, identifier):
            overlap = Overlap((identifier,), ((identifier, cases.shown(key, identifier)),))
            say(overlap.finding(trainer, consequence))

    return watch


def wanted_score(text: str, restorer: Restorer) -> ScoreSettings:
    """The settings of the score, which the model must be able to compute.

    Args:
        text: Settings that differ from the training's, ``residual=absolute median_mm=5``.
        restorer: Trained pretrainer.

    Raises:
        ValueError: Unknown settings, or something that the model does not offer.
    """
    own = score_settings(restorer.settings)
    settings = read_settings(ScoreSettings, text, source="--score", defaults=own)
    with settings_from("--score"):
        channel_weights(settings.channel_weights, restorer.model.channel_names)
    restorer.source(settings)
    return settings


def _checked_score(request: PredictRequest, restorer: Restorer) -> ScoreSettings:
    """The settings of the score, of a model that offers what is to be saved.

    Raises:
        ValueError: Unknown settings, or something that the model does not offer.
    """
    settings = wanted_score(request.score, restorer)
    if not restorer.restoration.reconstructs and {"reconstruction", "residual"} & set(request.save):
        raise ValueError(
            f"{request.names.trainer} detects anomalies without reconstructing the image, so it has no reconstruction "
            "and no residual. Leave them out of --save."
        )
    return settings


def _may_join(key: str, old: Any, new: Any) -> bool:
    """What was run without masks may be continued with them, and what an earlier version began by this one."""
    if key == "score":
        return isinstance(old, dict) and same_score(old, new)
    return key == "thresholds" or (key == "mask_threshold" and None in (old, new))
