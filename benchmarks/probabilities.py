"""Average precision and Dice of lesion probabilities and anomaly maps, on the preprocessed grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.metrics.curves import Curve, average_precision, best_dice
from nnunet_uad.metrics.histogram import ScoreHistogram

#: Image (C, z, y, x), foreground (z, y, x), properties → score (z, y, x).
Scorer = Callable[[np.ndarray, np.ndarray, dict[str, Any]], np.ndarray]


def score_trainer(trainer: Any, unseen: list[Path]) -> dict[str, dict]:
    """Scores of the validation cases of the fold, and of all cases in the folders of ``unseen``."""
    scorer = segmentation_scorer(trainer)
    own = score_cases(scorer, Path(trainer.preprocessed_dataset_folder), trainer.do_split()[1], 0.5)
    other = {k: v for folder in unseen for k, v in score_cases(scorer, folder, None, 0.5).items()}
    return {"own": own, "unseen": other}


def segmentation_scorer(trainer: Any) -> Scorer:
    """1 − the softmax probability of the background, as nnU-Net's predictor has it; no mirroring."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(use_mirroring=False, device=trainer.device, allow_tqdm=False)
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        None,
        trainer.dataset_json,
        type(trainer).__name__,
        None,
    )

    def score(image: np.ndarray, foreground: np.ndarray, properties: dict[str, Any]) -> np.ndarray:
        """Probability of any foreground (z, y, x) of an image (C, z, y, x)."""
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)).float()
        return (1 - logits.softmax(0)[0]).cpu().numpy()

    return score


def map_scorer(restorer: Any, settings: Any) -> Scorer:
    """Anomaly maps of a pretrainer."""

    def score(image: np.ndarray, foreground: np.ndarray, properties: dict[str, Any]) -> np.ndarray:
        """Anomaly map (z, y, x) of an image (C, z, y, x)."""
        restored = restorer.reconstruct(image, foreground) if restorer.restoration.reconstructs else None
        detection = restorer.detect(image) if restorer.restoration.detects else None
        return restorer.anomaly_score(image, restored, foreground, properties, settings, detection)

    return score


def score_cases(scorer: Scorer, folder: Path, cases: list[str] | None, threshold: float | None) -> dict[str, dict]:
    """AP, oracle Dice, Dice at ``threshold`` and a compact histogram per case of a preprocessed folder."""
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

    dataset = infer_dataset_class(str(folder))(str(folder), cases)
    rows = {}
    for case in dataset.identifiers:
        data, seg, _, properties = dataset.load_case(case)
        labels = np.asarray(seg[:])[0]
        foreground, lesion = labels >= 0, labels > 0
        score = scorer(np.asarray(data[:], dtype=np.float32), foreground, properties) * foreground
        histogram = ScoreHistogram()
        histogram.add(score, lesion)
        curve = Curve.of(histogram)
        rows[case] = {"AP": average_precision(curve), "best_dice": best_dice(curve)[0]}
        rows[case]["compact"] = histogram.compact().tolist()
        if threshold is not None:
            selected = score > threshold
            rows[case]["Dice"] = float(2 * (selected & lesion).sum() / max(1, selected.sum() + lesion.sum()))
    return rows
