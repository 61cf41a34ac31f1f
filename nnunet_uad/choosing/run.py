"""The race from the labels at hand to the command that trains the final model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunet_uad.choosing.arms import BASELINE, Entry, entries, refuse_seen, trainer_for
from nnunet_uad.choosing.folds import labelled_cases, make_inner_folds
from nnunet_uad.choosing.jobs import plan_and_time, run_study
from nnunet_uad.choosing.measured import Outcome, costs, outcome
from nnunet_uad.choosing.rule import decide, keep
from nnunet_uad.choosing.rungs import WANTED, Costs, Rung, longest, plan_race, race_seconds
from nnunet_uad.choosing.studies import Setting, arms_of, described, study_content, write_study
from nnunet_uad.choosing.verdict import page, verdict
from nnunet_uad.common.claim import claim
from nnunet_uad.common.files import file_hash, write_json, write_text
from nnunet_uad.common.json_files import read_as
from nnunet_uad.common.lock import file_lock
from nnunet_uad.common.nnunet import dataset_folder, dataset_number, require_configuration
from nnunet_uad.common.nnunet_files import load_plans
from nnunet_uad.common.yaml_files import read_yaml
from nnunet_uad.data.content import case_contents, raw_folder
from nnunet_uad.study.planning.source import open_source
from nnunet_uad.study.study_file import Study

RECORD, RACE, CHOICE, PAGE = "request.json", "race.json", "choice.json", "choice.md"


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        dataset: Number or name of the dataset.
        configuration: Name of the configuration.
        hours: Hours that there are on the clock.
        output: Folder of the race.
        plans: Name of the plans.
        arms: Arms as ``NAME=TRAINER``; the default ones if none are named.
        weights: Files of pretrained weights to try.
        device: Device: ``cuda``, ``cpu`` or ``mps``.
        seed: Seed of everything that is drawn.
        cores: Number of cores to use.
        jobs: Number of jobs that run at once.
    """

    dataset: str
    configuration: str
    hours: float
    output: Path
    plans: str = "nnUNetPlans"
    arms: tuple[str, ...] = ()
    weights: tuple[Path, ...] = ()
    device: str = "cuda"
    seed: int = 0
    cores: int = 1
    jobs: int = 1


@dataclass(frozen=True)
class Race:
    """What was planned when the race began: the same command goes on with it.

    Attributes:
        arms: Names of the arms that enter.
        rungs: Rungs as they were planned; each is measured out anew when it begins.
        timing: Seconds that the timing took.
    """

    arms: tuple[str, ...]
    rungs: tuple[Rung, ...]
    timing: float


def choose(request: Request, say: Callable[[str], object] = print) -> dict[str, Any]:
    """Race, or go on with the race; writes ``choice.json`` and ``choice.md``.

    Args:
        request: Request of the user.
        say: Function that is told what the user should know.

    Returns:
        Content of ``choice.json``.

    Raises:
        ValueError: Too few labels, a budget in which nothing fits, weights that do not suit or have seen labelled
            cases, or a folder that holds another race.
        RuntimeError: A job failed, or the folder is in use.
        FileNotFoundError: Data that are not preprocessed.
    """
    folder = dataset_folder("nnUNet_preprocessed", request.dataset)
    _require_configuration(folder, request)
    plain = Study(folder.name, request.configuration, {BASELINE: _any_arm()}, ("all",), plans=request.plans)
    number = dataset_number(folder.name)
    like = f"nnunet_uad preprocess -d {number} --like DATASET -p {request.plans} -c {request.configuration}"
    source = open_source(folder, plain, f"where cases have no labels: {like}")
    labelled = labelled_cases(folder, source.cases)
    arms = entries(request.arms, _weights(request, folder.name, say), len(labelled))
    refuse_seen(arms, folder.name, case_contents(raw_folder(), folder, source.data, labelled))
    request.output.mkdir(parents=True, exist_ok=True)
    with file_lock(request.output / ".running", f"A choice in {request.output} is being made"):
        folds = make_inner_folds(folder, source.cases)
        setting = Setting(folder.name, request.configuration, request.plans, request.device, request.seed, folds)
        _claim(request, _record(request, setting, arms))
        say(
            f"{folder.name}: {len(folds.labelled)} labelled cases, {len(folds.indices)} inner folds, "
            f"{folds.unlabelled} cases without labels. Arms: {described(list(arms))}."
        )
        known, race = _planned(request, setting, arms, say)
        return _run(request, setting, arms, known, race, say)


def _require_configuration(folder: Path, request: Request) -> None:
    """Refuse plans without the configuration, in words for who has no study."""
    number = dataset_number(folder.name)
    plans = load_plans(folder / f"{request.plans}.json", f"Make it: nnUNetv2_plan_and_preprocess -d {number}")
    known = plans["configurations"]
    small = f"nnunet_uad small-plan -d {number} -c {next(iter(known), '2d')} -p {request.plans}"
    hint = (
        f" Choose one, or make a smaller one: {small} --name {request.configuration} (--help names its sizes), then "
        f"nnUNetv2_preprocess -d {number} -plans_name {request.plans} -c {request.configuration}"
    )
    require_configuration(f"{request.plans} of {folder.name}", known, request.configuration, hint)


def _any_arm() -> Any:
    from nnunet_uad.choosing.arms import BASELINE_TRAINER
    from nnunet_uad.study.arms import Arm

    return Arm(BASELINE_TRAINER)


def _weights(request: Request, dataset: str, say: Callable[[str], object]) -> dict[str, str]:
    """File of weights → the trainer that starts from it."""
    starts = {}
    for file in request.weights:
        starts[str(file.resolve())], warnings = trainer_for(file, dataset, request.configuration, request.plans)
        for warning in warnings:
            say(f"WARNING: {warning}")
    return starts


def _claim(request: Request, record: Mapping[str, Any]) -> None:
    """Refuse a folder with another race; one in which nothing fitted may get more hours."""
    planned = (request.output / RACE).is_file()
    claim(
        request.output / RECORD,
        record,
        "a choice",
        "Choose another -o.",
        may_differ=lambda key, earlier, now: key == "hours" and not planned,
    )


def _record(request: Request, setting: Setting, arms: Mapping[str, Entry]) -> dict[str, Any]:
    """What a folder's race was asked for; where and on how many cores it runs may change."""
    return {
        "dataset": setting.dataset,
        "configuration": request.configuration,
        "plans": request.plans,
        "hours": request.hours,
        "arms": {name: entry.trainer for name, entry in arms.items()},
        "weights": {name: file_hash(entry.weights) for name, entry in arms.items() if entry.weights},
        "device": request.device,
        "seed": request.seed,
        "folds": list(setting.folds.indices),
        "labelled": list(setting.folds.labelled),
    }


def _planned(
    request: Request, setting: Setting, arms: Mapping[str, Entry], say: Callable[[str], object]
) -> tuple[Costs, Race]:
    """What the race costs, and how it was planned when it began."""
    path, known = request.output / "timing.yaml", request.output / RACE
    if not path.is_file():
        content = study_content(setting, arms, WANTED, 1, 0, "How long steps take")
        write_study(path, content, "Never run: a few steps of every training are timed.")
    started = time.monotonic()
    layout = plan_and_time(path)
    measured = costs(layout, request.jobs)
    if going_on := known.is_file():
        say(f"Going on with what is finished in {request.output}.")
    else:
        timing = time.monotonic() - started
        number, rungs = plan_race(measured, list(arms), request.hours * 3600 - timing)
        content = {"arms": list(arms)[:number], "rungs": [asdict(rung) for rung in rungs], "timing": timing}
        write_json(known, content)
    race = read_as(Race, known, f"Delete {request.output}, and start again.")
    left_out = [name for name in arms if name not in race.arms]
    if left_out:
        say(f"No room within {request.hours:g} h for {', '.join(left_out)}: left out.")
    hours = race_seconds(measured, race.arms, race.rungs) / 3600
    say(_plan_in_words(race.rungs) + ("." if going_on else f", {hours:.2g} h by a few timed steps."))
    return measured, race


def _plan_in_words(rungs: Sequence[Rung]) -> str:
    """The race before it is run, for the terminal."""
    told = [
        f"rung {k}, {rung.arms} arm(s) and {BASELINE}, {rung.steps} steps, {rung.draws} training(s) per inner fold"
        for k, rung in enumerate(rungs, start=1)
    ]
    return f"Planned: {'; '.join(told)}"


def _run(
    request: Request,
    setting: Setting,
    arms: Mapping[str, Entry],
    measured: Costs,
    race: Race,
    say: Callable[[str], object],
) -> dict[str, Any]:
    """Rung after rung; the last one decides."""
    names, spent, last = list(race.arms), race.timing, len(race.rungs)
    known, steps = measured, 0
    finished: list[dict[str, Any]] = []
    for k, planned in enumerate(race.rungs, start=1):
        path = request.output / f"rung_{k}.yaml"
        if not path.is_file():
            left = request.hours * 3600 - spent
            fitting = longest(known, names, race.rungs[-1].draws, left, done=k - 1)
            steps = max(steps, round(fitting * k / last)) if k > 1 else planned.steps
            content = study_content(setting, {n: arms[n] for n in names}, max(steps, 1), planned.draws, k, f"Rung {k}")
            write_study(path, content, f"Rung {k} of {last} of nnunet_uad choose.")
        content = read_yaml(path)
        names, steps = arms_of(content), content["fine_tuning"]["epochs"] * content["fine_tuning"]["iterations"]
        layout = run_study(path, request.cores, f"rung {k} of {last}: {described(names)}, {steps} steps")
        found = outcome(layout)
        seconds = found.seconds / request.jobs
        expected = known.rung(names, steps, planned.draws)
        known = known.slower(max(seconds / expected, 0.5))
        spent += seconds
        finished.append(_finished(k, steps, planned.draws, found, seconds))
        say(_in_words(finished[-1]))
        if k < last:
            names = keep({name: found.mean(name) for name in names}, race.rungs[k].arms)
    return _conclude(request, setting, arms, names[0], found, race, finished, spent)


def _finished(number: int, steps: int, draws: int, found: Outcome, seconds: float) -> dict[str, Any]:
    return {
        "rung": number,
        "steps": steps,
        "draws": draws,
        "dice": found.scores,
        "gains": found.gains,
        "seconds": round(seconds, 1),
    }


def _in_words(rung: Mapping[str, Any]) -> str:
    """A rung's gains for the terminal."""
    gains = {arm: sum(folds.values()) / len(folds) for arm, folds in rung["gains"].items() if folds}
    told = ", ".join(f"{arm} {gain:+.3f}" for arm, gain in gains.items())
    return f"Rung {rung['rung']} ({rung['steps']} steps, {rung['seconds'] / 60:.1f} min): {BASELINE} " + (
        f"{rung['dice'].get(BASELINE, float('nan')):.3f} Dice; {told}"
    )


def _conclude(
    request: Request,
    setting: Setting,
    arms: Mapping[str, Entry],
    name: str,
    found: Outcome,
    race: Race,
    finished: Sequence[Mapping[str, Any]],
    spent: float,
) -> dict[str, Any]:
    """Decide, write, tell."""
    entry, gains = arms[name], list(found.gains[name].values())
    if len(gains) < 2:
        raise RuntimeError(
            f"Dice is defined in {len(gains)} of {len(setting.folds.indices)} inner folds only: the other folds' cases "
            "have no foreground. Label cases that have some."
        )
    decision = decide(gains, len(race.arms))
    told = verdict(setting, name, entry, decision, int(finished[-1]["steps"]))
    content = {
        "verdict": told.sentence,
        "use": name if decision.use else None,
        "commands": list(told.commands),
        "tried": {"arm": name, "trainer": entry.trainer, "weights": entry.weights or None},
        "shorter_commands": list(told.shorter),
        "decision": asdict(decision),
        "rungs": list(finished),
        "seconds": round(spent, 1),
        **_record(request, setting, arms),
    }
    write_json(request.output / CHOICE, content)
    write_text(request.output / PAGE, page(told, list(_rows(finished)), spent, request.hours, setting))
    return content


def _rows(finished: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Rung, arm, steps, trainings, Dice, gain: a row per rung and arm, as text."""
    for rung in finished:
        for arm, dice in rung["dice"].items():
            folds = rung["gains"].get(arm, {})
            gain = f"{sum(folds.values()) / len(folds):+.3f}" if folds else ""
            number = rung["draws"] * max(len(f) for f in rung["gains"].values())
            yield str(rung["rung"]), arm, str(rung["steps"]), str(number), f"{dice:.3f}", gain
