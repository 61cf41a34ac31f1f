"""A low-label study: plan it, run it on this machine or a cluster, look where it stands.

  plan     append a fold per label budget behind those of splits_final.json and write study.json
  run      preprocess, pretrain, train and test everything that is not finished yet (Snakemake)
  status   what is finished, what failed, where the logs are
  remove   take the folds of a plan back; trainings and scores stay
  example  print a small study to start from
  schema   print the JSON Schema of such a file, by which editors check it while it is written

What follows --snakemake is handed to it. Extra: pip install 'nnunet_uad[study]'

Examples:
    nnunet_uad study example > study.yaml
    nnunet_uad study plan study.yaml
    nnunet_uad study run study.yaml --cores 2
    nnunet_uad study run study.yaml --profile slurm --snakemake --default-resources slurm_partition=gpu
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_uad.cli.common import number
from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.devices import require_device
from nnunet_uad.common.nnunet import dataset_folder, required_folder
from nnunet_uad.study.layout import Layout
from nnunet_uad.study.study_file import Study

EXAMPLE = Path(__file__).resolve().parent.parent / "study" / "example.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("action", choices=("plan", "run", "status", "remove", "example", "schema"))
    add("study", type=Path, nargs="?", metavar="STUDY.yaml")
    add("--cores", type=number(int, Bounds(1, 10**5)), metavar="N", help="run: cores of this machine (default: all)")
    add("--profile", metavar="NAME", help="run: slurm, lsf, kubernetes, or a profile of Snakemake's")
    add("--cold", action="store_true", help="run: every job imports PyTorch for itself (what runs is the same)")
    add("--dry-run", action="store_true", help="run: list the jobs, do nothing")
    add("--snakemake", nargs=argparse.REMAINDER, default=[], metavar="ARGUMENT", help="run: the rest is Snakemake's")


def run(arguments: argparse.Namespace) -> int:
    """Dispatch; exit status 1 if a study is not finished."""
    if arguments.action == "example":
        print(EXAMPLE.read_text(encoding="utf-8"), end="")
        return 0
    if arguments.action == "schema":
        from nnunet_uad.common.json_schema import json_schema

        print(json.dumps(json_schema(Study), indent=2))
        return 0
    if arguments.study is None:
        raise ValueError(f"Name the study's file: nnunet_uad study {arguments.action} STUDY.yaml")
    return {"plan": _plan, "run": _run, "status": _status, "remove": _remove}[arguments.action](arguments)


def _plan(arguments: argparse.Namespace) -> int:
    layout, study = _open(arguments.study)
    layout, plan = _make_plan_that_fits(layout, study)
    print(f"{layout.folder / 'study.json'}: {len(layout.cells)} cells, {len(plan['pretrainings'])} pretrainings.")
    for line in _outer_lines(layout.study, plan):
        print(f"  {line}")
    for fold in plan["folds"]:
        cases = ", ".join(fold["train"][:3]) + (f" and {len(fold['train']) - 3} more" if len(fold["train"]) > 3 else "")
        print(f"  fold {fold['index']} of {fold['dataset']}: {fold['id']}: {cases}")
    run_it = f"nnunet_uad study run {shlex.quote(str(arguments.study))}"
    print(f"To take these folds back: nnunet_uad study remove {shlex.quote(str(arguments.study))}")
    print(f"Run it: {run_it}")
    for fold in plan["folds"][:1]:
        by_hand = f"nnUNetv2_train {fold['dataset']} {layout.study.configuration} {fold['index']} -tr TRAINER"
        print(f"Or a cell by hand, with any trainer: {by_hand} -p {layout.study.plans}")
    return 0


def _outer_lines(study: Study, plan: dict[str, Any]) -> Iterator[str]:
    """Which cases are tested, and which are learnt from: of what the study's file describes in few words."""
    from nnunet_uad.study.arms import screen_words
    from nnunet_uad.study.planning.cases import in_words

    if study.test_cases:
        by = study.test_cases.by or (study.pool.by if study.pool else "")
        ((number, split),) = plan["outer"].items()
        test, pool = in_words(split["val"], by), in_words(split["train"], by)
        yield f"fold {number} of {plan['dataset']}: tested on {test} cases, labels of {pool}"
    for identifier, entry in plan["pretrainings"].items():
        split = plan["pins"][entry["dataset"]]["splits"][str(entry["fold"])]
        yield f"pretraining {identifier}: fold {entry['fold']} of {entry['dataset']}, {len(split['train'])} cases"
    for name, arm in study.arms.items():
        if arm.screen:
            yield f"{name}: {screen_words(*arm.screen)}"


def _open(path: Path) -> tuple[Layout, Study]:
    """Read the study; before its first plan, write down what was asked for, for the job that preprocesses."""
    from nnunet_uad.study.planning.plan import write_request
    from nnunet_uad.study.study_file import output_folder, read_study

    study = read_study(path)
    layout = Layout(output_folder(path, study))
    if not layout.planned:
        write_request(layout, study, _paths())
    return layout, study


def _paths() -> dict[str, str]:
    return {name: str(required_folder(name).resolve()) for name in ("nnUNet_raw", "nnUNet_preprocessed")}


def _make_plan(layout: Layout, study: Study, cut: dict[str, Any] | None = None) -> tuple[Layout, dict[str, Any]]:
    """Plan; what was asked for replaces the earlier request only if the plan is not refused."""
    from nnunet_uad.study.planning.plan import plan_study, write_request

    source = dataset_folder("nnUNet_preprocessed", study.dataset)
    other = study.pretraining.dataset
    pretraining = dataset_folder("nnUNet_preprocessed", other) if other else source
    plan = plan_study(study, layout, required_folder("nnUNet_raw"), source, pretraining, cut=cut)
    write_request(layout, study, _paths())
    return Layout(layout.folder), plan


def _make_plan_that_fits(
    layout: Layout, study: Study, measure: Callable[[], int] | None = None
) -> tuple[Layout, dict[str, Any]]:
    """Plan; with ``budget_hours`` what fits, as it was decided before or as it is estimated now.

    Args:
        layout: Folder of the study.
        study: Settings of the study.
        measure: Function that times steps, if nobody knows how long jobs take, and returns an exit status.
    """
    from nnunet_uad.study.planning.hours import (
        Estimates,
        cut_words,
        decide_cut,
        estimated_hours,
        known_cut,
        table_lines,
    )

    if study.budget_hours is None:
        return _make_plan(layout, study)
    if cut := known_cut(layout, study):
        print(f"budget_hours: {cut_words(cut)}")
        return _make_plan(layout, study, cut)
    # All that is asked for gets its folds, so that what is cut now can be added later.
    layout, plan = _make_plan(layout, study)
    estimates = Estimates(layout, study)
    hours = estimated_hours(estimates)
    if estimates.unknown and measure is not None:
        print("budget_hours: a few steps of every training are timed, to see what fits.", flush=True)
        if measure():
            raise RuntimeError(f"Steps could not be timed; the log is {layout.log('time', 'steps')}.")
        estimates = Estimates(layout, study)
        hours = estimated_hours(estimates)
    if estimates.unknown:
        unknown = ", ".join(sorted(estimates.unknown))
        print(
            f"budget_hours: nobody knows yet how long these take: {unknown}. nnunet_uad study run times them before "
            "it decides what fits; or say it in the study's file (seconds)."
        )
        return layout, plan
    cut = decide_cut(study, hours, sorted(estimates.origins))
    print("\n".join(f"  {line}" for line in table_lines(study, hours, cut)), flush=True)
    return _make_plan(layout, study, cut)


def _run(arguments: argparse.Namespace) -> int:
    from nnunet_uad.study.running.run import (
        check_profile,
        check_snakemake,
        drop_stale_markers,
        only_run,
        run_snakemake,
        snakemake_command,
        summary,
    )
    from nnunet_uad.study.running.warm import warm_processes

    check_snakemake()
    check_profile(arguments.profile)
    layout, study = _open(arguments.study)
    if arguments.dry_run and layout.planned and study != layout.study:
        print(f"{arguments.study} was changed since it was planned; listed are the jobs of the plan as it is. Plan it")
        print(f"anew to see the others: nnunet_uad study plan {shlex.quote(str(arguments.study))}")
    if arguments.profile is None and not arguments.dry_run:
        # Otherwise the jobs run elsewhere.
        require_device(study.device, f"Write device: cpu into {arguments.study}")
    command = snakemake_command(layout, arguments.cores, arguments.profile, arguments.dry_run, arguments.snakemake)
    share_gpus = arguments.profile is None and study.device == "cuda"
    # Jobs of a cluster start on other machines; with GPUs nobody has tried it.
    warm = arguments.profile is None and study.device == "cpu" and not (arguments.dry_run or arguments.cold)
    with only_run(layout), warm_processes(warm):
        if not _prepared(layout, study):
            # What the folds are is known when the data are there: the workflow first makes them, then the rest.
            (layout.folder / layout.marker("preprocess", "data")).unlink(missing_ok=True)
            status = run_snakemake([*command, "done/preprocess/data"], share_gpus)
            if status or arguments.dry_run:
                return status
        if arguments.dry_run and not layout.planned:
            raise RuntimeError(f"A dry run changes nothing; plan first: nnunet_uad study plan {arguments.study}")
        if not arguments.dry_run:
            layout, _ = _make_plan_that_fits(layout, study, partial(_time_steps, layout, command, share_gpus))
            drop_stale_markers(layout)
        status = run_snakemake(command, share_gpus)
    if arguments.dry_run:
        return status
    text, complete = summary(Layout(layout.folder))
    print(text)
    if complete:
        print(f"Report: nnunet_uad report {shlex.quote(str(arguments.study))} -o report")
    return 0 if complete and not status else 1


def _time_steps(layout: Layout, command: list[str], share_gpus: bool) -> int:
    """The workflow's job that times steps; its exit status."""
    from nnunet_uad.study.running.run import run_snakemake

    marker = layout.marker("time", "steps")
    (layout.folder / marker).unlink(missing_ok=True)
    return run_snakemake([*command, str(marker)], share_gpus)


def _prepared(layout: Layout, study: Study) -> bool:
    from nnunet_uad.study.running.preparation import is_prepared

    try:
        folder = dataset_folder("nnUNet_preprocessed", study.dataset)
    except ValueError:
        return False
    return is_prepared(folder, study, layout.folder)


def _remove(arguments: argparse.Namespace) -> int:
    from nnunet_uad.study.planning.removal import remove_plan
    from nnunet_uad.study.running.run import only_run
    from nnunet_uad.study.study_file import output_folder, read_study

    layout = Layout(output_folder(arguments.study, read_study(arguments.study)))
    if not layout.planned:
        raise RuntimeError(f"This study is not planned, so there is nothing to remove: {arguments.study}")
    with only_run(layout):
        remove_plan(layout, required_folder("nnUNet_preprocessed"))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from nnunet_uad.study.running.run import summary
    from nnunet_uad.study.study_file import output_folder, read_study

    layout = Layout(output_folder(arguments.study, read_study(arguments.study)))
    if not layout.planned:
        raise RuntimeError(f"This study is not planned yet: nnunet_uad study plan {arguments.study}")
    text, complete = summary(layout)
    print(text)
    return 0 if complete else 1
