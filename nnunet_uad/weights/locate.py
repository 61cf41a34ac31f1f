"""How stage two finds its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.trainer_names import base_name
from nnunet_uad.weights.names import FILE_NAME, RESTORER_VARIABLE, WEIGHTS_VARIABLE

__all__ = ["RESTORER_VARIABLE", "WEIGHTS_VARIABLE", "WeightQuery", "locate_pretrained"]

_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class WeightQuery:
    """What weights are wanted for: the names that make up nnU-Net's results folders, the variable that overrides.

    Attributes:
        results: Folder of all results, nnUNet_results.
        dataset: Full name of the dataset that is fine-tuned on.
        plans: Name of the plans.
        configuration: Name of the configuration.
        fold: Fold that is fine-tuned, a number or ``all``.
        pretrainer: Name of the pretrainer without length.
        variable: Variable of the environment that names a file instead.
    """

    results: Path
    dataset: str
    plans: str
    configuration: str
    fold: str
    pretrainer: str
    variable: str = WEIGHTS_VARIABLE

    @property
    def training_command(self) -> str:
        """The command that would make the file."""
        return f"nnUNetv2_train {self.dataset} {self.configuration} {self.fold} -tr {self.pretrainer} -p {self.plans}"


def locate_pretrained(query: WeightQuery) -> tuple[Path, str]:
    """Find the weight file: the environment variable, else the same fold, else ``fold_all``.

    Trainings of another length (``nnUNetPretrainerDAE_50epochs``) count when there is none of the plain name.

    Args:
        query: Names that the weights must fit.

    Returns:
        The path, and in words why it was taken.

    Raises:
        FileNotFoundError: There is no such file; names every path tried, candidates of other datasets, the command.
        ValueError: There are several trainings of different length and none of the plain name.
    """
    named = os.environ.get(query.variable, "").strip()
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"{query.variable}={named} names no file. Expected a {FILE_NAME}, or a checkpoint of nnU-Net or "
                f"nnssl; to use the weights of the same dataset and plans: unset {query.variable}"
            )
        return path, f"named by {query.variable}"
    tried = []
    for fold in dict.fromkeys((query.fold, "all")):
        plain = _model(query, query.pretrainer).fold(fold) / FILE_NAME
        tried.append(plain)
        if plain.is_file():
            return plain, f"same dataset, plans and configuration, fold {fold}"
        others = _other_lengths(query, fold)
        if len(others) > 1:
            raise ValueError(
                f"Several pretrainings of fold {fold} suit, none of them the plain {query.pretrainer}:\n  "
                + "\n  ".join(map(str, others))
                + f"\nChoose one: export {query.variable}=FILE"
            )
        if others:
            return others[0], f"same dataset, plans and configuration, fold {fold}, another training length"
    raise FileNotFoundError(_not_found(query, tried))


def _model(query: WeightQuery, trainer: str) -> ModelFolder:
    return ModelFolder(query.results, query.dataset, trainer, query.plans, query.configuration)


def _other_lengths(query: WeightQuery, fold: str) -> list[Path]:
    pattern = _model(query, f"{query.pretrainer}_*").name
    files = sorted((query.results / query.dataset).glob(f"{pattern}/fold_{fold}/{FILE_NAME}"))
    return [f for f in files if base_name(ModelFolder.from_path(f.parents[1]).trainer) == query.pretrainer]


def _not_found(query: WeightQuery, tried: list[Path]) -> str:
    candidates = sorted(query.results.glob(f"*/{query.pretrainer}*/fold_*/{FILE_NAME}"))
    lines = [
        f"No pretrained weights of {query.pretrainer} for {query.dataset}, {query.plans}, "
        f"{query.configuration}, fold {query.fold}. Tried:",
        f"  the environment variable {query.variable} (not set)",
        *(f"  {path}" for path in tried),
        "Make them:",
        f"  {query.training_command}",
    ]
    if candidates:
        lines.append("or use weights of another dataset, plans or fold; there are:")
        lines += [f"  export {query.variable}={quote(str(path))}" for path in candidates[:_MOST_CANDIDATES]]
        if len(candidates) > _MOST_CANDIDATES:
            lines.append(f"  … and {len(candidates) - _MOST_CANDIDATES} more")
    return "\n".join(lines)
