"""Predict corrupted images with nnU-Net and score them: one row on disk per model, fold and condition."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from nnunet_uad.data.image_files import channels_in, ending_of
from nnunet_uad.data.probability_files import combined_probability
from nnunet_uad.metrics.curves import Curve, average_precision
from nnunet_uad.metrics.histogram import ScoreHistogram
from nnunet_uad.robustness.artefacts import SEVERITIES, check_artefacts
from nnunet_uad.robustness.images import CLEAN, Condition, corrupted_files
from nnunet_uad.training.atomic import write_json

RECORD = "request.json"


@dataclass(frozen=True)
class RobustnessRequest:
    """What is predicted.

    Attributes:
        raw: folder of the dataset in nnUNet_raw.
        folds: fold → identifiers of its validation cases.
        models: trainer's name → model folder.
        artefacts: names.
        output: where to write.
        severities: 1 to 5.
        seed: of the artefacts.
        checkpoint: file name.
        mirroring: use test-time mirroring.
        device: where to predict.
    """

    raw: Path
    folds: dict[str, list[str]]
    models: dict[str, Path]
    artefacts: Sequence[str]
    output: Path
    severities: Sequence[int] = SEVERITIES
    seed: int = 0
    checkpoint: str = "checkpoint_final.pth"
    mirroring: bool = True
    device: str = "cpu"

    @property
    def conditions(self) -> list[Condition]:
        """The clean images first."""
        return [CLEAN, *(Condition(a, s) for a in self.artefacts for s in self.severities)]


def check_request(request: RobustnessRequest) -> dict[str, list[Path]]:
    """Refuse before anything is written.

    Returns:
        Case → its raw images.

    Raises:
        ValueError: unknown artefacts, missing images or labels, results of another run in the output folder.
        FileNotFoundError: models or folds that are not trained.
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
    there = channels_in(request.raw / "imagesTr")
    cases = sorted({case for fold in request.folds.values() for case in fold})
    ending = json.loads((request.raw / "dataset.json").read_text(encoding="utf-8"))["file_ending"]
    absent = [c for c in cases if c not in there or not (request.raw / "labelsTr" / f"{c}{ending}").is_file()]
    if absent or not cases:
        raise ValueError(
            f"{request.raw} lacks images or labels of the validation cases {', '.join(absent) or '(there are none)'}."
        )
    claim = {
        "artefacts' seed": request.seed,
        "mirroring": request.mirroring,
        "checkpoint": request.checkpoint,
        "dataset": request.raw.name,
    }
    path = request.output / RECORD
    if path.is_file() and (found := json.loads(path.read_text(encoding="utf-8"))) != claim:
        changed = [k for k in claim if found.get(k) != claim[k]]
        raise ValueError(
            f"{request.output} holds the rows of another run ({', '.join(changed)} differ). Choose another -o."
        )
    request.output.mkdir(parents=True, exist_ok=True)
    write_json(path, claim)
    return {case: [there[case][k] for k in sorted(there[case])] for case in cases}


def run_robustness(request: RobustnessRequest) -> list[dict[str, Any]]:
    """Predict and score what has no row yet.

    Returns:
        All rows: trainer, fold, artefact, severity, case, Dice per class, mean Dice, AP.
    """
    files = check_request(request)
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
        rows += json.loads(path.read_text(encoding="utf-8"))
    return rows


def _jobs(request: RobustnessRequest) -> Iterator[tuple[str, str, Condition]]:
    for trainer in request.models:
        for fold in request.folds:
            for condition in request.conditions:
                yield trainer, fold, condition


def _load(request: RobustnessRequest, trainer: str, fold: str) -> Any:
    """nnU-Net's predictor of one fold."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    with redirect_stdout(io.StringIO()):
        predictor = nnUNetPredictor(
            use_mirroring=request.mirroring, device=torch.device(request.device), allow_tqdm=False
        )
        predictor.initialize_from_trained_model_folder(str(request.models[trainer]), (fold,), request.checkpoint)
    return predictor


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
    images = [
        [str(p) for p in corrupted_files(request.output / "images", condition, c, files[c], request.seed, ending)]
        for c in cases
    ]
    folder = request.output / "predictions" / trainer / f"fold_{fold}" / condition.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    found = []
    for case, files_of_case in zip(cases, images, strict=True):
        # One by one and in memory: probabilities of raw size take longer to write than to make.
        with redirect_stdout(io.StringIO()):
            segmentation, probabilities = predictor.predict_from_files_sequential(
                [files_of_case], None, save_probabilities=True
            )[0]
        reader = predictor.plans_manager.image_reader_writer_class()
        path, label = folder / f"{case}{ending}", request.raw / "labelsTr" / f"{case}{ending}"
        reader.write_seg(np.asarray(segmentation), str(path), reader.read_images(files_of_case)[1])
        scores = score_case(path, np.asarray(probabilities), label, predictor)
        found.append({"trainer": trainer, "fold": fold, **condition.__dict__, "case": case, **scores})
    return found


def score_case(segmentation: Path, probabilities: np.ndarray, label: Path, predictor: Any) -> dict[str, Any]:
    """nnU-Net's Dice per class or region and their mean, and the average precision of any foreground.

    Args:
        segmentation: its file.
        probabilities: (classes or regions, z, y, x), as nnU-Net's reader orders the axes.
        label: the file of the labels.
        predictor: nnU-Net's.
    """
    from nnunetv2.evaluation.evaluate_predictions import compute_metrics

    manager = predictor.label_manager
    classes = manager.foreground_regions if manager.has_regions else manager.foreground_labels
    reader = predictor.plans_manager.image_reader_writer_class()
    metrics = compute_metrics(str(label), str(segmentation), reader, classes, manager.ignore_label)["metrics"]
    dice = {str(k): None if np.isnan(m["Dice"]) else float(m["Dice"]) for k, m in metrics.items()}
    truth = reader.read_seg(str(label))[0][0]
    scores = combined_probability(probabilities)
    known = np.ones(truth.shape, bool) if manager.ignore_label is None else truth != manager.ignore_label
    histogram = ScoreHistogram()
    histogram.add(scores[known], truth[known] > 0)
    there = [v for v in dice.values() if v is not None]
    return {
        "Dice per class": dice,
        "Dice": float(np.mean(there)) if there else None,
        "AP": average_precision(Curve.of(histogram)) if (truth[known] > 0).any() else None,
    }
