"""What pretrainers with a discriminator share: its settings, its losses, and the signs that it has failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager
from torch import nn
from torch.nn import functional

from nnunet_uad.common.bounds import Factor, Size, Weight, WidthOrAuto
from nnunet_uad.common.settings import Settings, check_choices
from nnunet_uad.networks.autoencoder_training import AutoencoderOutput, AutoencoderTraining
from nnunet_uad.networks.discriminator import DiscriminatorRecipe, choose_layers, receptive_field
from nnunet_uad.pretrain.autoencoder import AutoencoderPretrainer, AutoencoderSettings
from nnunet_uad.pretrain.terms import RECONSTRUCTION, Term, TermResult

CRITERIA = ("least_squares", "hinge")
STABILISERS = ("spectral", "r1", "both")
#: Momentum of Adam for networks that learn against each other (Radford et al., ICLR 2016,
#: https://arxiv.org/abs/1511.06434).
BETAS = (0.5, 0.999)


@dataclass(frozen=True)
class AdversarySection(Settings):
    """Settings of the discriminator.

    Attributes:
        adversarial_loss: Adversarial loss, ``least_squares`` or ``hinge`` (MONAI's PatchAdversarialLoss).
        adversarial_weight: Weight of the autoencoder's adversarial loss beside the reconstruction.
        receptive_field_mm: Edge of the patch that one output of the discriminator sees, mm; the nearest possible is
            taken.
        discriminator_width: Channels of its first convolution; 0: twice those of the plan's first stage.
        discriminator_lr: Peak rate of the discriminator as a multiple of ``learning_rate``.
        stabiliser: Means against runaway, ``spectral`` normalisation, ``r1`` gradient penalty, or ``both``.
        r1_weight: Weight γ of the gradient penalty.
    """

    adversarial_loss: str = "least_squares"
    adversarial_weight: Weight = 0.05
    receptive_field_mm: Size = 32.0
    discriminator_width: WidthOrAuto = 0
    discriminator_lr: Factor = 1.0
    stabiliser: str = "spectral"
    r1_weight: Weight = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choices(self, {"adversarial_loss": CRITERIA, "stabiliser": STABILISERS})

    def opponent(self, manager: ConfigurationManager, channels: int) -> DiscriminatorRecipe:
        """The discriminator that is trained against the autoencoder, sized from the plan."""
        spacing = [float(s) for s in manager.spacing]
        return DiscriminatorRecipe(
            axes=len(spacing),
            channels=channels,
            width=self.discriminator_width or 2 * int(manager.network_arch_init_kwargs["features_per_stage"][0]),
            layers=choose_layers(self.receptive_field_mm, spacing, manager.patch_size),
            spectral=self.stabiliser in ("spectral", "both"),
            criterion=self.adversarial_loss,
        )

    @property
    def penalised(self) -> bool:
        """Whether the gradient penalty R1 keeps the discriminator smooth."""
        return self.stabiliser in ("r1", "both")


@dataclass(frozen=True)
class AdversarialSettings(AdversarySection, AutoencoderSettings):
    """Settings of an autoencoder and of its discriminator."""


A = TypeVar("A", bound=AdversarialSettings)

#: A logit whose tanh is 1.
_CERTAIN = 20.0
#: A batch without any patch inside must not divide by 0.
_FEWEST = 1e-6


def least_squares(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Mean squared distance from 1 for real patches, from 0 for fake ones.

    As MONAI's PatchAdversarialLoss, whose label goes to the device in a copy that the host waits for.

    Args:
        logits: Logits (B, 1, *map) of the discriminator.
        real: Whether the patches are real, or shall pass as such.
    """
    return functional.mse_loss(logits, torch.full_like(logits, float(real)))


def hinge(logits: torch.Tensor, real: bool) -> torch.Tensor:
    """Mean of max(0, 1 ∓ tanh), − for real patches: MONAI's hinge, which reads tanh of the logits.

    Args:
        logits: Logits (B, 1, *map) of the discriminator.
        real: Whether the patches are real, or shall pass as such.
    """
    margin = logits.tanh() if real else -logits.tanh()
    return -torch.minimum(margin - 1, torch.zeros_like(margin)).mean()


LOSSES = {"least_squares": least_squares, "hinge": hinge}
#: Logits at which a discriminator is undecided.
MIDDLE = {"least_squares": 0.5, "hinge": 0.0}
#: Logits that cost nothing, of fake and of real patches.
_PERFECT = {"least_squares": (0.0, 1.0), "hinge": (-_CERTAIN, _CERTAIN)}


def mean_loss(criterion: str, logits: torch.Tensor, counted: torch.Tensor, real: bool) -> torch.Tensor:
    """Mean loss over the patches that count: the logits of others are replaced by some that cost nothing.

    Args:
        criterion: Adversarial loss, ``least_squares`` or ``hinge``.
        logits: Logits (B, 1, *map) of the discriminator.
        counted: Mask of the same shape.
        real: Whether the patches are real, or shall pass as such.
    """
    loss = LOSSES[criterion](torch.where(counted, logits, _PERFECT[criterion][real]), real)
    return loss / counted.float().mean().clamp(min=_FEWEST)


def share(recognised: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Share of the patches that count which are recognised, a scalar.

    Args:
        recognised: Mask (B, 1, *map).
        counted: Mask of the same shape.
    """
    return (recognised & counted).sum() / counted.sum().clamp(min=1)


class Adversarial(Term):
    """The losses of autoencoder and discriminator, and what their numbers mean.

    Args:
        settings: Settings of the discriminator.
    """

    #: Accuracies beyond which nothing is learnt any more.
    OVERWHELMING, GUESSING = 0.99, 0.55
    #: Epochs in a row that a sign must last.
    PATIENCE = 3
    #: A reconstruction that is so many times worse than it was has diverged.
    DIVERGED = 2.0

    def __init__(self, settings: AdversarySection) -> None:
        self.settings = settings
        self.best = float("inf")
        self.lasting = {"overwhelming": 0, "guessing": 0}

    def __call__(
        self, answer: AutoencoderOutput, clean: torch.Tensor, foreground: torch.Tensor, progress: float
    ) -> TermResult:
        """Both adversarial losses; each reaches one network only (:class:`Judgement`)."""
        judgement = answer.judgement
        if judgement is None:
            raise ValueError("An adversarial loss needs a discriminator: the network gave no judgement.")
        real, fake, inside = judgement.real.float(), judgement.fake.float(), judgement.inside
        criterion = self.settings.adversarial_loss
        discriminator = (
            mean_loss(criterion, real, inside, True) + mean_loss(criterion, fake, inside, False)
        ) / 2 + self.settings.r1_weight / 2 * judgement.penalty
        fooling = mean_loss(criterion, judgement.fooled.float(), inside, True)
        middle = MIDDLE[criterion]
        parts = {
            "adversarial": fooling.detach(),
            "discriminator": discriminator.detach(),
            "real recognised": share(real.detach() > middle, inside),
            "fake recognised": share(fake.detach() < middle, inside),
        }
        return TermResult([self.settings.adversarial_weight * fooling, discriminator], parts)

    def concerns(self, means: dict[str, float]) -> list[str]:
        """Collapse of the discriminator, divergence of the autoencoder, in words; call once an epoch."""
        real, fake = means["real recognised"], means["fake recognised"]
        signs = {
            "overwhelming": min(real, fake) > self.OVERWHELMING,
            "guessing": (real + fake) / 2 < self.GUESSING,
        }
        self.lasting = {name: self.lasting[name] + 1 if seen else 0 for name, seen in signs.items()}
        concerns = []
        if self.lasting["overwhelming"] >= self.PATIENCE:
            concerns.append(
                f"the discriminator has recognised more than {self.OVERWHELMING:.0%} of real and fake patches for "
                f"{self.lasting['overwhelming']} epochs; the autoencoder learns nothing from it. Lower "
                "discriminator_lr or use stabiliser=both."
            )
        if self.lasting["guessing"] >= self.PATIENCE:
            concerns.append(
                f"the discriminator has collapsed: for {self.lasting['guessing']} epochs it has recognised "
                f"{real:.0%} of the real and {fake:.0%} of the fake patches, no better than guessing. Raise "
                "discriminator_lr or lower adversarial_weight."
            )
        error = means[RECONSTRUCTION]
        if not error < self.DIVERGED * self.best:
            concerns.append(
                f"the autoencoder diverges: its reconstruction error is {error:.3g} after {self.best:.3g} in the best "
                "epoch. Lower adversarial_weight or learning_rate."
            )
        self.best = min(self.best, error)
        return concerns


class AdversarialPretrainer(AutoencoderPretrainer[A]):
    """Base of the autoencoders that a discriminator is trained against."""

    @classmethod
    def make_network(cls, settings: A, manager: ConfigurationManager, channels: int) -> nn.Module:
        """The autoencoder and its discriminator, as they are trained."""
        autoencoder = settings.recipe(manager, channels).build()
        return AutoencoderTraining(
            autoencoder, settings.opponent(manager, channels).discriminator(), settings.penalised
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Autoencoder and discriminator, each with a rate and momentum of its own, for one optimiser.

        AdamW keeps its state per parameter, so a group with a rate and momentum of its own is an optimiser of its own;
        nnU-Net's checkpoints then hold both, and ``--c`` resumes both.
        """
        rates = {"autoencoder": self.initial_lr, "discriminator": self.initial_lr * self.settings.discriminator_lr}
        momentum = {"betas": BETAS} if self.settings.optimizer == "adamw" else {}
        return [
            {"params": list(getattr(self.network, name).parameters()), "peak_lr": rate, "name": name, **momentum}
            for name, rate in rates.items()
        ]


def field_in_words(layers: int, spacing: tuple[float, ...]) -> str:
    """What one output of the discriminator sees: ``16 voxels per axis, 32 x 32 mm``.

    Args:
        layers: Convolutions of stride 2.
        spacing: Voxel size per axis, mm.
    """
    field = receptive_field(layers)
    return f"{field} voxels per axis, {' x '.join(f'{field * s:g}' for s in spacing)} mm"
