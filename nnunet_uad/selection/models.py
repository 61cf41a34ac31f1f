"""The models that look at every case: the pretrainer, and the folds of the current supervised model if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import IMAGES_HASH, Prepared, prepare, reconstruct_prepared
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.inference.segmenter import load_segmenter
from nnunet_uad.metrics.agreement import pairwise_dice
from nnunet_uad.scoring.score_settings import ScoreSettings, score_settings
from nnunet_uad.screening.models import Plans
from nnunet_uad.selection.encoder import Moments, encoder_of, volume_moments
from nnunet_uad.selection.request import NextRequest

#: A case as the supervised model and as the pretrainer want it.
BothPrepared = tuple[Prepared, Prepared]


@dataclass(frozen=True)
class Seen:
    """What the networks say of a case, before it is scored.

    Attributes:
        case: Image and reconstruction.
        moments: Features of the slices.
        segmentations: Segmentations (z, y, x) by the folds of the supervised model, on its preprocessed grid.
    """

    case: ReconstructedCase
    moments: Moments
    segmentations: Sequence[np.ndarray]

    def agreement(self) -> tuple[float, np.ndarray]:
        """Mean pairwise Dice of the folds: of the case, and (slices,) of each slice; NaN without two folds."""
        if len(self.segmentations) < 2:
            return float("nan"), np.full(len(self.moments.weight), np.nan)
        slices = [pairwise_dice([s[z] for s in self.segmentations]) for z in range(len(self.segmentations[0]))]
        # The supervised model's plan may cut slices otherwise: each slice of the pretrainer's takes the nearest.
        count = len(self.moments.weight)
        nearest = ((np.arange(count) + 0.5) * len(slices) / count).astype(int)
        return pairwise_dice(self.segmentations), np.array(slices)[nearest]


@dataclass(frozen=True)
class NextModels:
    """Models, loaded.

    Attributes:
        restorer: Trained pretrainer.
        settings: Settings of its score.
        predictors: nnU-Net's predictors of the supervised model, one per fold.
        plans: Plans of both; twice the pretrainer's without a supervised model.
    """

    restorer: Restorer
    settings: ScoreSettings
    predictors: Sequence[Any]
    plans: Plans

    @classmethod
    def load(cls, request: NextRequest) -> NextModels:
        """Load the models of a request.

        Args:
            request: Models, and what is wanted.

        Raises:
            ValueError: The pretrainer has no encoder, the models do not read the same images, or a checkpoint is
                damaged or would run code.
            FileNotFoundError: There is no such model, or a fold lacks the checkpoint.
        """
        restorer = request.load()
        for network in restorer.networks:
            encoder_of(network)
        plans, predictors, supervised = Plans(restorer.model, restorer.model), [], request.supervised
        if supervised is not None:
            for folder in supervised.fold_folders():
                fold = folder.name.removeprefix("fold_")
                predictors.append(
                    load_segmenter(supervised.folder, fold, supervised.checkpoint, request.mirroring, request.device)
                )
            first = predictors[0]
            known = ModelPlan(first.plans_manager, first.configuration_manager, first.dataset_json)
            plans = Plans(known, restorer.model)
            plans.refuse_different_images()
        return cls(restorer, score_settings(restorer.settings), predictors, plans)

    def look(self, identifier: str, prepared: BothPrepared) -> tuple[str, Seen]:
        """What needs the device, of a case.

        Args:
            identifier: Identifier of the case.
            prepared: Case as both models want it.

        Returns:
            Hash of the case's images, and what the networks say.
        """
        (image, _, properties), for_map = prepared
        seen = self.reconstructed(identifier, for_map)
        moments = volume_moments(self.restorer, seen.image, seen.foreground)
        folds = [self.labels(logits) for logits in self.logits(image)] if len(self.predictors) > 1 else []
        return properties[IMAGES_HASH], Seen(seen, moments, folds)

    def reconstructed(self, identifier: str, prepared: Prepared) -> ReconstructedCase:
        """Image and reconstruction of a case.

        Args:
            identifier: Identifier of the case.
            prepared: Case as the pretrainer wants it.
        """
        wanted = [self.restorer.source(self.settings)]
        return reconstruct_prepared(self.restorer, identifier, prepared, wanted, self.settings.reconstructions)

    def logits(self, image: np.ndarray) -> list[np.ndarray]:
        """Logits (classes or regions, z, y, x) of each fold of the supervised model, on its preprocessed grid.

        Args:
            image: Image (C, z, y, x) as the supervised model wants it.
        """
        data = torch.from_numpy(image)
        return [p.predict_logits_from_preprocessed_data(data).cpu().numpy() for p in self.predictors]

    def labels(self, logits: np.ndarray) -> np.ndarray:
        """Segmentation (z, y, x) on the preprocessed grid.

        Args:
            logits: Logits (classes or regions, z, y, x).
        """
        manager = self.plans.known.plans.get_label_manager(self.plans.known.dataset)
        return np.asarray(manager.convert_logits_to_segmentation(torch.from_numpy(logits))).astype(np.int16)

    def proposal(self, prepared: Prepared) -> np.ndarray:
        """Segmentation (z, y, x) of all folds together, on the grid of the raw image, as nnUNetv2_predict makes it.

        Args:
            prepared: Case as the supervised model wants it.
        """
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        image, _, properties = prepared
        plan = self.plans.known
        manager = plan.plans.get_label_manager(plan.dataset)
        mean = np.mean(self.logits(image), axis=0, dtype=np.float32)
        labels = convert_predicted_logits_to_segmentation_with_correct_shape(
            mean, plan.plans, plan.configuration, manager, properties
        )
        return np.asarray(labels)


def prepare_both(plans: Plans) -> partial[BothPrepared]:
    """A function that prepares the files of a case for both models, and travels to worker processes.

    Args:
        plans: Plans of both.
    """
    return partial(_prepared, plans)


def _prepared(plans: Plans, files: list[str]) -> BothPrepared:
    if plans.known is plans.map:
        alone = prepare(files, plans.map)
        return alone, alone
    return plans.prepare(files)
