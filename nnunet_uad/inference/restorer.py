"""A trained pretrainer ready for use: preprocessed image in, reconstruction and anomaly score out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from nnunet_uad.common.precision import OFF, network_precision
from nnunet_uad.inference.case import ReconstructedCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.inference.sliding_window import Window, reconstruct_volume
from nnunet_uad.restoration.base import Restoration
from nnunet_uad.scoring.score_settings import ScoreSettings


@dataclass(frozen=True)
class Restorer:
    """Networks of one or more folds, and what is needed to run them.

    Attributes:
        networks: Networks, one per fold; their reconstructions are averaged.
        restoration: Way in which a network reconstructs or scores images.
        model: Plan of the model.
        mirror_axes: Spatial axes for test-time mirroring, or ``None``.
        device: Device to compute on.
        seed: Seed of everything that is drawn; the same for every case, so results do not depend on their order.
        settings: Settings of the training, with those of its score among them.
        amp: Precision of the networks, ``auto`` or ``off``; maps are float32 either way.
    """

    networks: Sequence[nn.Module]
    restoration: Restoration
    model: ModelPlan
    mirror_axes: tuple[int, ...] | None
    device: torch.device
    seed: int
    settings: ScoreSettings
    amp: str = OFF

    def reconstruct(self, image: np.ndarray, foreground: np.ndarray) -> np.ndarray:
        """Pseudo-healthy image of the same shape as ``image`` (C, z, y, x), preprocessed.

        Args:
            image: Preprocessed image (C, z, y, x), z-score units.
            foreground: Boolean mask (z, y, x).
        """
        drawn = self.restoration.draw_for_volume(foreground, len(image), self.model.axes, self.seed)
        return self._mean_over_networks(image, drawn, self.restoration.reconstruct, len(image))

    def reconstruct_draws(self, image: np.ndarray, foreground: np.ndarray, draws: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, (C, z, y, x) each, of reconstructions that differ in what is drawn.

        Of several folds each reconstructs every draw, and both go over all of them. One reconstruction is held at a
        time (Welford, Technometrics 1962): memory does not grow with the number of draws.

        Args:
            image: Preprocessed image (C, z, y, x), z-score units.
            foreground: Boolean mask (z, y, x).
            draws: Number of draws, at least 2; their seeds follow the restorer's.

        Raises:
            ValueError: The model draws nothing, or a single draw has no spread.
        """
        drawing = self.restoration.drawing
        if drawing is None or draws < 2:
            raise ValueError(f"a spread needs a model that draws something and at least 2 draws, found {draws}.")
        mean, squares, count = np.zeros_like(image), np.zeros_like(image), 0
        for seed in range(self.seed, self.seed + draws):
            drawn = drawing.draw_for_volume(foreground, len(image), self.model.axes, seed)
            for one in self._by_network(image, drawn, drawing.reconstruct, len(image)):
                count += 1
                difference = one - mean
                mean += difference / np.float32(count)
                squares += difference * (one - mean)
        return mean, np.sqrt(squares / np.float32(count - 1))

    def reconstruct_and_detect(self, image: np.ndarray, foreground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Reconstruction (C, z, y, x) and score (z, y, x), of a model that gives both, in one pass.

        Args:
            image: Preprocessed image (C, z, y, x), z-score units.
            foreground: Boolean mask (z, y, x).
        """
        drawn = self.restoration.draw_for_volume(foreground, len(image), self.model.axes, self.seed)
        both = self._mean_over_networks(image, drawn, self.restoration.reconstruct_and_detect, len(image) + 1)
        return both[:-1], both[-1]

    def detect(self, image: np.ndarray) -> np.ndarray:
        """Score of the networks for the image itself: (z, y, x), above 0, of a model that detects.

        Args:
            image: Preprocessed image (C, z, y, x).
        """
        detect = self.restoration.detect
        return self._mean_over_networks(image, None, lambda network, tile, _: detect(network, tile), 1)[0]

    def compare(self, image: np.ndarray, reconstruction: np.ndarray, foreground: np.ndarray) -> np.ndarray:
        """Distance (z, y, x), at least 0, of what the networks see in an image and in its reconstruction.

        Args:
            image: Preprocessed image (C, z, y, x).
            reconstruction: Reconstruction of the same shape; what it says of the background does not count.
            foreground: Boolean mask (z, y, x).
        """
        shown = np.where(foreground, reconstruction, image)
        return self._mean_over_networks(image, shown, self.restoration.compare, 1)[0]

    def source(self, settings: ScoreSettings) -> str:
        """What the score is made of: ``residual``, ``detection``, ``product``, ``sum`` or ``features``.

        Args:
            settings: Settings of the score.

        Raises:
            ValueError: The model does not offer what the settings ask for.
        """
        return self.scorer.source(settings)

    @property
    def scorer(self) -> Scorer:
        """How the model's cases are scored; needs no network and no device."""
        restoration = self.restoration
        offers = (restoration.reconstructs, restoration.detects, restoration.compares)
        draws = restoration.drawing is not None
        return Scorer(self.model, *offers, draws=draws, default=restoration.default_source)

    def _mean_over_networks(
        self, image: np.ndarray, extra: np.ndarray | None, apply: Callable[..., torch.Tensor], outputs: int
    ) -> np.ndarray:
        total = np.zeros((outputs, *image.shape[1:]), dtype=np.float32)
        for one in self._by_network(image, extra, apply, outputs):
            total += one
        return total / np.float32(len(self.networks))

    def _by_network(
        self, image: np.ndarray, extra: np.ndarray | None, apply: Callable[..., torch.Tensor], outputs: int
    ) -> Iterator[np.ndarray]:
        window = Window(self.model, self.mirror_axes, self.device)
        for network in self.networks:
            yield reconstruct_volume(image, extra, partial(self._called, apply, network), window, outputs)

    def _called(self, apply: Callable[..., torch.Tensor], network: nn.Module, *tiles: torch.Tensor) -> torch.Tensor:
        """What a network makes of tiles; nnU-Net has no autocast on CPUs, and maps are made without one on CUDA."""
        with network_precision(self.amp, self.device):
            return apply(network, *tiles)

    def anomaly_score(
        self,
        image: np.ndarray,
        reconstruction: np.ndarray | None,
        foreground: np.ndarray,
        properties: dict[str, Any],
        settings: ScoreSettings,
        detection: np.ndarray | None = None,
        features: np.ndarray | None = None,
        spread: np.ndarray | None = None,
    ) -> np.ndarray:
        """One channel (z, y, x), at least 0, higher is more anomalous; on the preprocessed grid.

        Args:
            image: Preprocessed image (C, z, y, x).
            reconstruction: Image of the same shape, of a model that reconstructs.
            foreground: Boolean mask (z, y, x).
            properties: Mapping that nnU-Net stored when it preprocessed the case, for the spacing.
            settings: Settings of the score.
            detection: Score (z, y, x) of a model that detects.
            features: Distance (z, y, x) of :meth:`compare`, for a score that is made of it.
            spread: Standard deviation (C, z, y, x) of :meth:`reconstruct_draws`, whose mean the reconstruction is, for
                a score that divides by it.
        """
        case = ReconstructedCase("", image, reconstruction, foreground, properties, detection, features, spread)
        return self.scorer.scored(case, settings).score
