"""Where shared weights lie: a folder, an HTTP address, a repository of the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from nnunet_uad.sharing.folder_place import FolderPlace
from nnunet_uad.sharing.place import HUB, Place


def place_of(text: str) -> Place:
    """The place that somebody names.

    Args:
        text: Folder, address or ``hf://OWNER/NAME``.

    Raises:
        ValueError: It is of another form.

    Example:
        >>> place_of("weights/dae").words
        'weights/dae'
    """
    if text.startswith(HUB):
        from nnunet_uad.sharing.hub_place import HubPlace

        return HubPlace(text.removeprefix(HUB))
    scheme, mark, rest = text.partition("://")
    if not mark:
        return FolderPlace(Path(text).expanduser())
    if scheme.lower() not in ("http", "https"):
        # Without a password, if there is one.
        found = f"{scheme}://{rest.rpartition('@')[2]}"
        raise ValueError(
            f"Weights are shared in a folder, at an http:// or https:// address or as {HUB}OWNER/NAME; found {found!r}."
        )
    from nnunet_uad.sharing.http_place import HttpPlace

    return HttpPlace(text)
