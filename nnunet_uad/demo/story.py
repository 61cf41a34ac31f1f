"""The demo's steps, each a stock nnU-Net command."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nnunet_uad.common.commands import executable, nnunet_environment
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.common.trainer_names import split_variant
from nnunet_uad.weights.names import WEIGHTS_VARIABLE

PRETRAIN_FOLD, FINE_TUNE_FOLD = 0, 1
PRETRAINER, FINE_TUNED, SCRATCH = (
    "nnUNetPretrainerDAE",
    "nnUNetTrainerDAEPretrained",
    "nnUNetTrainerFromScratch",
)


@dataclass(frozen=True)
class Workspace:
    """Where the story happens: nnU-Net's three folders below ``root``, and the model's names.

    Attributes:
        root: Folder of the demo.
        dataset: Full name of the dataset.
        plans: Name of the plans.
        configuration: Name of the configuration.
        device: Device to train on: ``cpu``, ``cuda`` or ``mps``.
        pretrain_length: Suffix of the pretrainer's name, e.g. ``_10epochs_60iters``.
        fine_tune_length: Suffix of the fine-tuning trainers' names.
    """

    root: Path
    dataset: str
    plans: str
    configuration: str
    device: str
    pretrain_length: str
    fine_tune_length: str

    @property
    def raw(self) -> Path:
        """``nnUNet_raw``."""
        return self.root / "nnUNet_raw"

    @property
    def preprocessed(self) -> Path:
        """``nnUNet_preprocessed``."""
        return self.root / "nnUNet_preprocessed"

    @property
    def results(self) -> Path:
        """``nnUNet_results``."""
        return self.root / "nnUNet_results"

    def trainer_name(self, trainer: str) -> str:
        """The trainer's name with the length that the demo gives it.

        Args:
            trainer: Name without length.
        """
        return trainer + (self.pretrain_length if trainer == PRETRAINER else self.fine_tune_length)

    def fold_folder(self, trainer: str) -> Path:
        """Results folder of a trainer's fold.

        Args:
            trainer: Name without length.
        """
        fold = PRETRAIN_FOLD if trainer == PRETRAINER else FINE_TUNE_FOLD
        name = self.trainer_name(trainer)
        return ModelFolder(self.results, self.dataset, name, self.plans, self.configuration).fold(fold)

    @property
    def plot_style(self) -> Path:
        """Matplotlib's file of settings for the commands."""
        return self.root / "logs" / "matplotlibrc"

    def environment(self) -> dict[str, str]:
        """Environment of the commands."""
        cores = min(4, os.cpu_count() or 1)
        folders = {
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.preprocessed),
            "nnUNet_results": str(self.results),
        }
        return {
            "nnUNet_n_proc_DA": str(cores),
            # Each takes longer to import PyTorch than to write the few small cases.
            "nnUNet_def_n_proc": str(max(1, cores // 2)),
            "MATPLOTLIBRC": str(self.plot_style),
            **os.environ,
            # A folder of somebody else that cannot be imported must not stop the demo.
            **nnunet_environment(folders, shared_cores=True, keep_others=False),
        }


def run_step(
    workspace: Workspace,
    title: str,
    arguments: Sequence[str],
    extra: dict[str, str] | None = None,
    epochs: int | None = None,
) -> None:
    """Run a command with a progress bar, its output in ``logs/``.

    Args:
        workspace: Folders and names of the demo.
        title: Title of the step, which also names its log.
        arguments: Words of the command line.
        extra: Further variables of the environment.
        epochs: Number of epochs of a training, ``None`` for other commands.

    Raises:
        RuntimeError: The command failed; names the log and shows its end.
    """
    logs = workspace.root / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    # nnU-Net draws progress.png, of 3000 x 5400 pixels, after every epoch; these epochs take seconds.
    workspace.plot_style.write_text("figure.dpi: 40\n")
    log = logs / f"{title.replace(' ', '_').replace(',', '')}.log"
    variables = "".join(f"{k}={shlex.quote(v)} " for k, v in (extra or {}).items())
    shown = variables + shlex.join([Path(arguments[0]).name, *arguments[1:]])
    print(f"\n== {title}\n$ {shown}", flush=True)
    with log.open("w") as handle:
        process = subprocess.Popen(
            list(arguments),
            stdout=handle,
            stderr=subprocess.STDOUT,
            env={**workspace.environment(), **(extra or {})},
        )
        _follow(process, log, epochs)
    if process.returncode:
        end = "\n".join(log.read_text().splitlines()[-15:])
        raise RuntimeError(f"The step {title!r} failed; its log is {log} and ends with\n{end}")


def _follow(process: subprocess.Popen, log: Path, epochs: int | None) -> None:
    """Wait for the process; on a terminal show finished epochs, or the time for commands without epochs."""
    shape = None if epochs else "   {elapsed}"
    with tqdm(total=epochs, unit="epoch", bar_format=shape, disable=None) as bar:
        while process.poll() is None:
            time.sleep(1)
            if epochs:
                bar.n = log.read_text(errors="replace").count("Epoch time:")
            bar.refresh()


def train(workspace: Workspace, title: str, trainer: str, extra: dict[str, str] | None = None) -> None:
    """``nnUNetv2_train``; a training that has finished is not repeated, an interrupted one continues.

    Args:
        workspace: Folders and names of the demo.
        title: Title of the step.
        trainer: Name of the trainer without length.
        extra: Further variables of the environment.
    """
    folder = workspace.fold_folder(trainer)
    if (folder / "validation" / "summary.json").exists():
        print(f"\n== {title}: finished already ({folder})")
        return
    fold = PRETRAIN_FOLD if trainer == PRETRAINER else FINE_TUNE_FOLD
    started = any(folder.glob("checkpoint_*.pth"))
    run_step(
        workspace,
        title,
        [
            executable("nnUNetv2_train"),
            workspace.dataset,
            workspace.configuration,
            str(fold),
            "-tr",
            workspace.trainer_name(trainer),
            "-p",
            workspace.plans,
            "-device",
            workspace.device,
            *(["--c"] if started else []),
        ],
        extra,
        split_variant(workspace.trainer_name(trainer))[1],
    )


def run_trainings(workspace: Workspace, pretrain_settings: str) -> None:
    """Stage one, stage two from its weights, and stage two from scratch.

    Args:
        workspace: Folders and names of the demo.
        pretrain_settings: Settings of the pretraining, as in ``nnUNet_uad_settings``.
    """
    train(workspace, "Pretrain without lesions", PRETRAINER, {SETTINGS_VARIABLE: pretrain_settings})
    weights = workspace.fold_folder(PRETRAINER) / "pretrained.safetensors"
    seed = {SETTINGS_VARIABLE: "seed=1"}
    train(workspace, "Fine-tune on one labelled case", FINE_TUNED, {WEIGHTS_VARIABLE: str(weights), **seed})
    train(workspace, "The same from scratch", SCRATCH, seed)
