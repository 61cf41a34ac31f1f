"""The verdict in one sentence, and the commands that train the final model."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.choosing.arms import BASELINE, BASELINE_TRAINER, Entry
from nnunet_uad.choosing.rule import Decision
from nnunet_uad.choosing.rungs import PRETRAINING
from nnunet_uad.choosing.studies import Setting, length
from nnunet_uad.common.nnunet import ModelFolder
from nnunet_uad.common.settings import SETTINGS_VARIABLE
from nnunet_uad.study.sections import Length, Pretraining
from nnunet_uad.weights.names import FILE_NAME, RESTORER_VARIABLE, WEIGHTS_VARIABLE

#: What a trainer needs → the variable that names it.
_VARIABLES = {"weights": WEIGHTS_VARIABLE, "restorer": RESTORER_VARIABLE}


@dataclass(frozen=True)
class Verdict:
    """What the user is told.

    Attributes:
        sentence: The verdict.
        commands: Commands that train the final model.
        shorter: Commands that train it for the length that was tried, a pretraining for the length of its own.
    """

    sentence: str
    commands: tuple[str, ...]
    shorter: tuple[str, ...]


def verdict(setting: Setting, name: str, entry: Entry, decision: Decision, steps: int) -> Verdict:
    """What follows from the last rung.

    Args:
        setting: Setting of the race.
        name: Name of the arm that was left.
        entry: Trainer and weights of that arm.
        decision: Decision by its gains.
        steps: Number of steps of fine-tuning in the last rung.
    """
    interval = f"{100 * decision.level:.3g} % interval [{decision.low:+.3f}, {decision.high:+.3f}]"
    found = f"{decision.gain:+.3f} Dice over from scratch after {steps} steps, {interval}"
    which = "the only one that was tried" if decision.arms == 1 else "the last one left"
    if decision.use:
        sentence = f"use {name} (gain {found})"
    elif decision.gain <= 0:
        sentence = f"train from scratch: no pretraining is shown to pay here ({which}, {name}: {found})"
    else:
        sentence = (
            f"train from scratch: no pretraining is shown to pay here; {len(setting.folds.labelled)} labelled cases "
            f"are too few to tell ({which}, {name}: {found})"
        )
    taken = entry if decision.use else Entry(BASELINE_TRAINER)
    return Verdict(sentence, tuple(final_commands(setting, taken)), tuple(final_commands(setting, taken, steps)))


def final_commands(setting: Setting, entry: Entry, steps: int | None = None) -> list[str]:
    """Commands that pretrain on all images, where the arm does, and train on all labels.

    Args:
        setting: Setting of the race.
        entry: Arm that is trained.
        steps: Number of steps of fine-tuning; nnU-Net's own length if not given.
    """
    stage_one_length, stage_two_length = ("", "") if steps is None else map(_suffix, (PRETRAINING * steps, steps))
    plans = [] if setting.plans == "nnUNetPlans" else ["-p", setting.plans]
    device = [] if setting.device == "cuda" else ["-device", setting.device]

    def train(trainer: str, variables: Sequence[str] = ()) -> str:
        """The command of a training on all cases."""
        words = ["nnUNetv2_train", setting.dataset, setting.configuration, "all", "-tr", trainer, *plans, *device]
        return " ".join([*variables, shlex.join(words)])

    settings = f'{SETTINGS_VARIABLE}="{Pretraining().settings}"'
    pretrainers = {kind: f"{pretrainer}{stage_one_length}" for kind, pretrainer in entry.stage_one.items()}
    stage_one = [train(pretrainer, [settings]) for pretrainer in pretrainers.values()]
    starts = [f"{WEIGHTS_VARIABLE}={shlex.quote(entry.weights)}"] if entry.weights else []
    if steps is not None:
        # Beside a pretraining of another length they would not be found.
        starts += [_start(setting, kind, pretrainer) for kind, pretrainer in pretrainers.items()]
    return [*stage_one, train(f"{entry.trainer}{stage_two_length}", starts)]


def _suffix(steps: int) -> str:
    """End of a trainer's name for a length as the race's studies have it."""
    tried = length(steps)
    return Length(tried["epochs"], tried["iterations"]).suffix


def _start(setting: Setting, kind: str, pretrainer: str) -> str:
    """The assignment that names what a pretraining on all images leaves."""
    model = ModelFolder(Path("$nnUNet_results"), setting.dataset, pretrainer, setting.plans, setting.configuration)
    return f'{_VARIABLES[kind]}="{model.fold("all") / FILE_NAME}"'


def page(found: Verdict, rows: Sequence[Sequence[str]], seconds: float, hours: float, setting: Setting) -> str:
    """The choice as Markdown.

    Args:
        found: Verdict of the race.
        rows: Rung, arm, steps, trainings, mean Dice and gain, a row per rung and arm.
        seconds: Seconds of the race on the clock, by its jobs.
        hours: Hours that there were.
        setting: Setting of the race.
    """
    table = ["| rung | arm | steps | trainings | Dice | gain |", "|---|---|---|---|---|---|"]
    table += [f"| {' | '.join(row)} |" for row in rows]
    folds = setting.folds
    return "\n".join(
        [
            f"# {setting.dataset}, {setting.configuration}: which pretraining pays?",
            "",
            f"**{found.sentence[:1].upper()}{found.sentence[1:]}.**",
            "",
            f"{len(folds.labelled)} labelled cases, {len(folds.indices)} inner folds, {folds.unlabelled} cases without "
            f"labels; {seconds / 3600:.2f} of {hours:g} hours. The baseline is called {BASELINE}. Only the last rung "
            "decides.",
            "",
            *table,
            "",
            "The final model, with nnU-Net's own length:",
            "",
            "```bash",
            *found.commands,
            "```",
            "",
            "The same for the length that was tried here, which is shorter; whether a gain is still there after longer "
            "trainings was not tried:",
            "",
            "```bash",
            *found.shorter,
            "```",
            "",
        ]
    )
