"""What races against training from scratch: ways of pretraining by default, those that are named, files of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.nnunet import dataset_folder
from nnunet_uad.common.nnunet_files import load_dataset_json, load_plans
from nnunet_uad.common.schema import nearest, shown
from nnunet_uad.methods import FINE_TUNED, TRAINER_PREFIX, TRAINERS
from nnunet_uad.weights.leakage import Overlap, compared_by_name, unknown_bases, unknown_cases
from nnunet_uad.weights.record import PretrainRecord

BASELINE, BASELINE_TRAINER = "scratch", "nnUNetTrainerFromScratch"
#: The most promising first, by docs/results; the last ones are left out where labels or hours are few.
DEFAULTS = {
    "DAE + lesion bank": "nnUNetTrainerDAEPretrainedLesionBank",
    "DAE": "nnUNetTrainerDAEPretrained",
    "lesion bank": "nnUNetTrainerLesionBank",
    "Models Genesis": "nnUNetTrainerGenesisPretrained",
    "MAE": "nnUNetTrainerMAEPretrained",
}
#: For weights of others, whose method none of our trainers is named after.
ANY_WEIGHTS = "nnUNetTrainerMAEPretrained"


@dataclass(frozen=True)
class Entry:
    """An arm of the race.

    Attributes:
        trainer: Name of the trainer.
        weights: File of pretrained weights, whole path; empty where the arm pretrains, or needs no pretraining.
    """

    trainer: str
    weights: str = ""

    @property
    def stage_one(self) -> dict[str, str]:
        """What it needs (``weights``, ``restorer``) → pretrainer that runs before it."""
        use = TRAINERS.get(self.trainer)
        needs = use.needs if use else {}
        return {kind: pretrainer for kind, pretrainer in needs.items() if not (self.weights and kind == "weights")}

    @property
    def pretrainers(self) -> list[str]:
        """Names of the pretrainers that run before it."""
        return list(self.stage_one.values())


def most_arms(labelled: int) -> int:
    """How many of the default arms enter: with few labels each further one makes the test harder (docs/choose.md).

    Args:
        labelled: Number of labelled cases.

    Example:
        >>> most_arms(2), most_arms(10)
        (1, 5)
    """
    return min(max(labelled - 1, 1), len(DEFAULTS))


def entries(named: Sequence[str], weights: Mapping[str, str], labelled: int) -> dict[str, Entry]:
    """Name → arm, without the baseline; files of weights first.

    Args:
        named: Arms as ``NAME=TRAINER``; the default ones if there are none.
        weights: File of weights → trainer that starts from it.
        labelled: Number of labelled cases.

    Raises:
        ValueError: No such trainer, no name, or a name twice.
    """
    found = {
        f"weights {k}" if len(weights) > 1 else "weights": Entry(trainer, file)
        for k, (file, trainer) in enumerate(weights.items(), start=1)
    }
    for text in named:
        name, _, trainer = text.partition("=")
        if not name or not trainer or name in (*found, BASELINE):
            raise ValueError(
                f"--arms expects NAME=TRAINER, every name once and none called {BASELINE}, found {shown(text)}. For "
                "example: --arms DAE=nnUNetTrainerDAEPretrained"
            )
        if trainer not in TRAINERS:
            hint = nearest(trainer, list(TRAINERS))
            raise ValueError(f"--arms: {shown(trainer)} is none of the trainers that fine-tune here.{hint}")
        found[name] = Entry(trainer)
    if not named:
        found |= {name: Entry(DEFAULTS[name]) for name in list(DEFAULTS)[: most_arms(labelled)]}
    return found


def trainer_for(file: Path, dataset: str, configuration: str, plans_name: str) -> tuple[str, list[str]]:
    """The trainer that starts from a file of weights, once it is known that they suit the network.

    Args:
        file: File of weights: ours, nnU-Net's, or nnssl's.
        dataset: Full name of the dataset, or its number.
        configuration: Name of the configuration.
        plans_name: Name of the plans.

    Returns:
        Name of the trainer, and warnings.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file cannot be read, or its weights do not suit.
    """
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    from nnunet_uad.weights.readers import read_weights
    from nnunet_uad.weights.suitability import TransferTarget, check_suits

    folder = dataset_folder("nnUNet_preprocessed", dataset)
    hint = f"Make it: nnUNetv2_plan_and_preprocess -d {dataset}"
    plans = PlansManager(load_plans(folder / f"{plans_name}.json", hint))
    dataset_json = load_dataset_json(folder / "dataset.json", hint)
    target = TransferTarget.from_plans(plans, configuration, dataset_json)
    source = read_weights(file)
    method = source.record.method if source.record else None
    if method is not None and method not in FINE_TUNED:
        raise ValueError(
            f"--weights {file}: the method {method} is no start for fine-tuning; those are {', '.join(FINE_TUNED)}."
        )
    warnings = [*check_suits(source, target, method), *_unknown(str(file), source.record)]
    return (f"{TRAINER_PREFIX}{method}Pretrained" if method else ANY_WEIGHTS), warnings


def refuse_seen(arms: Mapping[str, Entry], dataset: str, contents: Mapping[str, Sequence[str]]) -> None:
    """Refuse weights that have seen labelled cases: they would be tested on what they know.

    Args:
        arms: Name → arm, without the baseline.
        dataset: Full name of the dataset.
        contents: Labelled case → fingerprints of its images.

    Raises:
        ValueError: Some weights have; says which cases.
    """
    from nnunet_uad.weights.readers import read_weights

    for entry in arms.values():
        record = read_weights(entry.weights).record if entry.weights else None
        if record is None:
            continue
        if overlap := Overlap.of([record], contents, same_dataset=record.dataset == dataset):
            raise ValueError(
                overlap.finding(
                    entry.weights,
                    "Its gain on them would say nothing. Leave the file out (the same method among the arms pretrains "
                    "without them), or take weights that never saw them.",
                    "labelled case(s)",
                )
            )


def _unknown(file: str, record: PretrainRecord | None) -> list[str]:
    """What cannot be known of the cases that weights, or what they went on from, have seen."""
    consequence = "its gain is too good"
    if record is None:
        return [unknown_cases(file, consequence)]
    by_name = [] if all(seen.contents for seen in record.lineage) else [compared_by_name(file)]
    return [*unknown_bases([record], consequence), *by_name]
