"""The second phase of a discriminator: good images and reconstructions against images with synthetic lesions.

After OGNet: Zaheer et al., CVPR 2020, https://arxiv.org/abs/2004.07657.
"""

from __future__ import annotations

import torch

from nnunet_uad.networks.autoencoder_training import LesionJudgement
from nnunet_uad.pretrain.adversary import MIDDLE, mean_loss, share
from nnunet_uad.pretrain.terms import TermResult

#: Share of the cell at the centre of what an output sees from which on the output shall call it bad.
NOTICEABLE = 0.25
#: Names of the parts in the log.
HEALTHY, LESIONS = "healthy recognised", "lesions recognised"


class AgainstLesions:
    """The loss of a discriminator that learns to tell lesions from healthy tissue, real or reconstructed.

    Args:
        criterion: Adversarial loss, ``least_squares`` or ``hinge``.
    """

    #: Accuracy, of both on average, below which nothing has been learnt.
    GUESSING = 0.55
    #: Epochs in a row that this must last.
    PATIENCE = 3

    def __init__(self, criterion: str) -> None:
        self.criterion = criterion
        self.guessing = 0

    def __call__(self, judgement: LesionJudgement) -> TermResult:
        """Good and bad patches count alike, however few are bad."""
        healthy, lesioned = judgement.healthy.float(), judgement.lesioned.float()
        bad = judgement.lesion >= NOTICEABLE
        logits = torch.cat([healthy, lesioned])
        inside = torch.cat([judgement.inside] * 3)
        is_bad = torch.cat([torch.zeros_like(bad), torch.zeros_like(bad), bad])
        good, bad = inside & ~is_bad, inside & is_bad
        loss = (mean_loss(self.criterion, logits, good, True) + mean_loss(self.criterion, logits, bad, False)) / 2
        seen, middle = logits.detach(), MIDDLE[self.criterion]
        parts = {
            "discriminator": loss.detach(),
            HEALTHY: share(seen > middle, good),
            LESIONS: share(seen < middle, bad),
        }
        return TermResult([loss], parts)

    def concerns(self, means: dict[str, float]) -> list[str]:
        """A discriminator that learns nothing, in words; call once an epoch."""
        self.guessing = self.guessing + 1 if (means[HEALTHY] + means[LESIONS]) / 2 < self.GUESSING else 0
        if self.guessing < self.PATIENCE:
            return []
        return [
            f"for {self.guessing} epochs the discriminator has recognised {means[HEALTHY]:.0%} of the healthy patches "
            f"and {means[LESIONS]:.0%} of the synthetic lesions, no better than guessing. Raise discriminator_lr, "
            "second_phase or anomaly_opacity."
        ]
