"""Terms of an autoencoder's loss: each says what it adds, what the log shows of it, and when to worry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from nnunet_uad.networks.autoencoder_training import AutoencoderOutput
from nnunet_uad.pretrain.task import masked_l1, masked_mse

RECONSTRUCTION_LOSSES = {"l1": masked_l1, "l2": masked_mse}
#: The reconstruction's name among the parts of a loss.
RECONSTRUCTION = "reconstruction"


@dataclass(frozen=True)
class TermResult:
    """What a term says of a batch.

    Attributes:
        summands: Scalars that are added to the loss, in this order.
        parts: Scalars for the log by name, detached.
    """

    summands: Sequence[torch.Tensor]
    parts: dict[str, torch.Tensor] = field(default_factory=dict)


class Term:
    """A term of an autoencoder's loss."""

    def __call__(
        self, answer: AutoencoderOutput, clean: torch.Tensor, foreground: torch.Tensor, progress: float
    ) -> TermResult:
        """What the term adds for a batch.

        Args:
            answer: Reconstruction, code's divergence, judgement of the discriminator.
            clean: Patches (B, C, *spatial), z-score units.
            foreground: Mask (B, 1, *spatial) of the voxels inside the image.
            progress: Finished share of the training, in [0, 1].
        """
        raise NotImplementedError(f"{type(self).__name__} adds nothing to the loss.")

    def concerns(self, means: dict[str, float]) -> list[str]:
        """What is wrong with the training, in words; called once an epoch.

        Args:
            means: Mean over the epoch of every part of the loss, by name.
        """
        return []


class Reconstruction(Term):
    """Error of the reconstruction over the foreground.

    Args:
        loss: Kind of error, ``l1`` or ``l2``.
    """

    def __init__(self, loss: str) -> None:
        self.error = RECONSTRUCTION_LOSSES[loss]

    def __call__(
        self, answer: AutoencoderOutput, clean: torch.Tensor, foreground: torch.Tensor, progress: float
    ) -> TermResult:
        """The mean error."""
        error = self.error(answer.output, clean, foreground)
        return TermResult([error], {RECONSTRUCTION: error.detach()})


class KL(Term):
    """Divergence of the code from N(0, 1) per value that the reconstruction counts: the evidence lower bound.

    Args:
        weight: Weight of the divergence; 1: the evidence lower bound for errors of scale 1 z.
        warmup: Share of the training over which the weight grows linearly from 0.
    """

    def __init__(self, weight: float, warmup: float) -> None:
        self.weight, self.warmup = weight, warmup

    def __call__(
        self, answer: AutoencoderOutput, clean: torch.Tensor, foreground: torch.Tensor, progress: float
    ) -> TermResult:
        """The weighted divergence."""
        values = foreground.float().sum() * answer.output.shape[1] / len(foreground)
        divergence = answer.kl.mean() / values.clamp(min=1.0)
        return TermResult([self.factor(progress) * divergence], {"KL per value": divergence.detach()})

    def factor(self, progress: float) -> float:
        """Weight of the divergence at a finished share ``progress`` of the training."""
        return self.weight * (min(1.0, progress / self.warmup) if self.warmup else 1.0)
