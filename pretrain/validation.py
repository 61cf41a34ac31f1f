"""A pretrainer's "validation": anomaly maps of the validation cases, montages, thresholds and a summary."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from nnunetv2.configuration import default_num_processes
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from tqdm import tqdm

from nnunet_uad.common.files import write_json
from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.evaluation.floors import main_floor, shown_scores
from nnunet_uad.evaluation.folders import evaluate_folders
from nnunet_uad.evaluation.request import EvaluationRequest
from nnunet_uad.evaluation.summary_files import write_evaluation
from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.inference.pipeline import reconstruct_prepared, worker_pool
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.metrics.reconstruction import reconstruction_report
from nnunet_uad.scoring.scales import kinds_beside
from nnunet_uad.scoring.score_settings import SCORES, ScoreSettings, score_settings
from nnunet_uad.scoring.thresholds import ThresholdChoice, write_thresholds
from nnunet_uad.weights.names import SUMMARY_FILE

EVALUATION_FILE = "anomaly_metrics.json"
#: Ranks wait for each other after so many cases, as in nnU-Net's validation: NCCL gives up on ranks that drift apart.
CASES_PER_BARRIER = 20
#: Metrics of the maps that the summary and the log show.
SHOWN = ("AP", "AUROC", "best_dice_oracle", "lesion_recall@fpr:0.01", "lesion_recall_small@fpr:0.01")


@dataclass(frozen=True)
class ValidationRun:
    """What a validation works on.

    Attributes:
        folder: Folder of the fold.
        dataset: nnU-Net dataset of the validation cases, with DDP those of this rank.
        preprocessed: Folder of the dataset in ``nnUNet_preprocessed``.
        restorer: Trained model.
        score: Settings of the score, those of the training among others.
        labels_are_lesions: Whether the maps are measured against the labels.
        save_reconstruction: Whether reconstructions are written too.
        label_manager: Labels of the dataset.
        least_cases: Number of cases that every rank has at least.
        rank: Rank of this process.
        ranks: Number of processes.
        log: Function that writes a line to the log.
    """

    folder: Path
    dataset: Any
    preprocessed: Path
    restorer: Restorer
    score: ScoreSettings
    labels_are_lesions: bool
    save_reconstruction: bool
    label_manager: LabelManager
    least_cases: int
    rank: int
    ranks: int
    log: Callable[[str], None]

    @property
    def output(self) -> Path:
        """Folder of the maps."""
        return self.folder / "validation"


def write_no_report(folder: Path, trainer: str) -> None:
    """The summary of a method without anomaly maps: nnU-Net's export wants the file.

    Args:
        folder: Folder of the fold.
        trainer: Name of the trainer.
    """
    (folder / "validation").mkdir(parents=True, exist_ok=True)
    note = f"{trainer} learns without reconstructing or scoring images: it has no anomaly maps."
    write_json(folder / "validation" / SUMMARY_FILE, {"metric_per_case": [], "mean": {}, "anomaly": {}, "note": note})


def write_validation_report(run: ValidationRun) -> dict[str, Any] | None:
    """Reconstruct every validation case of the fold, score it and write the outcome.

    Into ``validation/``:

    - ``<case>_map`` in the file ending of the dataset: the anomaly score in the geometry of the raw image;
    - ``<case>_montage.png``; with ``save_reconstruction`` ``<case>_reconstruction_<channel>`` too;
    - ``summary.json``: how well the images are reconstructed;
    - ``anomaly_metrics.json`` and ``.csv``: how well the maps find lesions, where labels are lesions;
    - of a model that can score in several ways, ``residual/``, ``detection/``, ``product/``, ``sum/`` or ``features/``
      with the maps and metrics of the others;
    - ``small-lesions/`` with the maps and metrics of ``score=small-lesions``, or ``default/`` where that is the main
      score; none beside a score of several draws;
    - ``anomaly_thresholds.json``, in the fold's folder: for the masks of ``nnunet_uad predict``, of either kind.

    Cases are shared among DDP ranks.

    Args:
        run: Cases, model and settings.

    Returns:
        The summary on rank 0, ``None`` on the others.
    """
    run.output.mkdir(parents=True, exist_ok=True)
    report = _Report(run)
    cases, choices = report.validate_all(), report.choices
    if run.ranks > 1:
        gathered: list[Any] = [None] * run.ranks
        dist.all_gather_object(gathered, (cases, choices))
        cases = [case for part, _ in gathered for case in part]
        choices = {kind: ThresholdChoice.of([c[kind] for _, c in gathered]) for kind in choices}
    if run.rank != 0:
        return None
    kept = {kind: _kept(choice, report.kinds[kind]) for kind, choice in choices.items()}
    main, *beside = kept.values()
    write_thresholds(run.folder, **main, further=beside)
    for kind, entry in kept.items():
        write_json(report.folder(kind) / MAPS_RECORD, entry)
    for name in set(SCORES) - set(report.further):
        # Maps that an earlier validation with another score left there are not this model's.
        (run.output / name / MAPS_RECORD).unlink(missing_ok=True)
    identifiers = [case["identifier"] for case in cases]
    anomaly = _evaluate(run, run.output, identifiers)
    # What could not be evaluated here cannot be there.
    for other in report.further if anomaly else ():
        further = _evaluate(run, run.output / other, identifiers)
        anomaly |= {f"{other}: {name}": value for name, value in further.items() if name.startswith("map")}
    summary = {
        "metric_per_case": sorted(cases, key=lambda case: case["identifier"]),
        "mean": _mean([case["metrics"] for case in cases]),
        "units": "z-score units of the preprocessed image; voxels are those of the preprocessed grid",
        "anomaly": anomaly,
    }
    write_json(run.output / SUMMARY_FILE, summary)
    return summary


def _kept(choice: ThresholdChoice, settings: ScoreSettings) -> dict[str, Any]:
    """Thresholds with the score that they belong to."""
    return {"thresholds": choice.thresholds(), "score": settings_to_json(settings)}


@dataclass(frozen=True)
class _Finishing:
    """What is left of a case once the networks are done: score, write, measure; travels to worker processes.

    Attributes:
        scorer: Way of scoring.
        exporter: Writer of everything that shows the main score.
        sources: Writers of the maps of other sources, by source.
        kinds: Writers of the maps of other kinds of score, by kind.
    """

    scorer: Scorer
    exporter: Exporter
    sources: dict[str, Exporter]
    kinds: dict[str, Exporter]

    def __call__(self, case: ReconstructedCase, known: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Entry of the summary, and the scores (z, y, x) by kind, the main one first.

        Args:
            case: Case on the preprocessed grid.
            known: Labels (z, y, x), −1 where nothing is known.
        """
        settings = self.exporter.settings
        source = self.scorer.source(settings)
        scores = self.scorer.scores(case, settings, [source, *self.sources])
        self.exporter.write(self.scorer.with_score(case, scores[source]))
        for other, exporter in self.sources.items():
            exporter.write(self.scorer.with_score(case, scores[other]))
        by_kind = {settings.score: scores[source]}
        for kind, exporter in self.kinds.items():
            scored = self.scorer.scored(case, exporter.settings)
            exporter.write(scored)
            by_kind[kind] = scored.score
        reconstruction = case.reconstruction
        metrics = {} if reconstruction is None else reconstruction_report(case.image, reconstruction, known)
        path = self.exporter.paths(case.identifier)[0]
        return {"identifier": case.identifier, "map": path.name, "metrics": metrics}, by_kind


class _Report:
    """Validates the cases of a run one after the other; what needs no device in the background."""

    def __init__(self, run: ValidationRun) -> None:
        self.run = run
        self.settings = score_settings(run.score)
        self.unlabelled = unlabelled_cases(run.preprocessed)
        scorer = run.restorer.scorer
        beside = kinds_beside(self.settings)
        self.kinds = {self.settings.score: self.settings, **beside}
        self.choices = {kind: ThresholdChoice() for kind in self.kinds}
        self.sources = scorer.further(self.settings)
        kinds = ["map", "png", *(["reconstruction"] if run.save_reconstruction else [])]
        main = Exporter(run.output, kinds, run.restorer.model, self.settings)
        for name in self.further:
            (run.output / name).mkdir(parents=True, exist_ok=True)
        self.finishing = _Finishing(scorer, main, self._exporters(self.sources), self._exporters(beside))
        self.entries: list[dict[str, Any]] = []

    @property
    def further(self) -> list[str]:
        """Folders of what is scored beside the main score: other sources, and the other kind."""
        return [*self.sources, *list(self.kinds)[1:]]

    def folder(self, kind: str) -> Path:
        """Folder of the maps of a kind of score."""
        return self.run.output / ("" if kind == self.settings.score else kind)

    def _exporters(self, scores: dict[str, ScoreSettings]) -> dict[str, Exporter]:
        model, output = self.run.restorer.model, self.run.output
        return {name: Exporter(output / name, ["map"], model, settings) for name, settings in scores.items()}

    def validate_all(self) -> list[dict[str, Any]]:
        """Entries of the summary, in the order of the cases."""
        keys = list(self.run.dataset.identifiers)
        # A GPU would idle while maps are filtered and drawn; without one there is nothing to run beside.
        processes = 0 if self.run.restorer.device.type == "cpu" else min(default_num_processes, len(keys))
        waiting: deque[tuple[str, np.ndarray, Future]] = deque()
        with worker_pool(processes) as pool:
            for number, key in enumerate(tqdm(keys, desc="validation"), start=1):
                case, known = self._reconstruct(key)
                waiting.append((key, known, pool.submit(self.finishing, case, known)))
                # Volumes wait in memory until they are finished; not too many of them.
                while len(waiting) > processes:
                    self._collect(*waiting.popleft())
                if self.run.ranks > 1 and number < self.run.least_cases and number % CASES_PER_BARRIER == 0:
                    dist.barrier()
            while waiting:
                self._collect(*waiting.popleft())
        return self.entries

    def _reconstruct(self, key: str) -> tuple[ReconstructedCase, np.ndarray]:
        """A case after the networks, and what is known of its voxels: labels (z, y, x), −1 for nothing."""
        data, seg, _, properties = self.run.dataset.load_case(key)
        image, labels = np.asarray(data[:], dtype=np.float32), np.asarray(seg[:])[0]
        wanted = [self.run.restorer.source(self.settings), *self.sources]
        prepared = image, labels >= 0, properties
        case = reconstruct_prepared(self.run.restorer, key, prepared, wanted, self.settings.reconstructions)
        known = labels.astype(np.int16)
        ignore = self.run.label_manager.ignore_label
        if ignore is not None:
            # Neither healthy nor lesion: what nobody annotated counts for neither.
            known[known == ignore] = -1
        return case, known

    def _collect(self, key: str, known: np.ndarray, job: Future) -> None:
        entry, scores = job.result()
        self.entries.append(entry)
        healthy = not self.run.labels_are_lesions or key in self.unlabelled
        for kind, score in scores.items():
            self.choices[kind].add(key, score, known >= 0, None if healthy else known > 0)


def _evaluate(run: ValidationRun, folder: Path, cases: list[str]) -> dict[str, Any]:
    """Lesion metrics of the validation maps, with the strongest floor beside them where the raw images are at hand."""
    labels = run.preprocessed / "gt_segmentations"
    labelled = sorted(set(cases) - unlabelled_cases(run.preprocessed))
    if not run.labels_are_lesions or not labels.is_dir() or not labelled:
        return {}
    model, manager = run.restorer.model, run.label_manager
    raw = Path(os.environ.get("nnUNet_raw", "")) / model.plans.dataset_name / "imagesTr"
    ignore = manager.ignore_label
    request = EvaluationRequest(
        maps=[folder],
        labels=labels,
        lesion_labels=[label for label in manager.all_labels if label not in (0, ignore)],
        ignore_label=ignore,
        images=raw if raw.is_dir() else None,
        floors=[main_floor(run.score, model.channel_names)] if raw.is_dir() else [],
        healthy_cases=True,
        only=labelled,
    )
    try:
        evaluation = evaluate_folders(request)
    except (ValueError, OSError) as error:
        # The training is done and its maps are written; only their evaluation is not possible.
        run.log(f"WARNING: the anomaly maps were not evaluated: {error}")
        return {}
    write_evaluation(evaluation, folder / EVALUATION_FILE)
    return {
        f"{score} {metric}": evaluation["scores"][score]["pooled"][metric]["value"]
        for score in shown_scores(evaluation)
        for metric in SHOWN
    }


def _mean(reports: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each value over the cases that have it."""
    names = sorted({name for report in reports for name in report})
    return {name: float(np.mean([r[name] for r in reports if name in r])) for name in names}
