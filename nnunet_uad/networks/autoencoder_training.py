"""What is trained of a spatial autoencoder: itself, its code as a Gaussian, a discriminator against it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from nnunet_uad.networks.discriminator import PatchwiseDiscriminator, gradient_penalty
from nnunet_uad.networks.spatial_autoencoder import SpatialAutoencoder, kl_divergence


class Judgement(NamedTuple):
    """Logits of the discriminator, (B, 1, *map) each.

    Attributes:
        real: Logits of the images.
        fake: Logits of the reconstructions; gradients reach the discriminator alone.
        fooled: Logits of the reconstructions; gradients reach the autoencoder alone.
        penalty: Gradient penalty R1, a scalar; 0 unless asked for.
        inside: Mask of the patches that show mostly foreground; the others are the same in both and teach nothing.
    """

    real: torch.Tensor
    fake: torch.Tensor
    fooled: torch.Tensor
    penalty: torch.Tensor
    inside: torch.Tensor


class AutoencoderOutput(NamedTuple):
    """What a training step compares.

    Attributes:
        output: Reconstruction (B, C, *spatial).
        kl: Divergence of every image's code, (B,); 0 unless variational.
        judgement: Logits of the discriminator, ``None`` without one.
    """

    output: torch.Tensor
    kl: torch.Tensor
    judgement: Judgement | None


class LesionJudgement(NamedTuple):
    """What the discriminator says of images with lesions, and of images and reconstructions without.

    Attributes:
        output: Reconstruction of the images without lesions (B, C, *spatial); no gradient.
        healthy: Logits of the images and of their reconstructions, (2 B, 1, *map).
        lesioned: Logits of the images with lesions, (B, 1, *map).
        lesion: Share of the lesion at the centre of what each output sees, (B, 1, *map).
        inside: Mask (B, 1, *map) of the patches that show mostly foreground.
    """

    output: torch.Tensor
    healthy: torch.Tensor
    lesioned: torch.Tensor
    lesion: torch.Tensor
    inside: torch.Tensor


class AutoencoderTraining(nn.Module):
    """An autoencoder and, if there is one, the discriminator that learns with it.

    One call computes all that both losses need, and one backward pass serves both: the discriminator judges
    reconstructions without a gradient to the autoencoder, and, with frozen weights, once more with one. So DDP
    and the gradient scaler see an ordinary step.

    Args:
        autoencoder: Network that reconstructs.
        discriminator: Network that tells patches of images from patches of reconstructions, if there is one.
        penalise: Whether to compute the gradient penalty R1.
    """

    def __init__(
        self,
        autoencoder: SpatialAutoencoder,
        discriminator: PatchwiseDiscriminator | None = None,
        penalise: bool = False,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.discriminator = discriminator
        self.penalise = penalise

    def forward(
        self,
        image: torch.Tensor,
        foreground: torch.Tensor,
        lesioned: torch.Tensor | None = None,
        lesion: torch.Tensor | None = None,
    ) -> AutoencoderOutput | LesionJudgement:
        """Encode, draw a code (its mean in evaluation mode), decode, judge.

        Args:
            image: Image (B, C, *spatial).
            foreground: Mask (B, 1, *spatial); outside it the discriminator sees the image twice.
            lesioned: Image with lesions of the same shape: the discriminator alone learns, with what it has, to tell
                lesions from images and from reconstructions.
            lesion: Mask of the lesions (B, 1, *spatial).
        """
        if self.discriminator is not None and lesioned is not None and lesion is not None:
            return self._judge_lesions(self.discriminator, image, foreground, lesioned, lesion)
        mean, log_variance = self.autoencoder.encode(image)
        code, kl = mean, mean.new_zeros(len(mean))
        if log_variance is not None:
            kl = kl_divergence(mean, log_variance)
            if self.training:
                code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        output = self.autoencoder.generator(code)
        judgement = None
        if self.discriminator is not None:
            judgement = self._judge(self.discriminator, image, output, foreground)
        return AutoencoderOutput(output, kl, judgement)

    @torch.compiler.disable
    def _judge(
        self, discriminator: nn.Module, image: torch.Tensor, output: torch.Tensor, foreground: torch.Tensor
    ) -> Judgement:
        shown = torch.where(foreground, output, image.to(output.dtype))
        real, fake = discriminator(torch.cat([image, shown.detach().to(image.dtype)])).chunk(2)
        frozen = {name: p.detach() for name, p in discriminator.named_parameters()}
        fooled = torch.func.functional_call(discriminator, frozen, (shown,))
        penalty = real.new_zeros(())
        if self.penalise and torch.is_grad_enabled():
            penalty = gradient_penalty(discriminator, image)
        return Judgement(real, fake, fooled, penalty, _mostly_inside(foreground, real))

    @torch.compiler.disable
    def _judge_lesions(
        self,
        discriminator: PatchwiseDiscriminator,
        image: torch.Tensor,
        foreground: torch.Tensor,
        lesioned: torch.Tensor,
        lesion: torch.Tensor,
    ) -> LesionJudgement:
        # As it will be used, and its statistics, if it has any, stay as they are.
        self.autoencoder.eval()
        with torch.no_grad():
            output = self.autoencoder(image)
        shown = torch.where(foreground, output.to(image.dtype), image)
        logits = discriminator(torch.cat([image, shown, lesioned]))
        healthy, found = logits.split([2 * len(image), len(image)])
        # DDP waits for a gradient of every weight: those of the autoencoder are 0.
        nothing = 0.0 * sum(p.sum() for p in self.autoencoder.parameters())
        inside = _mostly_inside(foreground, found)
        return LesionJudgement(output, healthy + nothing, found, discriminator.share_of_cells(lesion), inside)


def _mostly_inside(foreground: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    pool = functional.adaptive_avg_pool2d if foreground.ndim == 4 else functional.adaptive_avg_pool3d
    return pool(foreground.float(), logits.shape[2:]) > 0.5
