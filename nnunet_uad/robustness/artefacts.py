"""Artefacts of MR images at five severities (TorchIO, Pérez-García et al. 2021)."""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

SEVERITIES = (1, 2, 3, 4, 5)


#: Artefact → its strength at severities 1 to 5.
ARTEFACTS: dict[str, tuple[float, ...]] = {
    "noise": (0.1, 0.2, 0.4, 0.6, 0.8),  # standard deviation as a share of the foreground's
    "blur": (0.5, 1.0, 1.5, 2.0, 3.0),  # standard deviation of the Gaussian, mm
    "bias": (0.2, 0.4, 0.6, 0.8, 1.0),  # largest coefficient of the field's polynomial of order 3
    "motion": (1.0, 2.0, 4.0, 7.0, 10.0),  # largest rotation, degrees, and translation, mm; two movements
    "ghosting": (0.2, 0.4, 0.6, 0.8, 1.0),  # intensity of four ghosts
    "spike": (0.5, 1.0, 1.5, 2.0, 3.0),  # intensity of one spike in k-space
    "anisotropy": (1.5, 2.0, 3.0, 4.0, 5.0),  # downsampling along one axis
    "gamma": (0.1, 0.2, 0.35, 0.5, 0.7),  # magnitude of log gamma
}


def _transform(artefact: str, level: float, spread: float, sign: int) -> Any:
    """TorchIO's transform for an artefact of strength ``level``; ``spread`` is the foreground's standard deviation."""
    import torchio

    def always(value: float) -> tuple[float, float]:
        return value, value

    make: dict[str, Callable[[], Any]] = {
        "noise": lambda: torchio.RandomNoise(std=always(level * spread)),
        "blur": lambda: torchio.RandomBlur(std=always(level)),
        "bias": lambda: torchio.RandomBiasField(coefficients=level),
        "motion": lambda: torchio.RandomMotion(degrees=level, translation=level, num_transforms=2),
        "ghosting": lambda: torchio.RandomGhosting(num_ghosts=(4, 4), intensity=always(level)),
        "spike": lambda: torchio.RandomSpike(num_spikes=(1, 1), intensity=always(sign * level)),
        "anisotropy": lambda: torchio.RandomAnisotropy(downsampling=always(level)),
        "gamma": lambda: torchio.RandomGamma(log_gamma=always(sign * level)),
    }
    return make[artefact]()


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

    level = ARTEFACTS[artefact][severity - 1]
    number = zlib.crc32(f"{seed}/{artefact}/{case}".encode())
    sign = 1 if number % 2 else -1
    inside = np.any([c != 0 for c in channels], axis=0)
    affine = np.diag([*spacing, 1.0])
    found = []
    for index, channel in enumerate(channels):
        values = np.asarray(channel, dtype=np.float32)
        transform = _transform(artefact, level, float(values[inside].std()) if inside.any() else 1.0, sign)
        image = torchio.ScalarImage(tensor=torch.from_numpy(values[None].copy()), affine=affine)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number + index)
            corrupted = transform(image).data[0].numpy()
        found.append(np.where(inside, corrupted, 0.0).astype(np.float32))
    return found
