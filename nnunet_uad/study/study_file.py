"""``study.yaml``: what is compared, with how many labels, on what."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_uad.common.schema import build, convert, refuse_unknown

STAGES = ("preprocess", "pretrain", "train", "test")


@dataclass(frozen=True)
class Budget:
    """A number of labels: cases, slices, or everything.

    Attributes:
        text: ``4s`` (slices), ``3`` (cases) or ``all``.
    """

    text: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[1-9]\d*s?|all", self.text):
            raise ValueError(f"A budget is a number of cases (3), of slices (16s) or all, found {self.text!r}.")

    @property
    def in_slices(self) -> bool:
        """Counted in slices rather than cases."""
        return self.text.endswith("s")

    @property
    def count(self) -> int | None:
        """Of cases or slices; ``None`` for all."""
        return None if self.text == "all" else int(self.text.removesuffix("s"))

    @property
    def words(self) -> str:
        """``4 slices``, ``1 case``, ``all cases``."""
        noun = "slice" if self.in_slices else "case"
        return f"{self.count or 'all'} {noun}{'' if self.count == 1 else 's'}"


@dataclass(frozen=True)
class Length:
    """How long a training takes and how it is tuned.

    Attributes:
        epochs: nnU-Net's own number if not given.
        iterations: per epoch; nnU-Net's own number if not given.
        settings: ``nnUNet_uad_settings`` of the training.
    """

    epochs: int | None = None
    iterations: int | None = None
    settings: str = ""

    def __post_init__(self) -> None:
        if self.iterations is not None and self.epochs is None:
            raise ValueError("iterations are those of an epoch: say how many epochs, too.")
        if any(n is not None and n < 1 for n in (self.epochs, self.iterations)):
            raise ValueError(f"epochs and iterations expect positive numbers, found {self.epochs}, {self.iterations}.")

    @property
    def suffix(self) -> str:
        """Of the trainer's name."""
        epochs = f"_{self.epochs}epochs" if self.epochs else ""
        return epochs + (f"_{self.iterations}iters" if self.iterations else "")


@dataclass(frozen=True)
class Pretraining(Length):
    """Stage one.

    Attributes:
        settings: ``sampling=anywhere`` unless said otherwise: choosing healthy patches looks at the labels of all
            training cases, which a study of few labels does not have.
        dataset: preprocessed dataset to pretrain on (unlabelled cases, for example); the study's own if not given.
            Its fold of the same number is taken.
    """

    settings: str = "sampling=anywhere"
    dataset: str | None = None


@dataclass(frozen=True)
class Arm:
    """One way of using the labels.

    Attributes:
        trainer: name of the trainer, without a suffix for its length.
        settings: further ``nnUNet_uad_settings`` of its fine-tuning.
        pretraining: what differs from the study's ``pretraining``.
    """

    trainer: str
    settings: str = ""
    pretraining: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SmallPlan:
    """A configuration that is added to the plans (``nnunet_uad small-plan``) under the study's ``configuration``.

    Attributes:
        base: configuration to inherit from.
        spacing: mm.
        patch: voxels.
        features: channels per stage.
        batch: patches per step.
    """

    base: str
    spacing: tuple[float, ...]
    patch: tuple[int, ...]
    features: tuple[int, ...]
    batch: int


@dataclass(frozen=True)
class Resources:
    """What a job asks of a cluster.

    Attributes:
        threads: CPU cores.
        mem_mb: memory, MiB.
        runtime: minutes.
        gpu: number of GPUs; 0 where the device is not cuda.
    """

    threads: int = 8
    mem_mb: int = 32000
    runtime: int = 1440
    gpu: int = 1


@dataclass(frozen=True)
class Study:
    """Everything that ``study.yaml`` may say.

    Attributes:
        dataset: labelled dataset, number or name.
        configuration: of the plans.
        budgets: of labels.
        trainers: name of the arm → trainer; the first arm is the baseline.
        plans: name of the plans.
        folds: outer folds of ``splits_final.json``, whose validation cases are the test cases; ``all``: every one.
        draws: how often the labelled cases are drawn anew, per outer fold and budget.
        seed: of everything that is drawn.
        slice_cases: over how many cases the slices of a slice budget are spread.
        test: further labelled datasets in nnUNet_raw, predicted with every model.
        pretraining: stage one.
        fine_tuning: stage two.
        small_plan: configuration to add to the plans.
        device: ``cuda``, ``cpu`` or ``mps``.
        mirroring: test-time mirroring, of the scored predictions and in the validation that ends a training.
        processes: nnU-Net's background processes per job (``nnUNet_def_n_proc``, ``nnUNet_n_proc_DA``).
        retries: how often a failed job is tried again.
        resources: by stage: ``preprocess``, ``pretrain``, ``train``, ``test``.
        title: of the report.
        output: folder; beside the YAML and named like it if not given.
    """

    dataset: str
    configuration: str
    budgets: tuple[str, ...]
    trainers: dict[str, Any]
    plans: str = "nnUNetPlans"
    folds: tuple[str, ...] = ("all",)
    draws: int = 3
    seed: int = 0
    slice_cases: int = 1
    test: tuple[str, ...] = ()
    pretraining: Pretraining = Pretraining()
    fine_tuning: Length = Length()
    small_plan: SmallPlan | None = None
    device: str = "cuda"
    mirroring: bool = True
    processes: int | None = None
    retries: int = 0
    resources: dict[str, Resources] = field(default_factory=dict)
    title: str = ""
    output: str = ""

    def __post_init__(self) -> None:
        for budget in self.budgets:
            Budget(budget)
        for name, values in {"budgets": self.budgets, "folds": self.folds, "test": self.test}.items():
            twice = sorted({v for v in values if list(values).count(v) > 1})
            if twice:
                raise ValueError(f"{name} lists {', '.join(twice)} twice.")
        if not self.budgets or not self.trainers:
            raise ValueError("budgets and trainers expect at least one entry each.")
        if self.draws < 1 or self.slice_cases < 1:
            raise ValueError("draws and slice_cases expect positive numbers.")
        if self.device not in ("cuda", "cpu", "mps"):
            raise ValueError(f"device expects cuda, cpu or mps, found {self.device!r}.")
        refuse_unknown(self.resources, STAGES, "resources")
        wrong = [f for f in self.folds if f != "all" and not f.isdigit()]
        if wrong:
            raise ValueError(f"folds expects numbers or all, found {', '.join(wrong)}.")
        slugs = [slug(name) for name in self.trainers]
        twice = sorted({s for s in slugs if slugs.count(s) > 1})
        if twice:
            raise ValueError(f"Two trainers' names give the same folder name {', '.join(twice)}; rename one.")

    @property
    def arms(self) -> dict[str, Arm]:
        """Name → arm, with what stands in ``trainers`` as a word or a mapping."""
        return {name: convert(Arm, _as_mapping(entry), f"trainers: {name}") for name, entry in self.trainers.items()}

    @property
    def baseline(self) -> str:
        """The arm that all others are compared with."""
        return next(iter(self.trainers))

    def pretraining_of(self, arm: Arm) -> Pretraining:
        """The study's pretraining with what the arm changes."""
        common = dataclasses.asdict(self.pretraining)
        return build(Pretraining, {**common, **arm.pretraining}, "pretraining")

    def resources_of(self, stage: str) -> Resources:
        """What a job of that stage asks for; a GPU only for cuda and only where networks run."""
        found = self.resources.get(stage, Resources())
        return found if self.device == "cuda" and stage != "preprocess" else dataclasses.replace(found, gpu=0)


def _as_mapping(entry: Any) -> Any:
    return {"trainer": entry} if isinstance(entry, str) else entry


def slug(name: str) -> str:
    """A name as part of a path: letters, digits and single underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "_"


def read_study(path: Path) -> Study:
    """Read ``study.yaml``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no YAML, unknown or missing keys, wrong values.
    """
    import yaml

    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Write one: nnunet_uad study example > {path}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    try:
        study = build(Study, content, path.name)
        for arm in study.arms.values():
            study.pretraining_of(arm)
    except ValueError as error:
        raise ValueError(str(error) if path.name in str(error) else f"{path.name}: {error}") from error
    return study


def output_folder(path: Path, study: Study) -> Path:
    """Where a study lives: its ``output``, relative to the YAML, else a folder beside it of the same name."""
    return (path.parent / (study.output or path.stem)).resolve()
