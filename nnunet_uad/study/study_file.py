"""``study.yaml``: what is compared, with how many labels, on what."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from nnunet_uad.common import nnunet
from nnunet_uad.common.bounds import Bounds
from nnunet_uad.common.schema import EMPTY_IS_DEFAULT, ONE_OR_MORE, Word, build, refuse_unknown, shown
from nnunet_uad.common.slugs import slug
from nnunet_uad.common.yaml_files import read_yaml
from nnunet_uad.study.arms import Arm, JobSeconds, WrittenArm, check_screens
from nnunet_uad.study.labelled import Budget, Cases
from nnunet_uad.study.sections import DatasetName, FileName, Length, Pretraining, Resources, SmallPlan
from nnunet_uad.training.cascade import first_stages, is_second_stage

_LONGEST_NAME = 100
#: Name of the only outer fold of a study that names its test cases.
POOL = "pool"
_CONTRADICTION = (
    "folds and test_cases contradict each other: test cases are those of outer folds, or named. Remove one."
)

STAGES = ("preprocess", "pretrain", "train", "test", "map")


@dataclass(frozen=True)
class Study:
    """Everything that ``study.yaml`` may say.

    Attributes:
        dataset: Labelled dataset, number or name.
        configuration: Name of the configuration in the plans.
        trainers: Name of the arm → trainer; the first one that learns from labels is the baseline.
        budgets: Numbers of labels, see :class:`Budget`; none if no arm needs labels.
        plans: Name of the plans.
        folds: Outer folds of ``splits_final.json``, whose validation cases are the test cases; ``all``: every one.
        test_cases: Test cases, instead of outer folds.
        pool: Cases that may be labelled and pretrained on, where ``test_cases`` are named; all others if not given.
        draws: Number of times that the labelled cases are drawn anew, per outer fold and budget.
        seed: Seed of everything that is drawn.
        slice_cases: Number of cases that the slices of a slice budget are spread over.
        test: Further labelled datasets in nnUNet_raw, predicted with every model.
        pretraining: Length and settings of stage one.
        fine_tuning: Length and settings of stage two.
        budget_hours: Hours of computing that all jobs together may take; draws, then trainers are cut to fit.
        seconds: Seconds of a job, where they are known; measured if not given.
        small_plan: Configuration to add to the plans.
        device: ``cuda``, ``cpu`` or ``mps``.
        mirroring: Test-time mirroring of the scored predictions and in the validation that ends a training.
        processes: Number of nnU-Net's background processes per job (``nnUNet_def_n_proc``, ``nnUNet_n_proc_DA``).
        retries: Number of times that a failed job is tried again.
        resources: Stage (``preprocess``, ``pretrain``, ``train``, ``test``) → what its jobs ask for.
        title: Title of the report.
        output: Folder; beside the YAML and named like it if not given.
    """

    dataset: DatasetName
    configuration: FileName
    trainers: dict[str, WrittenArm]
    budgets: Annotated[tuple[Word, ...], ONE_OR_MORE] = ()
    plans: FileName = "nnUNetPlans"
    folds: Annotated[tuple[Word, ...], ONE_OR_MORE] = ("all",)
    test_cases: Cases | None = None
    pool: Cases | None = None
    draws: Annotated[int, Bounds(1, 1000)] = 3
    seed: Annotated[int, Bounds(0, 2**31 - 1)] = 0
    slice_cases: Annotated[int, Bounds(1, 10**6)] = 1
    test: Annotated[tuple[DatasetName, ...], ONE_OR_MORE] = ()
    pretraining: Annotated[Pretraining, EMPTY_IS_DEFAULT] = Pretraining()
    fine_tuning: Annotated[Length, EMPTY_IS_DEFAULT] = Length()
    budget_hours: Annotated[float, Bounds(0, 10**6, without_low=True)] | None = None
    seconds: Annotated[JobSeconds, EMPTY_IS_DEFAULT] = field(default_factory=JobSeconds)
    small_plan: SmallPlan | None = None
    device: Word = "cuda"
    mirroring: bool = True
    processes: Annotated[int, Bounds(0, 1000)] | None = None
    retries: Annotated[int, Bounds(0, 100)] = 0
    resources: dict[str, Annotated[Resources, EMPTY_IS_DEFAULT]] = field(default_factory=dict)
    title: Word = ""
    output: Word = ""

    def __post_init__(self) -> None:
        for budget in self.budgets:
            Budget(budget)
        for name, values in {"budgets": self.budgets, "folds": self.folds, "test": self.test}.items():
            twice = sorted({v for v in values if list(values).count(v) > 1})
            if twice:
                raise ValueError(f"{name} lists {', '.join(twice)} twice.")
        check_screens(self.trainers)
        if not self.trainers or bool(self.arms) != bool(self.budgets):
            raise ValueError(
                "budgets and trainers expect at least one entry each; only a study whose trainers are all pretrainers, "
                "which are scored by their maps, has no budgets."
            )
        if self.device not in ("cuda", "cpu", "mps"):
            raise ValueError(f"device expects cuda, cpu or mps, found {self.device!r}.")
        refuse_unknown(self.resources, STAGES, "resources")
        wrong = [f for f in self.folds if not re.fullmatch("all|[0-9]{1,6}", f)]
        if wrong:
            raise ValueError(f"folds expects numbers or all, found {', '.join(wrong)}.")
        if self.test_cases and self.folds != ("all",):
            raise ValueError(_CONTRADICTION)
        if self.pool and not self.test_cases:
            raise ValueError("pool goes with test_cases: say which cases are tested, too.")
        for name in self.trainers:
            if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
                raise ValueError(f"trainers expects names of 1 to {_LONGEST_NAME} letters, found {shown(name)}.")
        # Some file systems know no difference between large and small letters.
        slugs = [slug(name).casefold() for name in self.trainers]
        twice = sorted({s for s in slugs if slugs.count(s) > 1})
        if twice:
            raise ValueError(f"Two trainers' names give the same folder name {', '.join(twice)}; rename one.")

    @property
    def arms(self) -> dict[str, Arm]:
        """Name → arm, of those that segment; the trained ones first, then the screens that are made of them."""
        trained = {name: arm for name, arm in self.trainers.items() if arm.learns}
        return trained | {name: arm for name, arm in self.trainers.items() if arm.screen}

    @property
    def label_free(self) -> dict[str, Arm]:
        """Name → arm, of those that are scored by their anomaly maps."""
        return {name: arm for name, arm in self.trainers.items() if arm.label_free}

    @property
    def baseline(self) -> str:
        """The arm that all others are compared with; empty if none learns from labels."""
        return next(iter(self.arms), "")

    def seconds_of(self, arm: str, stage: str) -> float | None:
        """Seconds of a job that the study's file states.

        Args:
            arm: Name of the arm.
            stage: Stage of the job.
        """
        own = getattr(self.trainers[arm].seconds, stage)
        return getattr(self.seconds, stage) if own is None else own

    def reduced(self, draws: int, without: Collection[str]) -> Study:
        """The study with fewer draws and arms.

        Args:
            draws: Number of draws.
            without: Names of the arms that are left out.
        """
        kept = {name: arm for name, arm in self.trainers.items() if name not in without}
        return dataclasses.replace(self, draws=draws, trainers=kept)

    def outer_name(self, number: str | int) -> str:
        """``fold0``, or ``pool`` where the test cases are named: the beginning of a fold's name.

        Args:
            number: Index of the outer fold.
        """
        return POOL if self.test_cases else f"fold{number}"

    def pretraining_of(self, arm: Arm) -> Pretraining:
        """The study's pretraining with what the arm changes."""
        common = dataclasses.asdict(self.pretraining)
        return build(Pretraining, {**common, **arm.pretraining}, "pretraining")

    def resources_of(self, stage: str) -> Resources:
        """What a job of that stage asks for; a GPU only for cuda and only where networks run."""
        wanted = self.resources.get(stage, Resources())
        return wanted if self.device == "cuda" and stage != "preprocess" else dataclasses.replace(wanted, gpu=0)


def read_study(path: Path) -> Study:
    """Read ``study.yaml``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no YAML, unknown or missing keys, wrong values.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Write one: nnunet_uad study example > {path}")
    content = read_yaml(path)
    try:
        study = _with_files(build(Study, content, path.name), path.parent)
        if study.test_cases and "folds" in content:
            raise ValueError(_CONTRADICTION)
        for name, arm in study.trainers.items():
            if study.pretraining_of(arm).dataset != study.pretraining.dataset:
                raise ValueError(
                    f"trainers: {name}: pretraining: dataset is the study's, the same for all trainers. Write it under "
                    "pretraining, and say by cases who of it is pretrained on."
                )
    except ValueError as error:
        raise ValueError(str(error) if path.name in str(error) else f"{path.name}: {error}") from error
    return study


def _with_files(study: Study, folder: Path) -> Study:
    """The study with whole paths of its weights: jobs run elsewhere."""
    arms = {
        name: dataclasses.replace(arm, weights=str((folder / arm.weights).resolve())) if arm.weights else arm
        for name, arm in study.trainers.items()
    }
    return dataclasses.replace(study, trainers=arms)


def require_configuration(configurations: Mapping[str, Any], folder: Path, study: Study) -> None:
    """Refuse plans without the study's configuration.

    Args:
        configurations: Configurations of the plans, by name.
        folder: Folder of the dataset in nnUNet_preprocessed.
        study: Settings of the study.

    Raises:
        ValueError: The configuration is none of them, or the second stage of a cascade; names those that are possible.
    """
    hint = " Say in the study how to make it (small_plan), or choose one."
    nnunet.require_configuration(f"{study.plans} of {folder.name}", configurations, study.configuration, hint)
    plans = {"configurations": configurations}
    if is_second_stage(plans, study.configuration):
        raise ValueError(
            f"{study.configuration} is the second stage of a cascade: it reads what another configuration has "
            f"predicted. A study trains one; choose one of: {', '.join(first_stages(plans, study.configuration))}."
        )


def output_folder(path: Path, study: Study) -> Path:
    """Where a study lives: its ``output``, relative to the YAML, else a folder beside it of the same name."""
    return (path.parent / (study.output or path.stem)).resolve()
