"""The diffusion process: noising, training target, reconstruction in one step or several.

Behrendt et al., MIDL 2024, https://arxiv.org/abs/2312.04215 (x₀-prediction, one step, mean over several t); AnoDDPM,
Wyatt et al., CVPRW 2022 (simplex noise, partial diffusion); DDIM, Song et al., ICLR 2021,
https://arxiv.org/abs/2010.02502.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nnunet_uad.corruption.coarse_noise import CoarseNoise
from nnunet_uad.corruption.simplex_noise import SimplexNoise
from nnunet_uad.restoration.base import Restoration

#: Time steps of the process.
TRAIN_STEPS = 1000
# Variance of noise interpolated linearly between independent nodes, per axis: the mean of w² + (1 − w)².
_LINEAR_VARIANCE = 2 / 3


class DiffusionProcess(Restoration):
    """Noising, and reconstructing with a network that predicts the clean image.

    Args:
        spacing: Voxel size per axis of the patch, mm.
        noise: Kind of noise, ``coarse``, ``simplex`` or ``white``; each of unit variance.
        cell_mm: Cell of the coarse noise, or wavelength of the simplex noise's first octave, mm.
        times: Time steps whose one-step estimates are averaged.
        ddim_start: Time step from which several steps lead to the reconstruction; 0: one step.
        ddim_steps: Number of these steps.

    Raises:
        ValueError: Settings outside what the process has.
    """

    kind = "diffusion"

    def __init__(
        self,
        spacing: Sequence[float],
        noise: str = "coarse",
        cell_mm: float = 16.0,
        times: Sequence[int] = (250, 500, 750),
        ddim_start: int = 0,
        ddim_steps: int = 10,
    ) -> None:
        from monai.networks.schedulers import DDIMScheduler

        _check(noise, times, ddim_start, ddim_steps)
        self.spacing = tuple(float(s) for s in spacing)
        self.noise, self.cell_mm = noise, float(cell_mm)
        self.times = tuple(int(t) for t in times)
        self.ddim_start, self.ddim_steps = ddim_start, ddim_steps
        # Published: betas from 1e-4 to 2e-2, linear. No clipping: z-scores have no fixed range.
        self.scheduler = DDIMScheduler(
            TRAIN_STEPS, "linear_beta", prediction_type="sample", clip_sample=False, beta_start=1e-4, beta_end=2e-2
        )
        if ddim_start:
            # MONAI's step goes from t to t − TRAIN_STEPS // num_inference_steps.
            self.scheduler.num_inference_steps = TRAIN_STEPS // (ddim_start // ddim_steps)
        self._coarse = CoarseNoise(self.spacing, (self.cell_mm,) * 2, (1.0, 1.0))
        wide = sum(self.cell_mm >= 2 * s for s in self.spacing)
        self._coarse_scale = _LINEAR_VARIANCE ** (-wide / 2)
        self._simplex = SimplexNoise(self.spacing, self.cell_mm)
        self.drawing = self

    def to_json(self) -> dict[str, Any]:
        """Kind and arguments."""
        return {
            "kind": self.kind,
            "spacing": list(self.spacing),
            "noise": self.noise,
            "cell_mm": self.cell_mm,
            "times": list(self.times),
            "ddim_start": self.ddim_start,
            "ddim_steps": self.ddim_steps,
        }

    def draw(self, image: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Noise of unit variance, of the shape and device of ``image`` (B, C, *spatial)."""
        if self.noise == "white":
            return torch.randn(image.shape, device=image.device, generator=generator)
        if self.noise == "simplex":
            return self._simplex.draw(image, generator)
        return self._coarse.draw(image, generator) * self._coarse_scale

    def draw_times(self, image: torch.Tensor) -> torch.Tensor:
        """A random time step per sample, integer (B,), on the device."""
        return torch.randint(0, TRAIN_STEPS, (len(image),), device=image.device)

    def noised(self, image: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        """√ᾱ(t) · image + √(1 − ᾱ(t)) · noise, in float32.

        Args:
            image: Image (B, C, *spatial), z-score units.
            noise: Noise of the same shape.
            times: Time step per sample, integer (B,).
        """
        return self.scheduler.add_noise(image.float(), noise.float(), times)

    def estimate(self, network: nn.Module, image: torch.Tensor, noise: torch.Tensor, time: int) -> torch.Tensor:
        """One-step estimate of the clean image (B, C, *spatial) from time step ``time``."""
        times = torch.full((len(image),), time, device=image.device)
        return network(self.noised(image, noise, times), times, image).float()

    def reconstruct_in_training(self, network: nn.Module, image: torch.Tensor) -> torch.Tensor:
        """One-step estimate (B, C, *spatial) from a random time step and fresh noise per sample: as it is trained."""
        times = self.draw_times(image)
        return network(self.noised(image, self.draw(image), times), times, image).float()

    def reconstruct(self, network: nn.Module, image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """The image as the model of healthy anatomy has it.

        Args:
            network: Network that predicts the clean image.
            image: Image (B, C, *spatial), z-score units.
            drawn: Noise of the same shape, or with one sample for all.
        """
        noise = drawn.expand_as(image)
        if self.ddim_start:
            return self._ddim(network, image, noise)
        total = torch.zeros_like(image, dtype=torch.float32)
        for time in self.times:
            total += self.estimate(network, image, noise, time)
        return total / len(self.times)

    def _ddim(self, network: nn.Module, image: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Deterministic steps from ``ddim_start`` down to the clean image."""
        stride = self.ddim_start // self.ddim_steps
        sample = self.noised(image, noise, torch.full((len(image),), self.ddim_start, device=image.device))
        clean = sample
        for time in range(self.ddim_start, 0, -stride):
            times = torch.full((len(image),), time, device=image.device)
            sample, clean = self.scheduler.step(network(sample, times, image).float(), time, sample)
        # At t = 0 a hundredth of the noise is left; the last estimate has none.
        return clean


def _check(noise: str, times: Sequence[int], ddim_start: int, ddim_steps: int) -> None:
    if noise not in ("coarse", "simplex", "white"):
        raise ValueError(f"diffusion_noise expects coarse, simplex or white, found {noise!r}.")
    if not times or any(not 0 <= t < TRAIN_STEPS for t in times):
        raise ValueError(f"test_times expects time steps from 0 to {TRAIN_STEPS - 1}, found {list(times)}.")
    if not ddim_start:
        return
    stride = ddim_start // max(1, ddim_steps)
    if not 0 < ddim_start < TRAIN_STEPS or ddim_steps < 1 or stride * ddim_steps != ddim_start or TRAIN_STEPS % stride:
        raise ValueError(
            f"ddim_start={ddim_start} in ddim_steps={ddim_steps} is not possible: the stride "
            f"ddim_start / ddim_steps must be a whole number that divides {TRAIN_STEPS} (250 in 10, 500 in 20, …)."
        )
