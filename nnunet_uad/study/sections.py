"""The sections of a study's file: lengths of both stages, a small configuration, what jobs ask of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from nnunet_uad.common import nnunet
from nnunet_uad.common.bounds import BatchSize, Bounds, PatchSize, VoxelSize, Width
from nnunet_uad.common.schema import ONE_OR_MORE, Matching, Word
from nnunet_uad.study.labelled import Cases

#: Names that become parts of paths, or of patterns of paths.
DatasetName = Annotated[Word, Matching(nnunet.DATASET, "the number or name of a dataset")]
FileName = Annotated[
    Word,
    Matching(
        nnunet.FOLDER_NAME, "a name of at most 100 letters without / or __, that begins with none of . - and space"
    ),
]

#: nnU-Net's own length.
EPOCHS, ITERATIONS = 1000, 250


@dataclass(frozen=True)
class Length:
    """How long a training takes and how it is tuned.

    Attributes:
        epochs: Number of epochs; nnU-Net's own if not given.
        iterations: Training steps per epoch; nnU-Net's own number if not given.
        settings: Assignments of ``nnUNet_uad_settings`` for the training.
    """

    epochs: Annotated[int, Bounds(1, 10**6)] | None = None
    iterations: Annotated[int, Bounds(1, 10**6)] | None = None
    settings: Word = ""

    def __post_init__(self) -> None:
        if self.iterations is not None and self.epochs is None:
            raise ValueError("iterations are those of an epoch: say how many epochs, too.")

    @property
    def steps(self) -> int:
        """Number of training steps; nnU-Net's own length where none is given."""
        return (self.epochs or EPOCHS) * (self.iterations or ITERATIONS)

    @property
    def suffix(self) -> str:
        """End of the trainer's name that says the length."""
        epochs = f"_{self.epochs}epochs" if self.epochs else ""
        return epochs + (f"_{self.iterations}iters" if self.iterations else "")


@dataclass(frozen=True)
class Pretraining(Length):
    """Stage one.

    Attributes:
        settings: Assignments of ``nnUNet_uad_settings``; ``sampling=anywhere`` unless said otherwise, because choosing
            healthy patches looks at the labels of all training cases, which a study of few labels does not have.
        dataset: Preprocessed dataset to pretrain on (unlabelled cases, for example); the study's own if not given.
            Its fold of the same number is taken, or what the study's ``pool`` leaves of it.
        cases: Cases to pretrain on, of all that are not tested; those of the outer fold or of the pool if not given.
        shared: Whether one pretraining serves all outer folds: on the cases that none of them tests.
    """

    settings: Word = "sampling=anywhere"
    dataset: DatasetName | None = None
    cases: Cases | None = None
    shared: bool = False


@dataclass(frozen=True)
class SmallPlan:
    """A configuration that is added to the plans (``nnunet_uad small-plan``) under the study's ``configuration``.

    Attributes:
        base: Configuration to inherit from.
        spacing: Edge length of a voxel, mm: one value for all axes or one per axis of the patch.
        patch: Patch size, voxels per axis.
        features: Channels per stage; as many stages as entries.
        batch: Patches per step.
    """

    base: FileName
    spacing: Annotated[tuple[VoxelSize, ...], ONE_OR_MORE]
    patch: Annotated[tuple[PatchSize, ...], ONE_OR_MORE]
    features: Annotated[tuple[Width, ...], ONE_OR_MORE]
    batch: BatchSize


@dataclass(frozen=True)
class Resources:
    """What a job asks of a cluster.

    Attributes:
        threads: CPU cores.
        mem_mb: Memory, MiB.
        runtime: Time limit, minutes.
        gpu: Number of GPUs; 0 where the device is not cuda.
    """

    threads: Annotated[int, Bounds(1, 10**4)] = 8
    mem_mb: Annotated[int, Bounds(1, 10**8)] = 32000
    runtime: Annotated[int, Bounds(1, 10**6)] = 1440
    gpu: Annotated[int, Bounds(0, 1024)] = 1
