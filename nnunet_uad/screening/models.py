"""The two models of a screening: both read the same images, and are loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.model import find_folds
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.pipeline import IMAGES_HASH, Prepared, prepare, reconstruct_prepared
from nnunet_uad.inference.restorer import Restorer
from nnunet_uad.inference.segmenter import load_segmenter
from nnunet_uad.methods import PRETRAINER_PREFIX
from nnunet_uad.scoring.score_settings import ScoreSettings


@dataclass(frozen=True)
class SupervisedModel:
    """A trained model that segments, as nnUNetv2_predict takes it.

    Attributes:
        folder: Folder of the model in nnUNet_results.
        folds: Folds whose outputs are averaged, numbers or ``all``; if empty every numbered fold that is trained.
        checkpoint: Name of the checkpoint in the folders of the folds.
    """

    folder: Path
    folds: Sequence[int | str]
    checkpoint: str

    @property
    def names(self) -> ModelFolder:
        """Dataset, trainer, plans and configuration of the model."""
        return ModelFolder.from_path(self.folder)

    def fold_folders(self) -> list[Path]:
        """Folders of the folds.

        Raises:
            ValueError: The model is a pretrainer, or what is given is no fold.
            FileNotFoundError: There is no such model, or a fold lacks the checkpoint.
        """
        names = self.names
        if names.trainer.startswith(PRETRAINER_PREFIX):
            raise ValueError(
                f"-tr expects a trainer of a model that segments, as nnUNetTrainer, found the pretrainer "
                f"{names.trainer}. Pretrainers make the map: -tr-map {names.trainer}"
            )
        if not self.folder.is_dir():
            there = sorted(p.name for p in self.folder.parent.glob("*__*__*"))
            others = [name for name in there if not name.startswith(PRETRAINER_PREFIX)]
            raise FileNotFoundError(
                f"There is no model {self.folder}. Models that segment {names.dataset}: {', '.join(others) or 'none'}. "
                f"Names are TRAINER__PLANS__CONFIGURATION. To train it: nnUNetv2_train {names.dataset} "
                f"{names.configuration} FOLD -tr {names.trainer} -p {names.plans}"
            )
        return find_folds(self.folder, self.checkpoint, self.folds)


@dataclass(frozen=True)
class Segmented:
    """What the supervised networks made of a case, before it is brought to the grid of the image.

    Attributes:
        logits: Logits (classes or regions, z, y, x) on the preprocessed grid.
        properties: Mapping that nnU-Net stored when it preprocessed the case.
    """

    logits: np.ndarray
    properties: dict[str, Any]


@dataclass(frozen=True)
class Plans:
    """How the images of both models are prepared; travels to worker processes.

    Attributes:
        known: Plan of the supervised model.
        map: Plan of the pretrainer.
    """

    known: ModelPlan
    map: ModelPlan

    @property
    def shared(self) -> bool:
        """Whether both models prepare images alike, so that it is done once."""
        return _preprocessing(self.known) == _preprocessing(self.map)

    def prepare(self, files: Sequence[str]) -> tuple[Prepared, Prepared]:
        """A raw case as the supervised model and as the pretrainer want it.

        Args:
            files: Images, one per channel in their order.

        Raises:
            ValueError: A file is cut short, holds NaN or several volumes, or lies on another grid than the first.
            FileNotFoundError: A file is missing.
        """
        known = prepare(files, self.known)
        return known, known if self.shared else prepare(files, self.map)

    def refuse_different_images(self) -> None:
        """Refuse models that do not read the same images.

        Raises:
            ValueError: Channels, file endings or readers differ; names both.
        """
        pairs = {
            "channels": [", ".join(plan.channel_names) for plan in (self.known, self.map)],
            "file endings": [plan.file_ending for plan in (self.known, self.map)],
            "readers": [str(plan.plans.image_reader_writer_class.__name__) for plan in (self.known, self.map)],
        }
        for what, (ours, theirs) in pairs.items():
            if ours != theirs:
                raise ValueError(
                    f"Both models must read the same images, but their {what} differ: {ours} of the supervised model, "
                    f"{theirs} of the pretrainer. Train one of them on the other's channels."
                )
        if self.known.configuration.previous_stage_name is not None:
            raise ValueError(
                "The supervised model is the second stage of a cascade, which needs the segmentations of the first. "
                "Choose a configuration that stands alone: -c 3d_fullres"
            )


def _preprocessing(plan: ModelPlan) -> list[Any]:
    """All that nnU-Net's preprocessing of an image depends on."""
    plans, configuration = plan.plans.plans, plan.configuration.configuration
    of_configuration = ("preprocessor_name", "spacing", "normalization_schemes", "use_mask_for_norm")
    resampling = [value for key, value in sorted(configuration.items()) if key.startswith("resampling_fn_data")]
    return [
        *(plans.get(key) for key in ("image_reader_writer", "transpose_forward")),
        plans.get("foreground_intensity_properties_per_channel"),
        *(configuration.get(key) for key in of_configuration),
        resampling,
        plan.channel_names,
        plan.file_ending,
    ]


@dataclass(frozen=True)
class Models:
    """Both models, loaded.

    Attributes:
        predictor: nnU-Net's predictor of the supervised model.
        restorer: Trained pretrainer.
        plans: Plans of both.
        settings: Settings of the pretrainer's score.
    """

    predictor: Any
    restorer: Restorer
    plans: Plans
    settings: ScoreSettings

    @classmethod
    def load(
        cls, known: SupervisedModel, restorer: Restorer, settings: ScoreSettings, mirroring: bool, device: str
    ) -> Models:
        """Load the supervised model beside a pretrainer.

        Args:
            known: Supervised model.
            restorer: Trained pretrainer.
            settings: Settings of the pretrainer's score.
            mirroring: Whether to use the test-time mirroring that the training allows.
            device: Device to compute on.

        Raises:
            ValueError: The models do not read the same images, or a checkpoint is damaged or would run code.
        """
        folds = [folder.name.removeprefix("fold_") for folder in known.fold_folders()]
        predictor = load_segmenter(known.folder, folds, known.checkpoint, mirroring, device)
        plan = ModelPlan(predictor.plans_manager, predictor.configuration_manager, predictor.dataset_json)
        plans = Plans(plan, restorer.model)
        plans.refuse_different_images()
        return cls(predictor, restorer, plans, settings)

    def compute(
        self, identifier: str, prepared: tuple[Prepared, Prepared]
    ) -> tuple[str, tuple[Segmented, ReconstructedCase]]:
        """What needs the device: the logits of the supervised model, and what the pretrainer says.

        Args:
            identifier: Identifier of the case.
            prepared: Case as each of the models wants it.

        Returns:
            Hash of the case's images, and both.
        """
        (image, _, properties), for_map = prepared
        logits = self.predictor.predict_logits_from_preprocessed_data(torch.from_numpy(image)).cpu().numpy()
        wanted = [self.restorer.source(self.settings)]
        case = reconstruct_prepared(self.restorer, identifier, for_map, wanted, self.settings.reconstructions)
        return properties[IMAGES_HASH], (Segmented(logits, properties), case)
