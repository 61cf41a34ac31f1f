"""A trained pretrainer ready for use: preprocessed image in, reconstruction and anomaly score out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_uad.common.channels import AUTO
from nnunet_uad.inference.sliding_window import reconstruct_volume
from nnunet_uad.scoring.score import anomaly_map, detection_map
from nnunet_uad.scoring.score_settings import ScoreSettings


class RestorationTask(Protocol):
    """What a restorer needs of a pretraining task."""

    restores: bool
    detects: bool

    def detect(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """Anomaly score of tiles, for tasks that detect."""

    def extra_channels(self, foreground: np.ndarray, channels: int, seed: int) -> np.ndarray | None:
        """Channels drawn once for a volume."""

    def reconstruct(self, network: nn.Module, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
        """Pseudo-healthy tiles."""


@dataclass(frozen=True)
class Restorer:
    """Networks of one or more folds, and what is needed to run them.

    Attributes:
        networks: one per fold; their reconstructions are averaged.
        task: how a network reconstructs.
        plans_manager: of the model.
        configuration_manager: of the model.
        dataset_json: of the model.
        mirror_axes: for test-time mirroring, or ``None``.
        device: where to compute.
        seed: of everything that is drawn; the same for every case, so results do not depend on their order.
    """

    networks: Sequence[nn.Module]
    task: RestorationTask
    plans_manager: PlansManager
    configuration_manager: ConfigurationManager
    dataset_json: dict[str, Any]
    mirror_axes: tuple[int, ...] | None
    device: torch.device
    seed: int

    def reconstruct(self, image: np.ndarray, foreground: np.ndarray) -> np.ndarray:
        """Pseudo-healthy image of the same shape as ``image`` (C, z, y, x), preprocessed.

        Args:
            image: preprocessed.
            foreground: boolean (z, y, x).
        """
        extra = self.task.extra_channels(foreground, len(image), self.seed)
        return self._mean_over_networks(image, extra, self.task.reconstruct, len(image))

    def detect(self, image: np.ndarray) -> np.ndarray:
        """What the networks say of the image (C, z, y, x) itself: (z, y, x), for tasks that detect."""
        return self._mean_over_networks(image, None, lambda network, tile, _: self.task.detect(network, tile), 1)[0]

    def source(self, settings: ScoreSettings) -> str:
        """What the score is made of: ``residual``, ``detection`` or ``product``.

        Raises:
            ValueError: the model does not offer what the settings ask for.
        """
        offered = [*(["detection"] if self.task.detects else []), *(["residual"] if self.task.restores else [])]
        if len(offered) == 2:
            offered.append("product")
        wanted = offered[0] if settings.score_from == AUTO else settings.score_from
        if wanted not in offered:
            raise ValueError(f"score_from={wanted} is not possible with this model, which offers {', '.join(offered)}.")
        return wanted

    def _mean_over_networks(
        self, image: np.ndarray, extra: np.ndarray | None, apply: Callable[..., torch.Tensor], outputs: int
    ) -> np.ndarray:
        total = np.zeros((outputs, *image.shape[1:]), dtype=np.float32)
        for network in self.networks:
            total += reconstruct_volume(
                image,
                extra,
                partial(apply, network),
                self.plans_manager,
                self.configuration_manager,
                self.dataset_json,
                self.mirror_axes,
                self.device,
                outputs,
            )
        return total / np.float32(len(self.networks))

    def anomaly_score(
        self,
        image: np.ndarray,
        reconstruction: np.ndarray | None,
        foreground: np.ndarray,
        properties: dict[str, Any],
        settings: ScoreSettings,
        detection: np.ndarray | None = None,
    ) -> np.ndarray:
        """One channel (z, y, x), at least 0, higher is more anomalous; on the preprocessed grid.

        Args:
            image: preprocessed (C, z, y, x).
            reconstruction: of the same shape, of a model that restores.
            foreground: boolean (z, y, x).
            properties: what nnU-Net stored when it preprocessed the case, for the spacing.
            settings: how to score.
            detection: (z, y, x), of a model that detects.
        """
        source, spacing = self.source(settings), self.spacing(properties)
        maps = []
        if source != "residual" and detection is not None:
            maps.append(detection_map(detection, foreground, spacing, settings))
        if source != "detection" and reconstruction is not None:
            names = list(self.dataset_json["channel_names"].values())
            axes = len(self.configuration_manager.patch_size)
            maps.append(anomaly_map(image, reconstruction, foreground, spacing, names, settings, axes))
        return np.multiply(*maps) if source == "product" else maps[0]

    def spacing(self, properties: dict[str, Any]) -> tuple[float, ...]:
        """Spacing in mm per axis of the preprocessed volume; a 2D plan keeps the distance of the slices.

        Axes of a single slice (natural images carry 999 mm there) get 1.
        """
        spacing = [float(s) for s in self.configuration_manager.spacing]
        original = [float(properties["spacing"][i]) for i in self.plans_manager.transpose_forward]
        full = [*original[: len(original) - len(spacing)], *spacing]
        single = properties["shape_after_cropping_and_before_resampling"]
        return tuple(1.0 if n == 1 else s for s, n in zip(full, single, strict=True))
