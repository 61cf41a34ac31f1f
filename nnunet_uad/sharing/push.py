"""Weights to where others can fetch them: what must be said of them first, and how they are put there."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nnunet_uad.common.files import write_text
from nnunet_uad.sharing.card import model_card
from nnunet_uad.sharing.folder_place import FolderPlace
from nnunet_uad.sharing.licences import licence_of
from nnunet_uad.sharing.manifest import CARD, MANIFEST, Manifest
from nnunet_uad.sharing.place import AbsentError, Place
from nnunet_uad.sharing.places import place_of
from nnunet_uad.sharing.validation import validation_metrics
from nnunet_uad.weights.case_names import new_salt
from nnunet_uad.weights.names import FILE_NAME
from nnunet_uad.weights.readers import read_weights
from nnunet_uad.weights.record import PretrainRecord
from nnunet_uad.weights.safe_file import write_pretrained

_LEAST_STATEMENT = 20
#: The manifest last: it makes the others count.
_FILES = (FILE_NAME, CARD, MANIFEST)


@dataclass(frozen=True)
class PushRequest:
    """What is shared, where, and what is said of it.

    Attributes:
        file: File of weights, the ``pretrained.safetensors`` of a pretrainer.
        target: Folder, address or ``hf://OWNER/NAME``.
        licence: SPDX expression; that of the file if empty.
        data_statement: Text about the training data; that of the file if empty.
        keep_names: Whether names of cases that stand in clear may be shared.
        hash_names: Whether names of cases that stand in clear are hashed on the way.
        unfinished: Whether a pretraining may be shared that has not reached its end.
        overwrite: Whether other weights at the target are replaced.
    """

    file: Path
    target: str
    licence: str = ""
    data_statement: str = ""
    keep_names: bool = False
    hash_names: bool = False
    unfinished: bool = False
    overwrite: bool = False


def push(request: PushRequest, say: Callable[[str], object] = print) -> Manifest:
    """Check what is said of weights, write it into them, and put them where others can fetch them.

    Args:
        request: Weights, target, and what is said of them.
        say: Function that is told what was done.

    Returns:
        What lies there now.

    Raises:
        ValueError: The file has no record, there is something that must be said first (names all of it), or the target
            holds other files, or is the folder of the file.
        ConnectionError: The target cannot be reached.
        PermissionError: The target takes no files from us.
    """
    place = place_of(request.target)
    _refuse_source(place, request)
    source = read_weights(request.file)
    if source.record is None:
        raise ValueError(
            f"{request.file} has no record of a pretraining ({source.kind}), so nobody could check where it came from. "
            f"Share the {FILE_NAME} that the pretrainer wrote beside it."
        )
    record = _with_statements(source.record, request)
    _refuse_unsaid(record, request)
    if request.hash_names:
        record = record.with_hidden_names(new_salt())
    metrics, cases = validation_metrics(request.file)
    if metrics:
        record = dataclasses.replace(record, metrics=metrics, validation_cases=cases)
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / FILE_NAME
        write_pretrained(staged, source.tensors, record)
        manifest = Manifest.of(staged)
        shared = dataclasses.replace(source, path=staged, record=record)
        write_text(Path(folder) / CARD, model_card(shared, record))
        write_text(Path(folder) / MANIFEST, manifest.to_text())
        if not request.overwrite:
            _refuse_others(place, Path(folder), manifest, request)
        place.publish(Path(folder), _FILES)
    say(f"{place.words}: {FILE_NAME} ({manifest.size} bytes, SHA-256 {manifest.sha256}), {CARD}, {MANIFEST}")
    return manifest


def _with_statements(record: PretrainRecord, request: PushRequest) -> PretrainRecord:
    licence = licence_of(request.licence) if request.licence else record.licence
    statement = " ".join(request.data_statement.split()) or record.data_statement
    return dataclasses.replace(record, licence=licence, data_statement=statement)


def _refuse_unsaid(record: PretrainRecord, request: PushRequest) -> None:
    """Refuse to share what somebody would have to ask for.

    Raises:
        ValueError: Names everything that is missing, and the flags that say it.
    """
    missing = []
    if not record.licence:
        missing.append("no licence: --licence CC-BY-4.0 (an SPDX identifier)")
    if len(record.data_statement) < _LEAST_STATEMENT:
        missing.append(
            'no data statement: --data "where the scans come from, whose consent or approval allows this" (at least '
            f"{_LEAST_STATEMENT} letters)"
        )
    missing += _unsaid_names(record, request)
    if record.epochs_trained < record.num_epochs and not request.unfinished:
        missing.append(
            f"an unfinished pretraining, {record.epochs_trained} of {record.num_epochs} epochs: finish it (--c), or "
            "say --unfinished"
        )
    if missing:
        raise ValueError(f"{request.file} is not shared yet. It has\n  - " + "\n  - ".join(missing))


def _unsaid_names(record: PretrainRecord, request: PushRequest) -> list[str]:
    """What must be said of names in clear; hashes are offered only where they could still be compared."""
    if not record.names_in_clear or request.keep_names:
        return []
    if any(seen.cases and not (seen.salt or seen.contents) for seen in record.lineage):
        return [
            "names of training cases in clear, which may be those of patients, and no fingerprints of the images (an "
            "earlier version wrote the record): --keep-names shares the names. --hash-names cannot be used: once they "
            "are hashed, nobody could compare the record with other hashed weights any more. To share without names "
            "pretrain anew: this version writes fingerprints"
        ]
    if request.hash_names:
        return []
    return [
        "names of training cases in clear, which may be those of patients: --hash-names replaces them by salted "
        "hashes, --keep-names shares them"
    ]


def _refuse_source(place: Place, request: PushRequest) -> None:
    """Refuse the folder of the file itself: the copy for others would replace the original.

    Raises:
        ValueError: The target is that folder.
    """
    homes = (request.file.parent.resolve(), request.file.resolve().parent)
    if isinstance(place, FolderPlace) and place.folder.resolve() in homes:
        raise ValueError(
            f"{request.target} is the folder of {request.file}: what is shared would replace the original. Choose "
            "another folder: nnunet_uad weights push FILE FOLDER"
        )


def _refuse_others(place: Place, folder: Path, ours: Manifest, request: PushRequest) -> None:
    """Refuse to replace files that are not asked for.

    Raises:
        ValueError: Others lie there.
    """
    with suppress(AbsentError, ValueError):
        if Manifest.read(place.read(MANIFEST), request.target).sha256 == ours.sha256:
            return
    others = place.others(folder, _FILES)
    if others:
        again = " --hash-names draws a new salt for each push, so the same one is repeated by it, too."
        raise ValueError(
            f"{request.target} holds weights already, or files of the same names: {', '.join(others)}. Choose another "
            f"target, or replace them: --overwrite.{again if request.hash_names else ''}"
        )
