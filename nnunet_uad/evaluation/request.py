"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_uad.evaluation.floors import Floor


@dataclass(frozen=True)
class EvaluationRequest:
    """What is compared with what.

    Attributes:
        maps: Folders with ``<case>_map.*`` (or plain ``<case>.*``); with ``probabilities`` those of ``<case>.npz``.
        labels: Folder with ``<case>.*``.
        lesion_labels: Label values that count as lesion; values 0 and 1 are expected if empty.
        ignore_label: Label value whose voxels do not count.
        masks: Folder with foregrounds ``<case>.*``; scores outside count as the lowest.
        images: Folder with ``<case>_0000.*``, for floors and baselines.
        baselines: Channel index per name of a baseline, the equalised intensity.
        thresholds: Fixed thresholds by name.
        resample: Whether maps that lie on another grid are resampled.
        healthy_cases: Whether cases without lesion are accepted.
        only: Cases to evaluate; all if empty.
        probabilities: Whether the maps are what ``nnUNetv2_predict --save_probabilities`` wrote.
        floors: Floors to stand beside the maps, robust z at every scale; an entry per channel.

    Example:
        >>> maps = Path("nnUNet_results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d/fold_0/validation")
        >>> request = EvaluationRequest(maps=[maps], labels=Path("nnUNet_raw/Dataset901_Tumour/labelsTr"))
    """

    maps: Sequence[Path]
    labels: Path
    lesion_labels: Sequence[int] = ()
    ignore_label: int | None = None
    masks: Path | None = None
    images: Path | None = None
    baselines: dict[str, int] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    resample: bool = False
    healthy_cases: bool = False
    only: Sequence[str] = ()
    probabilities: bool = False
    floors: Sequence[Floor] = ()

    @property
    def channels(self) -> list[int]:
        """Channels of the images that floors and baselines read."""
        return sorted({*self.baselines.values(), *(floor.channel for floor in self.floors)})

    @property
    def floor_scores(self) -> list[str]:
        """Names of the floors' scores."""
        return [name for floor in self.floors for name in floor.scales]

    @property
    def foreground(self) -> str:
        """What tells the foreground, of whose healthy voxels false-positive rates are shares.

        ``masks``; ``images``, of which those that floors and baselines read are not background; or ``scores`` that are
        not background.
        """
        return "masks" if self.masks else "images" if self.channels else "scores"
