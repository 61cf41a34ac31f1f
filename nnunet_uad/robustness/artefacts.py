"""Artefacts of MR images at five severities (TorchIO, Pérez-García et al. 2021)."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

SEVERITIES = (1, 2, 3, 4, 5)


def _noise(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomNoise(std=(level * spread, level * spread))


def _blur(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomBlur(std=(level, level))


def _bias(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomBiasField(coefficients=level)


def _motion(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomMotion(degrees=level, translation=level, num_transforms=2)


def _ghosting(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomGhosting(num_ghosts=(4, 4), intensity=(level, level))


def _spike(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomSpike(num_spikes=(1, 1), intensity=(sign * level, sign * level))


def _anisotropy(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomAnisotropy(downsampling=(level, level))


def _gamma(level: float, spread: float, sign: int) -> Any:
    import torchio

    return torchio.RandomGamma(log_gamma=(sign * level, sign * level))


#: Artefact → what makes it, its strength at severities 1 to 5, and what the strength is.
ARTEFACTS: dict[str, tuple[Callable[[float, float, int], Any], tuple[float, ...], str]] = {
    "noise": (_noise, (0.1, 0.2, 0.4, 0.6, 0.8), "standard deviation as a share of the foreground's"),
    "blur": (_blur, (0.5, 1.0, 1.5, 2.0, 3.0), "standard deviation of the Gaussian, mm"),
    "bias": (_bias, (0.2, 0.4, 0.6, 0.8, 1.0), "largest coefficient of the field's polynomial of order 3"),
    "motion": (_motion, (1.0, 2.0, 4.0, 7.0, 10.0), "largest rotation, degrees, and translation, mm; two movements"),
    "ghosting": (_ghosting, (0.2, 0.4, 0.6, 0.8, 1.0), "intensity of four ghosts"),
    "spike": (_spike, (0.5, 1.0, 1.5, 2.0, 3.0), "intensity of one spike in k-space"),
    "anisotropy": (_anisotropy, (1.5, 2.0, 3.0, 4.0, 5.0), "downsampling along one axis"),
    "gamma": (_gamma, (0.1, 0.2, 0.35, 0.5, 0.7), "magnitude of log gamma"),
}


def check_artefacts(names: Sequence[str], severities: Sequence[int]) -> None:
    """Refuse what does not exist.

    Raises:
        ValueError: an unknown artefact (the nearest is suggested) or severity.
    """
    for name in names:
        if name not in ARTEFACTS:
            near = difflib.get_close_matches(name, ARTEFACTS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"There is no artefact {name!r}.{hint} There are: {', '.join(ARTEFACTS)}.")
    wrong = [s for s in severities if s not in SEVERITIES]
    if wrong:
        raise ValueError(f"Severities are {', '.join(map(str, SEVERITIES))}; found {', '.join(map(str, wrong))}.")


def corrupt(
    channels: Sequence[np.ndarray], spacing: Sequence[float], artefact: str, severity: int, case: str, seed: int
) -> list[np.ndarray]:
    """The channels of a case with an artefact.

    All severities of an artefact share their random numbers, so they differ in strength alone. Voxels where all
    channels are exactly 0, the background of skull-stripped images, stay 0: artefacts arise before the stripping.

    Args:
        channels: (z, y, x) each.
        spacing: mm per axis, (z, y, x).
        artefact: of :data:`ARTEFACTS`.
        severity: 1 to 5.
        case: identifier; every case is corrupted in its own way.
        seed: of everything that is drawn.

    Returns:
        float32 arrays of the same shapes.
    """
    import torchio

    make, strengths, _ = ARTEFACTS[artefact]
    number = zlib.crc32(f"{seed}/{artefact}/{case}".encode())
    sign = 1 if number % 2 else -1
    inside = np.any([c != 0 for c in channels], axis=0)
    affine = np.diag([*spacing, 1.0])
    found = []
    for index, channel in enumerate(channels):
        values = np.asarray(channel, dtype=np.float32)
        transform = make(strengths[severity - 1], float(values[inside].std()) if inside.any() else 1.0, sign)
        image = torchio.ScalarImage(tensor=torch.from_numpy(values[None].copy()), affine=affine)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number + index)
            corrupted = transform(image).data[0].numpy()
        found.append(np.where(inside, corrupted, 0.0).astype(np.float32))
    return found
