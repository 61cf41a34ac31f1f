"""What a destination is told of a training."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from nnunet_uad.common.nnunet import ModelFolder

#: Packages whose versions are logged.
_VERSIONS = ("nnunet_uad", "nnunetv2", "torch")


@dataclass(frozen=True)
class TrackedRun:
    """A training as it begins or goes on.

    Attributes:
        folder: Folder of the fold.
        epoch: Number of the first epoch that is trained now; 0 for a new training.
        parameters: Settings and the like, by names with dots; the same for all of a training.
        say: Function that writes a line to the training's log.
    """

    folder: Path
    epoch: int
    parameters: Mapping[str, Any] = field(repr=False)
    say: Callable[[str], object] = field(repr=False)

    @property
    def model(self) -> ModelFolder:
        """Names of dataset, trainer, plans and configuration."""
        return ModelFolder.from_path(self.folder.parent)

    @property
    def name(self) -> str:
        """Name of the run among those of its dataset."""
        return f"{self.model.name} {self.folder.name}"


class Writer(Protocol):
    """A destination. Only the first process of a training has writers."""

    def check(self) -> None:
        """Refuse what cannot work, before the training starts.

        Raises:
            ValueError: The destination was described wrongly.
            RuntimeError: A package is missing.
        """

    def begin(self, run: TrackedRun) -> None:
        """Open a new run, or the run that a training had before it was interrupted.

        Args:
            run: Training that begins.
        """

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Write the values of an epoch.

        Args:
            values: Values by name.
            step: Number of the epoch.
        """

    def summarise(self, values: Mapping[str, float], step: int) -> None:
        """Write what the validation of a trained model found.

        Args:
            values: Values by name.
            step: Number of epochs that were trained.
        """

    def picture(self, name: str, path: Path, step: int) -> None:
        """Show a picture.

        Args:
            name: Name, of two parts with a slash between.
            path: PNG file.
            step: Number of epochs that were trained.
        """

    def end(self, status: str) -> None:
        """See that all is written.

        Args:
            status: ``FINISHED``, ``FAILED`` or ``KILLED``.
        """


def versions() -> dict[str, str]:
    """Package → version, of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONS}}


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values under names with dots.

    Args:
        values: Values, in part again names with values.
        above: Name of what they belong to.

    Example:
        >>> flat({"settings": {"seed": 3, "noise_std": [0.1, 0.2]}, "fold": 0})
        {'settings.seed': 3, 'settings.noise_std': [0.1, 0.2], 'fold': 0}
    """
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{above}.{key}" if above else str(key)
        result |= flat(value, name) if isinstance(value, Mapping) and value else {name: value}
    return result
