"""A pretrainer's "validation": anomaly maps of the validation cases, montages, thresholds and a summary."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch.distributed as dist
from tqdm import tqdm

from nnunet_uad.common.channels import AUTO
from nnunet_uad.common.files import write_json
from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.data.cohort import unlabelled_cases
from nnunet_uad.evaluation.folders import MAPS_RECORD, EvaluationRequest, evaluate_folders, write_evaluation
from nnunet_uad.inference.case import RestoredCase
from nnunet_uad.inference.export import Exporter
from nnunet_uad.inference.predict import restore
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.metrics.reconstruction import reconstruction_report
from nnunet_uad.scoring.score_settings import SOURCES, ScoreSettings, main_channel, score_settings
from nnunet_uad.scoring.thresholds import ThresholdChoice, write_thresholds

if TYPE_CHECKING:
    from nnunet_uad.pretrain.base import nnUNetPretrainer

EVALUATION_FILE = "anomaly_metrics.json"


def write_validation_report(trainer: nnUNetPretrainer) -> dict[str, Any] | None:
    """Restore every validation case of the fold and write what was found.

    Into ``validation/``:

    - ``<case>_map`` in the file ending of the dataset: the anomaly score in the geometry of the raw image;
    - ``<case>_montage.png``; with ``save_reconstruction`` ``<case>_reconstruction_<channel>`` too;
    - ``summary.json``: how well the images are restored;
    - ``anomaly_metrics.json`` and ``.csv``: how well the maps find lesions, where labels are lesions;
    - of a model that can score in several ways, ``residual/``, ``detection/`` or ``product/`` with the maps and metrics
      of the others;
    - ``anomaly_thresholds.json``, in the fold's folder: for the masks of ``nnunet_uad predict``.

    Cases are shared among DDP ranks.

    Returns:
        The summary on rank 0, ``None`` on the others.
    """
    folder = Path(trainer.output_folder) / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    keys = trainer.do_split()[1]
    mine = keys[trainer.local_rank :: dist.get_world_size()] if trainer.is_ddp else keys
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, list(mine))
    report = _Report(trainer, folder)
    cases = [report.validate(dataset, key) for key in tqdm(dataset.identifiers, desc="validation")]
    choice = report.choice
    if trainer.is_ddp:
        gathered: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, (cases, choice))
        cases = [case for part, _ in gathered for case in part]
        choice = ThresholdChoice.of([c for _, c in gathered])
    if trainer.local_rank != 0:
        return None
    score = settings_to_json(report.settings)
    thresholds = choice.thresholds()
    write_thresholds(Path(trainer.output_folder), thresholds, score)
    write_json(folder / MAPS_RECORD, {"thresholds": thresholds, "score": score})
    summary = {
        "metric_per_case": sorted(cases, key=lambda case: case["identifier"]),
        "mean": _mean([case["metrics"] for case in cases]),
        "units": "z-score units of the preprocessed image; voxels are those of the preprocessed grid",
        "anomaly": _evaluate(trainer, folder, [case["identifier"] for case in cases]),
    }
    for source in report.further:
        found = _evaluate(trainer, folder / source, [case["identifier"] for case in cases])
        summary["anomaly"] |= {f"{source}: {name}": value for name, value in found.items() if name.startswith("map")}
    write_json(folder / "summary.json", summary)
    return summary


class _Report:
    """Validates cases of a trainer one by one."""

    def __init__(self, trainer: nnUNetPretrainer, folder: Path) -> None:
        self.trainer = trainer
        self.restorer = trainer.restorer()
        self.settings = score_settings(trainer.settings)
        self.choice = ThresholdChoice()
        self.unlabelled = unlabelled_cases(trainer.preprocessed_dataset_folder_base)
        self.further = _further_scores(self.restorer, self.settings)
        kinds = ["map", "png", *(["reconstruction"] if trainer.settings.save_reconstruction else [])]
        model = self.restorer.model
        self.exporter = Exporter(folder, kinds, model, self.settings)
        self.further_exporters = {
            source: Exporter(folder / source, ["map"], model, settings) for source, settings in self.further.items()
        }
        for source in self.further:
            (folder / source).mkdir(exist_ok=True)

    def validate(self, dataset: Any, key: str) -> dict[str, Any]:
        """Restore, write, measure one case."""
        data, seg, _, properties = dataset.load_case(key)
        image, labels = np.asarray(data[:], dtype=np.float32), np.asarray(seg[:])[0]
        case = restore(self.restorer, key, (image, labels >= 0, properties), self.exporter)
        self.exporter.write(case)
        for source, exporter in self.further_exporters.items():
            score = self.restorer.anomaly_score(
                image, case.reconstruction, case.foreground, properties, self.further[source], case.detection
            )
            exporter.write(replace(case, score=score))
        known = labels.astype(np.int16)
        ignore = self.trainer.label_manager.ignore_label
        if ignore is not None:
            # Neither healthy nor lesion: what nobody annotated counts for neither.
            known[known == ignore] = -1
        self._choose(case, known)
        restored = case.reconstruction
        metrics = {} if restored is None else reconstruction_report(image, restored, known)
        return {"identifier": key, "map": self.exporter.paths(key)[0].name, "metrics": metrics}

    def _choose(self, case: RestoredCase, known: np.ndarray) -> None:
        anatomy = self.trainer.settings.sampling == "anywhere" or case.identifier in self.unlabelled
        self.choice.add(case.identifier, case.score, known >= 0, None if anatomy else known > 0)


def _further_scores(restorer: Restorer, settings: ScoreSettings) -> dict[str, ScoreSettings]:
    """What else a model that restores and detects can score with, besides what ``settings`` say."""
    if not (restorer.task.restores and restorer.task.detects):
        return {}
    mine = restorer.source(settings)
    return {source: replace(settings, score_from=source) for source in SOURCES if source not in (AUTO, mine)}


def _evaluate(trainer: nnUNetPretrainer, folder: Path, cases: list[str]) -> dict[str, Any]:
    """Lesion metrics of the validation maps, with the intensity beside them where the raw images are at hand."""
    labels = Path(trainer.preprocessed_dataset_folder_base) / "gt_segmentations"
    labelled = sorted(set(cases) - unlabelled_cases(trainer.preprocessed_dataset_folder_base))
    if trainer.settings.sampling == "anywhere" or not labels.is_dir() or not labelled:
        return {}
    names = list(trainer.dataset_json["channel_names"].values())
    channel = main_channel(trainer.settings.channel_weights, names)
    raw = Path(os.environ.get("nnUNet_raw", "")) / trainer.plans_manager.dataset_name / "imagesTr"
    ignore = trainer.label_manager.ignore_label
    request = EvaluationRequest(
        maps=[folder],
        labels=labels,
        lesion_labels=[label for label in trainer.label_manager.all_labels if label not in (0, ignore)],
        ignore_label=ignore,
        images=raw if raw.is_dir() else None,
        baselines={f"intensity:{names[channel]}": channel} if raw.is_dir() else {},
        healthy_cases=True,
        only=labelled,
    )
    try:
        evaluation = evaluate_folders(request)
    except (ValueError, OSError) as error:
        # The training is done and its maps are written; only their evaluation is not possible.
        trainer.print_to_log_file(f"WARNING: the anomaly maps were not evaluated: {error}")
        return {}
    write_evaluation(evaluation, folder / EVALUATION_FILE)
    return {
        f"{score} {metric}": content["pooled"][metric]["value"]
        for score, content in evaluation["scores"].items()
        for metric in ("AP", "AUROC", "best_dice_oracle")
    }


def _mean(reports: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each value over the cases that have it."""
    names = sorted({name for report in reports for name in report})
    return {name: float(np.mean([r[name] for r in reports if name in r])) for name in names}
