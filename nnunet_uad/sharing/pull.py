"""Weights that others share, fetched, checked, and put in place whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.files import file_hash, flush, flush_folder, write_text
from nnunet_uad.common.lock import folder_lock
from nnunet_uad.sharing.manifest import CARD, MANIFEST, Manifest
from nnunet_uad.sharing.place import AbsentError, Place, nothing_there
from nnunet_uad.sharing.places import place_of
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import read_pretrained

#: Begins the names of files that are not whole yet; the SHA-256 that they are to have follows.
_PARTIAL = ".nnunet_uad_partial_"


@dataclass(frozen=True)
class PullRequest:
    """What is fetched, and where to.

    Attributes:
        source: Folder, address or ``hf://OWNER/NAME``.
        folder: Folder to write into.
        sha256: SHA-256 that the weights must have, learnt in another way; empty to trust the manifest beside them.
        overwrite: Whether other files in the folder, weights, card or manifest, are replaced.
    """

    source: str
    folder: Path
    sha256: str = ""
    overwrite: bool = False


def pull(request: PullRequest, say: Callable[[str], object] = print) -> tuple[Path, PretrainRecord | None]:
    """Fetch weights; a command that was killed goes on where it was.

    Args:
        request: Source and folder.
        say: Function that is told what was done.

    Returns:
        The file, and the record in it, ``None`` for weights without one.

    Raises:
        FileNotFoundError: Nothing is shared there.
        ConnectionError: The source cannot be reached.
        ValueError: The manifest is damaged, or the weights are not what it says; nothing is written then.
    """
    place = place_of(request.source)
    manifest = _manifest(place)
    if request.sha256 and request.sha256.lower() != manifest.sha256:
        raise ValueError(
            f"{place.words} shares weights with SHA-256 {manifest.sha256}; --sha256 expects {request.sha256}. They "
            "were replaced since, or the address is another one."
        )
    with folder_lock(request.folder):
        return _fetch(place, manifest, request, say)


def _manifest(place: Place) -> Manifest:
    try:
        return Manifest.read(place.read(MANIFEST), place.words)
    except AbsentError as error:
        raise FileNotFoundError(nothing_there(place, error)) from error


def _fetch(
    place: Place, manifest: Manifest, request: PullRequest, say: Callable[[str], object]
) -> tuple[Path, PretrainRecord | None]:
    folder, target = request.folder, request.folder / manifest.file
    if _refuse_others(target, manifest, request.overwrite):
        say(f"{target} is there already, with the SHA-256 of {place.words}.")
        return target, _read_safetensors(target, place)
    texts = {MANIFEST: manifest.to_text()}
    if manifest.card:
        with suppress(AbsentError):
            texts[CARD] = place.read(CARD).decode("utf-8", "replace")
    if not request.overwrite:
        _refuse_other_texts(folder, texts)
    partial = folder / f"{_PARTIAL}{manifest.sha256[:16]}.safetensors"
    if shutil.disk_usage(folder).free < manifest.size:
        raise OSError(f"{folder} has less than the {manifest.size} bytes free that {manifest.file} needs.")
    try:
        place.fetch(manifest.file, partial, manifest.size)
        manifest.check(partial, place.words)
        # Before it counts: a file that is what it should be may still be none of weights.
        record = _read_safetensors(partial, place)
    except ValueError:
        _forget(partial)
        raise
    if CARD in texts:
        write_text(folder / CARD, texts[CARD])
    flush(partial)
    partial.replace(target)
    flush_folder(folder)
    write_text(folder / MANIFEST, texts[MANIFEST])
    _forget(partial)
    say(f"{target}: {manifest.size} bytes, SHA-256 {manifest.sha256} as {MANIFEST} of {place.words} says.")
    return target, record


def _refuse_others(target: Path, manifest: Manifest, overwrite: bool) -> bool:
    """Whether the weights are there already.

    Raises:
        ValueError: Others are.
    """
    if not target.is_file():
        return False
    if file_hash(target) == manifest.sha256:
        return True
    if not overwrite:
        raise ValueError(f"{target} holds other weights. Choose another -o, or replace them: --overwrite")
    return False


def _refuse_other_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Refuse to replace a card or manifest that is not asked for.

    Raises:
        ValueError: Others are there.
    """
    others = [
        name
        for name, text in texts.items()
        if (folder / name).exists()
        and not ((folder / name).is_file() and (folder / name).read_bytes() == text.encode("utf-8"))
    ]
    if others:
        raise ValueError(
            f"{folder} holds another {' and '.join(others)}. Choose another -o, or replace what is there: --overwrite"
        )


def _forget(partial: Path) -> None:
    """Remove what was fetched, and what the Hub's library kept of it."""
    partial.unlink(missing_ok=True)
    shutil.rmtree(partial.with_name(f"{partial.name}.hub"), ignore_errors=True)


def _read_safetensors(path: Path, place: Place) -> PretrainRecord | None:
    """The record of weights that are whole and finite; a file of another kind is refused, whatever it is called.

    Raises:
        ValueError: It is no safetensors file of weights.
    """
    try:
        return read_pretrained(path)[1]
    except ValueError as error:
        raise ValueError(f"What {place.words} shares are no weights, nothing of it was kept: {error}") from error
