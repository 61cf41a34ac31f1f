"""What the networks said of a case → its anomaly score; travels to worker processes, without the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnunet_uad.common.channels import AUTO
from nnunet_uad.inference.case import ReconstructedCase, ScoredCase
from nnunet_uad.inference.model_plan import ModelPlan
from nnunet_uad.scoring.scales import with_intensity
from nnunet_uad.scoring.score import (
    anomaly_map,
    detection_map,
    intensity_factor,
    positive,
    residual_score,
    small_lesion_map,
)
from nnunet_uad.scoring.score_settings import SMALL_LESIONS, SOURCES, STANDARDISED, ScoreSettings
from nnunet_uad.scoring.standardised import refuse_without_draws

#: z-score units of the residual that a detection of 1 counts as much as, in their sum: about what a clear lesion has.
CERTAIN = np.float32(2.0)
#: Sources that are made of residual and detection.
_OF_BOTH = ("product", "sum")


@dataclass(frozen=True)
class Scorer:
    """How a model's cases are scored.

    Attributes:
        model: Plan of the model.
        reconstructs: Whether the model reconstructs images.
        detects: Whether the networks score images themselves.
        compares: Whether the networks compare images with their reconstructions.
        draws: Whether several draws of the model differ.
        default: Source unless another is asked for; the first that is offered if empty.
    """

    model: ModelPlan
    reconstructs: bool
    detects: bool
    compares: bool = False
    draws: bool = False
    default: str = ""

    @property
    def offered(self) -> list[str]:
        """Sources of a score that the model offers."""
        possible = {
            "detection": self.detects,
            "residual": self.reconstructs,
            "product": self.detects and self.reconstructs,
            "sum": self.detects and self.reconstructs,
            "features": self.compares,
        }
        return [source for source, given in possible.items() if given]

    def source(self, settings: ScoreSettings) -> str:
        """What the score is made of: ``residual``, ``detection``, ``product``, ``sum`` or ``features``.

        Args:
            settings: Settings of the score.

        Raises:
            ValueError: The model does not offer what the settings ask for.
        """
        refuse_without_draws(settings, self.draws)
        offered = self.offered
        wanted = (self.default or offered[0]) if settings.score_from == AUTO else settings.score_from
        # Of lesions of few voxels, planted into healthy slices, a detection beside the residual hid more than it found.
        small = settings.score == SMALL_LESIONS and settings.score_from == AUTO and self.reconstructs
        if small or settings.score == STANDARDISED:
            wanted = "residual"
        if wanted not in offered:
            raise ValueError(f"score_from={wanted} is not possible with this model, which offers {', '.join(offered)}.")
        return wanted

    def further(self, settings: ScoreSettings) -> dict[str, ScoreSettings]:
        """What else a model that reconstructs and detects can score with, by source.

        Args:
            settings: Settings of the main score.
        """
        if not (self.reconstructs and self.detects) or settings.score == STANDARDISED:
            return {}
        chosen = self.source(settings)
        further = [source for source in SOURCES if source in self.offered and source != chosen]
        return {source: replace(settings, score_from=source) for source in further}

    def scores(self, case: ReconstructedCase, settings: ScoreSettings, sources: Sequence[str]) -> dict[str, np.ndarray]:
        """Maps (z, y, x) by source, at least 0, higher is more anomalous; what several need is filtered once.

        Args:
            case: Case on the preprocessed grid.
            settings: Settings of the score; its source does not count.
            sources: Names out of ``residual``, ``detection``, ``product``, ``sum``, ``features``.
        """
        spacing = self.model.spacing_of(case.properties)
        if settings.score == SMALL_LESIONS:
            plain = self._unfiltered(case, with_intensity(settings), sources)
            return {s: small_lesion_map(plain[s], case.foreground, spacing, settings) for s in sources}
        maps: dict[str, np.ndarray] = {}
        if case.detection is not None and {"detection", *_OF_BOTH} & set(sources):
            maps["detection"] = detection_map(case.detection, case.foreground, spacing, settings)
        if case.reconstruction is not None and {"residual", *_OF_BOTH} & set(sources):
            names, axes = self.model.channel_names, self.model.axes
            maps["residual"] = anomaly_map(
                case.image, case.reconstruction, case.foreground, spacing, names, settings, axes, case.spread
            )
        if case.features is not None and "features" in sources:
            maps["features"] = detection_map(case.features, case.foreground, spacing, settings)
        if "product" in sources:
            maps["product"] = np.multiply(maps["detection"], maps["residual"])
        if "sum" in sources:
            maps["sum"] = maps["residual"] + CERTAIN * maps["detection"]
        if settings.intensity_factor:
            factor = intensity_factor(case.image, case.foreground, spacing, self.model.channel_names, settings)
            return {source: maps[source] * factor for source in sources}
        return {source: maps[source] for source in sources}

    def _unfiltered(
        self, case: ReconstructedCase, settings: ScoreSettings, sources: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """What scores (z, y, x) are made of, by source: residuals may be below 0."""
        plain: dict[str, np.ndarray] = {}
        if case.detection is not None:
            plain["detection"] = case.detection
        if case.reconstruction is not None and {"residual", *_OF_BOTH} & set(sources):
            names, axes = self.model.channel_names, self.model.axes
            plain["residual"] = residual_score(case.image, case.reconstruction, names, settings, axes)
        if case.features is not None:
            plain["features"] = case.features
        if "product" in sources:
            plain["product"] = np.multiply(plain["detection"], positive(plain["residual"]))
        if "sum" in sources:
            plain["sum"] = plain["residual"] + CERTAIN * plain["detection"]
        return plain

    def scored(self, case: ReconstructedCase, settings: ScoreSettings) -> ScoredCase:
        """The case with its score.

        Args:
            case: Case on the preprocessed grid.
            settings: Settings of the score.
        """
        source = self.source(settings)
        return self.with_score(case, self.scores(case, settings, [source])[source])

    def with_score(self, case: ReconstructedCase, score: np.ndarray) -> ScoredCase:
        """The case with a score that is known.

        Args:
            case: Case on the preprocessed grid.
            score: Anomaly score (z, y, x).
        """
        return ScoredCase(**vars(case), score=score, spacing=self.model.spacing_of(case.properties))
