"""The nnU-Net commands that a study consists of, with the environment that each needs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common import commands
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.settings import SETTINGS_VARIABLE, joined
from nnunet_uad.common.trainer_names import NO_VALIDATION, VALIDATION_VARIABLE
from nnunet_uad.study.layout import Cell, Layout
from nnunet_uad.weights.names import FILE_NAME, POOL_VARIABLE, RESTORER_VARIABLE, WEIGHTS_VARIABLE

#: matplotlib's settings: nnU-Net draws progress.png anew after every epoch, a second for 3000 x 5400 pixels.
FIGURES_VARIABLE = "MATPLOTLIBRC"
VARIABLES = {"weights": WEIGHTS_VARIABLE, "restorer": RESTORER_VARIABLE}


@dataclass(frozen=True)
class Command:
    """A command line, its environment on top of the present one, and the fold's folder that it fills.

    Attributes:
        words: Words of the command line.
        environment: Variables to set.
        folder: Folder into which nnU-Net puts the training.
    """

    words: tuple[str, ...]
    environment: dict[str, str]
    folder: Path

    def __str__(self) -> str:
        import shlex

        variables = " ".join(f"{k}={shlex.quote(v)}" for k, v in self.environment.items())
        return f"{variables} {shlex.join(self.words)}"


def pretraining_command(layout: Layout, identifier: str) -> Command:
    """Stage one."""
    entry = layout.pretrainings[identifier]
    # A folder per pretraining: two that differ in their settings only would write to the same one.
    results = layout.results() / identifier
    return _train(layout, results, entry["dataset"], entry["fold"], entry["trainer"], entry["settings"])


def training_command(layout: Layout, cell: Cell) -> Command:
    """Stage two."""
    arm, length = layout.arms[cell.arm], layout.study.fine_tuning
    seed = layout.plan["seed"] + cell.fold["draw"]
    # nnU-Net's own trainers have no settings and would not mind; others could read the variable, too.
    settings = joined(length.settings, arm.settings, f"seed={seed}")
    command = _train(
        layout,
        layout.results(cell.slug),
        cell.fold["dataset"],
        cell.fold["index"],
        trainer_name(layout, cell),
        settings,
    )
    weights = {VARIABLES[kind]: str(pretrained_file(layout, i)) for kind, i in layout.needed(cell).items()}
    if arm.weights:
        weights[WEIGHTS_VARIABLE] = arm.weights
    # The test cases are predicted and scored by a job of its own, and not only those of this dataset.
    further = {**weights, VALIDATION_VARIABLE: NO_VALIDATION}
    # Who can learn from images without labels finds those of the outer fold, the annotated ones among them left out.
    further[POOL_VARIABLE] = f"{layout.plan['dataset']}/{cell.fold['outer']}"
    return Command(command.words, {**command.environment, **further}, command.folder)


def trainer_name(layout: Layout, cell: Cell) -> str:
    """With the suffix for its length."""
    return layout.arms[cell.arm].trainer + layout.study.fine_tuning.suffix


def pretrained_file(layout: Layout, identifier: str) -> Path:
    """The weights that a pretraining leaves."""
    return pretraining_command(layout, identifier).folder / FILE_NAME


def _train(layout: Layout, results: Path, dataset: str, fold: int, trainer: str, settings: str) -> Command:
    study = layout.study
    words = [
        commands.executable("nnUNetv2_train"),
        dataset,
        study.configuration,
        str(fold),
        "-tr",
        trainer,
        "-p",
        study.plans,
    ]
    words += ["-device", study.device]
    environment = {
        **nnunet_environment(layout),
        "nnUNet_results": str(results),
        SETTINGS_VARIABLE: settings if study.mirroring else joined(settings, "mirroring=false"),
        WEIGHTS_VARIABLE: "",
        RESTORER_VARIABLE: "",
        POOL_VARIABLE: "",
        FIGURES_VARIABLE: os.environ.get(FIGURES_VARIABLE) or str(layout.figures),
    }
    model = ModelFolder(results, dataset, trainer, study.plans, study.configuration)
    return Command(tuple(words), environment, model.fold(fold))


def nnunet_environment(layout: Layout) -> dict[str, str]:
    """nnU-Net's folders, the plugin, the number of processes."""
    environment = commands.nnunet_environment(layout.request["paths"], shared_cores=layout.study.device == "cpu")
    processes = layout.study.processes
    if processes is not None:
        environment |= {"nnUNet_def_n_proc": str(max(1, processes)), "nnUNet_n_proc_DA": str(processes)}
    return environment
