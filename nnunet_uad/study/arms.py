"""What a study compares: trainings with labels, anomaly maps without, and both in one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from nnunet_uad.common.bounds import Seconds
from nnunet_uad.common.schema import Before, Matching, Word, nearest, shown
from nnunet_uad.methods import PRETRAINER_PREFIX

#: What trainers are written as.
TRAINER = r"[^\W\d]\w{0,199}"


@dataclass(frozen=True)
class JobSeconds:
    """How long jobs take, where somebody knows it: for ``budget_hours``.

    Attributes:
        pretrain: Seconds of a pretraining.
        train: Seconds of a training.
        test: Seconds of the tests of a cell.
        map: Seconds of the anomaly maps of an outer fold, of arms without labels.
    """

    pretrain: Seconds | None = None
    train: Seconds | None = None
    test: Seconds | None = None
    map: Seconds | None = None


@dataclass(frozen=True)
class Arm:
    """One way of using the labels.

    Attributes:
        trainer: Name of the trainer, without a suffix for its length; that of a pretrainer makes an arm without labels,
            which is scored by its anomaly maps. Empty for a ``screen``.
        settings: Further assignments of ``nnUNet_uad_settings`` for its fine-tuning; of an arm without labels the
            settings of the score, as ``nnunet_uad predict --score`` takes them.
        pretraining: Keys that differ from the study's ``pretraining``.
        seconds: Seconds of its jobs, where they differ from the study's ``seconds``.
        screen: Names of two arms instead of a trainer: one that learns from labels, whose segmentations it has, and one
            without, whose maps find what the first does not know.
        weights: File of pretrained weights that it starts from, instead of a pretraining of the study; relative to the
            study's file.
    """

    trainer: Annotated[str, Matching(rf"(?:{TRAINER})?", "the name of a trainer")] = ""
    settings: Word = ""
    pretraining: dict[str, Any] = field(default_factory=dict)
    seconds: JobSeconds = JobSeconds()
    screen: tuple[Word, Word] | None = None
    weights: Word = ""

    def __post_init__(self) -> None:
        if self.screen is None:
            if not self.trainer:
                raise ValueError("lacks trainer: its name, or screen: [ARM WITH LABELS, ARM WITHOUT].")
            return
        further = [key for key in ("trainer", "settings", "pretraining", "weights") if getattr(self, key)]
        if further:
            raise ValueError(
                f"screen trains nothing and goes without {', '.join(further)}: it has what the two arms have that it "
                "names."
            )
        without = [f.name for f in fields(JobSeconds) if f.name != "test" and getattr(self.seconds, f.name) is not None]
        if without:
            raise ValueError(f"seconds: a screen has a test only, and no {', '.join(without)}.")

    @property
    def label_free(self) -> bool:
        """Whether it is a pretrainer, which learns no segmentation and needs no label."""
        return self.trainer.startswith(PRETRAINER_PREFIX)

    @property
    def learns(self) -> bool:
        """Whether it is trained with labels."""
        return self.screen is None and not self.label_free


def _word_as_trainer(entry: Any) -> Any:
    # Nothing behind a name is an arm without a trainer, and refused as that.
    return {"trainer": entry} if isinstance(entry, str) else {} if entry is None else entry


#: An arm in a study's file: the name of its trainer, or the keys of an :class:`Arm`.
WrittenArm = Annotated[Arm, Before(_word_as_trainer)]


def screen_words(segments: str, maps: str) -> str:
    """What a screen is.

    Args:
        segments: Name of the arm whose segmentations it has.
        maps: Name of the arm whose maps it has.
    """
    return f"segmentations of {segments}, voxels ranked with the map of {maps}; nothing is trained"


def check_screens(arms: Mapping[str, Arm]) -> None:
    """Refuse screens of arms that are not there, or are of the wrong kind.

    Args:
        arms: Arms of the study by name.

    Raises:
        ValueError: Naming the arm, what was expected and what was found.
    """
    for name, arm in arms.items():
        if arm.screen is None:
            continue
        fitting = {
            "first an arm of this study that is trained with labels": [n for n, a in arms.items() if a.learns],
            "second an arm of this study without labels, a pretrainer": [n for n, a in arms.items() if a.label_free],
        }
        for (words, names), found in zip(fitting.items(), arm.screen, strict=True):
            if found not in names:
                known = f"({', '.join(names)})" if names else "(there is none: add one to trainers)"
                hint = "" if found in arms else nearest(found, names)
                raise ValueError(f"trainers: {name}: screen expects {words} {known}, found {shown(found)}.{hint}")
