"""Versions of what was at work when weights were made."""

from __future__ import annotations

from importlib import metadata


def installed_versions() -> dict[str, str]:
    """Installed versions of nnunet_uad, nnunetv2 and torch."""
    return {name: metadata.version(name) for name in ("nnunet_uad", "nnunetv2", "torch")}
