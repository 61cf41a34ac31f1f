"""Artefacts of MR images at five severities.

TorchIO: Pérez-García et al., 2021, https://doi.org/10.1016/j.cmpb.2021.106236
"""

from __future__ import annotations

import difflib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Artefact:
    """A kind of artefact.

    Attributes:
        name: Name that users type.
        levels: Strength at severities 1 to 5.
        unit: Meaning of a level, with its unit.
        make: Function from a level, the standard deviation of the foreground's intensity, and a sign (1 or −1, drawn
            per case) to TorchIO's transform, or to anything that is given a ``ScalarImage`` (``data`` is a tensor
            (1, z, y, x)) and returns one. It draws by PyTorch, whose seed is set, and at every level the same numbers.
    """

    name: str
    levels: tuple[float, float, float, float, float]
    unit: str
    make: Callable[[float, float, int], Any]


def _torchio(name: str, **options: Any) -> Any:
    """TorchIO's transform of that name; imported when it is needed, for TorchIO is an extra."""
    import torchio

    return getattr(torchio, name)(**options)


def _always(value: float) -> tuple[float, float]:
    """The range that holds one value: TorchIO draws from ranges."""
    return value, value


#: Artefacts by name, a row each.
ARTEFACTS = {
    artefact.name: artefact
    for artefact in (
        Artefact(
            "noise",
            (0.1, 0.2, 0.4, 0.6, 0.8),
            "standard deviation as a share of the foreground's",
            lambda level, spread, sign: _torchio("RandomNoise", std=_always(level * spread)),
        ),
        Artefact(
            "blur",
            (0.5, 1.0, 1.5, 2.0, 3.0),
            "standard deviation of the Gaussian, mm",
            lambda level, spread, sign: _torchio("RandomBlur", std=_always(level)),
        ),
        Artefact(
            "bias",
            (0.2, 0.4, 0.6, 0.8, 1.0),
            "largest coefficient of the field's polynomial of order 3",
            lambda level, spread, sign: _torchio("RandomBiasField", coefficients=level),
        ),
        Artefact(
            "motion",
            (1.0, 2.0, 4.0, 7.0, 10.0),
            "largest rotation (degrees) and translation (mm) of two movements",
            lambda level, spread, sign: _torchio("RandomMotion", degrees=level, translation=level, num_transforms=2),
        ),
        Artefact(
            "ghosting",
            (0.2, 0.4, 0.6, 0.8, 1.0),
            "intensity of four ghosts",
            lambda level, spread, sign: _torchio("RandomGhosting", num_ghosts=(4, 4), intensity=_always(level)),
        ),
        Artefact(
            "spike",
            (0.5, 1.0, 1.5, 2.0, 3.0),
            "intensity of one spike in k-space",
            lambda level, spread, sign: _torchio("RandomSpike", num_spikes=(1, 1), intensity=_always(sign * level)),
        ),
        Artefact(
            "anisotropy",
            (1.5, 2.0, 3.0, 4.0, 5.0),
            "downsampling along one axis",
            lambda level, spread, sign: _torchio("RandomAnisotropy", downsampling=_always(level)),
        ),
        Artefact(
            "gamma",
            (0.1, 0.2, 0.35, 0.5, 0.7),
            "magnitude of log γ",
            lambda level, spread, sign: _torchio("RandomGamma", log_gamma=_always(sign * level)),
        ),
    )
}


def severity_table() -> str:
    """The table of docs/robustness.md: strength of every artefact at every severity, in Markdown."""
    lines = ["| artefact | strength at severity 1 to 5 | unit |", "|---|---|---|"]
    for artefact in ARTEFACTS.values():
        levels = ", ".join(f"{level:g}" for level in artefact.levels)
        lines.append(f"| `{artefact.name}` | {levels} | {artefact.unit} |")
    return "\n".join(lines)


def check_artefacts(names: Sequence[str], severities: Sequence[int]) -> None:
    """Refuse what does not exist.

    Args:
        names: Names of artefacts.
        severities: Severities from 1 to 5.

    Raises:
        ValueError: An unknown artefact (the nearest is suggested) or severity.
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
        channels: Volume (z, y, x) of every channel, in any unit.
        spacing: Voxel size, mm per axis (z, y, x).
        artefact: Name of one of :data:`ARTEFACTS`.
        severity: Severity from 1 to 5.
        case: Identifier; every case is corrupted in its own way.
        seed: Seed of everything that is drawn.

    Returns:
        Corrupted channels (z, y, x), float32.
    """
    # The command says what it can do without loading PyTorch.
    import torch
    import torchio

    kind = ARTEFACTS[artefact]
    level = kind.levels[severity - 1]
    number = zlib.crc32(f"{seed}/{artefact}/{case}".encode())
    sign = 1 if number % 2 else -1
    inside = np.any([c != 0 for c in channels], axis=0)
    affine = np.diag([*spacing, 1.0])
    result = []
    for index, channel in enumerate(channels):
        values = np.asarray(channel, dtype=np.float32)
        transform = kind.make(level, float(values[inside].std()) if inside.any() else 1.0, sign)
        image = torchio.ScalarImage(tensor=torch.from_numpy(values[None].copy()), affine=affine)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number + index)
            corrupted = transform(image).data[0].numpy()
        result.append(np.where(inside, corrupted, 0.0).astype(np.float32))
    return result
