"""A rung of the race as a file of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from nnunet_uad.choosing.arms import BASELINE, BASELINE_TRAINER, Entry
from nnunet_uad.choosing.folds import InnerFolds
from nnunet_uad.choosing.rungs import PRETRAINING
from nnunet_uad.common.files import write_text

#: Epochs of a training, and the most iterations of each: nnU-Net's own.
EPOCHS, ITERATIONS = 10, 250


@dataclass(frozen=True)
class Setting:
    """What all rungs have in common.

    Attributes:
        dataset: Full name of the dataset.
        configuration: Name of the configuration.
        plans: Name of the plans.
        device: Device: ``cuda``, ``cpu`` or ``mps``.
        seed: Seed of everything that is drawn.
        folds: Inner folds.
    """

    dataset: str
    configuration: str
    plans: str
    device: str
    seed: int
    folds: InnerFolds


def length(steps: int) -> dict[str, int]:
    """Epochs and iterations of that many steps, or a few less.

    Args:
        steps: Number of training steps.

    Example:
        >>> length(300), length(5000)
        ({'epochs': 10, 'iterations': 30}, {'epochs': 20, 'iterations': 250})
    """
    if steps < EPOCHS * ITERATIONS:
        return {"epochs": EPOCHS, "iterations": max(1, steps // EPOCHS)}
    return {"epochs": steps // ITERATIONS, "iterations": ITERATIONS}


def study_content(
    setting: Setting, arms: Mapping[str, Entry], steps: int, draws: int, rung: int, title: str
) -> dict[str, Any]:
    """The keys of the study's file.

    Args:
        setting: Setting of the race.
        arms: Name → arm, without the baseline.
        steps: Number of steps of fine-tuning.
        draws: Number of trainings per arm and fold.
        rung: Number of the rung: another one has other seeds.
        title: Title of the report.
    """
    fine_tuning = length(steps)
    # Of what is trained, so that the commands at the end, which know only that, have the same length.
    pretraining = length(PRETRAINING * fine_tuning["epochs"] * fine_tuning["iterations"])
    trainers: dict[str, Any] = {BASELINE: BASELINE_TRAINER}
    for name, entry in arms.items():
        trainers[name] = {"trainer": entry.trainer, "weights": entry.weights} if entry.weights else entry.trainer
    content: dict[str, Any] = {
        "title": title,
        "dataset": setting.dataset,
        "configuration": setting.configuration,
        "plans": setting.plans,
        "folds": list(setting.folds.indices),
        "budgets": ["all"],
        "draws": draws,
        "seed": (setting.seed + 1000 * rung) % 2**31,
        "trainers": trainers,
        "pretraining": {**pretraining, **({"shared": True} if setting.folds.shared else {})},
        "fine_tuning": fine_tuning,
        "device": setting.device,
        # Both arms go without; a last prediction need not.
        "mirroring": False,
    }
    if setting.device != "cuda":
        # As many jobs at once as there are cores: nobody waits for background processes.
        one = {"threads": 1, "mem_mb": 4000}
        content |= {"processes": 0, "resources": dict.fromkeys(("pretrain", "train", "test"), one)}
    return content


def write_study(path: Path, content: Mapping[str, Any], heading: str) -> None:
    """Write the file of a study.

    Args:
        path: File to write.
        content: Keys of the file.
        heading: Line for the top of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, f"# {heading}\n{yaml.dump(dict(content), sort_keys=False, allow_unicode=True, Dumper=_Plain)}")


class _Plain(yaml.SafeDumper):
    """Repeats what stands twice instead of referring to it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether a value is written out; all are.

        Args:
            data: Value that stands twice.
        """
        return True


def arms_of(content: Mapping[str, Any]) -> list[str]:
    """Names of the arms in a study's file, without the baseline.

    Args:
        content: Keys of the file.
    """
    return [name for name in content["trainers"] if name != BASELINE]


def described(names: Sequence[str]) -> str:
    """Arms in words: ``DAE, MAE and scratch``."""
    return f"{', '.join(names)} and {BASELINE}"
