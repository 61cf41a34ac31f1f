"""Which folder of a pretrainer's validation holds the maps of a score: the main one, or one beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_uad.common.channels import AUTO
from nnunet_uad.common.json_files import read_mapping
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.settings import settings_to_json
from nnunet_uad.data.image_files import MAP_SUFFIX, ending_of
from nnunet_uad.inference.names import MAPS_RECORD
from nnunet_uad.inference.scorer import Scorer
from nnunet_uad.scoring.score_settings import ScoreSettings
from nnunet_uad.scoring.thresholds import ThresholdsForm


@dataclass(frozen=True)
class MapScore:
    """A score that maps are wanted of.

    Attributes:
        settings: Settings of the score.
        source: Source of the score, with these settings.
        default: Source of the score that the model takes for ``auto``.
    """

    settings: ScoreSettings
    source: str
    default: str

    @classmethod
    def of(cls, settings: ScoreSettings, scorer: Scorer) -> MapScore:
        """The score of a model.

        Args:
            settings: Settings of the score.
            scorer: Way in which the model scores.

        Raises:
            ValueError: The model does not offer what the settings ask for.
        """
        return cls(settings, scorer.source(settings), scorer.source(replace(settings, score_from=AUTO)))

    def maps_of(self, fold: Path) -> dict[str, Path]:
        """Maps of this score that the validation of a fold wrote, by case; none if there are none.

        Args:
            fold: Folder of a fold of the pretrainer.

        Raises:
            ValueError: The validation scored otherwise; names what differs and the command.
        """
        folder = self._folder(fold)
        images = {p.name[: -len(ending_of(p))]: p for p in sorted(folder.glob("[!.]*")) if ending_of(p)}
        return {name.removesuffix(MAP_SUFFIX): p for name, p in images.items() if name.endswith(MAP_SUFFIX)}

    def _folder(self, fold: Path) -> Path:
        folder = fold / "validation"
        records = [*folder.glob(MAPS_RECORD), *sorted(folder.glob(f"*/{MAPS_RECORD}"))]
        differ = {record.parent: self._differences(record, fold) for record in records}
        for place, found in differ.items():
            if not found:
                return place
        # Maps of another source lie beside the main ones, without a record of their own.
        beside = folder / self.source
        if set(differ.get(folder, ())) == {"score_from"} and any(beside.glob(f"*{MAP_SUFFIX}.*")):
            return beside
        if not differ:
            return folder
        nearest = min(differ.values(), key=len)
        changes = ", ".join(f"{key}: {there} there, {wanted} wanted" for key, (there, wanted) in nearest.items())
        settings = " ".join(f"{key}={wanted}" for key, (_, wanted) in nearest.items())
        raise ValueError(
            f"The validation of {fold} scored otherwise than is wanted now ({changes}), so its maps say nothing of the "
            f'rate. Leave --score out, or validate with these settings: nnUNet_uad_settings="{settings}" '
            f"{validation_command(fold)}"
        )

    def _differences(self, record: Path, fold: Path) -> dict[str, tuple[Any, Any]]:
        """Settings in which the score of a record differs from the wanted one: there, and wanted."""
        wanted = {**settings_to_json(self.settings), "score_from": self.source}
        stored = read_mapping(record, f"Make it anew: {validation_command(fold)}", ThresholdsForm)["score"]
        # Earlier versions knew fewer settings; what they lack was then as the default is.
        stored = {**settings_to_json(ScoreSettings()), **stored}
        if stored["score_from"] == AUTO:
            stored["score_from"] = self.default
        return {k: (stored.get(k), wanted.get(k)) for k in {**wanted, **stored} if stored.get(k) != wanted.get(k)}


def validation_command(fold: Path) -> str:
    """The command that validates a fold.

    Args:
        fold: Folder of the fold, in its model's folder.

    Example:
        >>> validation_command(Path("results/Dataset901_Tumour/nnUNetPretrainerDAE__nnUNetPlans__2d/fold_0"))
        'nnUNetv2_train Dataset901_Tumour 2d 0 -tr nnUNetPretrainerDAE --val'
    """
    names = ModelFolder.from_path(fold.parent)
    plans = "" if names.plans == "nnUNetPlans" else f" -p {names.plans}"
    number = fold.name.removeprefix("fold_")
    return f"nnUNetv2_train {names.dataset} {names.configuration} {number} -tr {names.trainer}{plans} --val"
