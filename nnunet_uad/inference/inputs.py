"""Which images the files of an output folder were made of: other images under the same names are noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from nnunet_uad.common.files import file_hash, write_json
from nnunet_uad.common.json_files import read_as

#: Beside the record of the outputs: case → hash of its images.
INPUTS_FILE = "input_images.json"


def images_hash(files: Sequence[str | Path]) -> str:
    """Hash of the images of a case, in the order of their channels.

    Args:
        files: Files of the images.
    """
    return hashlib.sha256(" ".join(map(file_hash, files)).encode()).hexdigest()


class InputImages:
    """The images of the cases that a folder holds.

    Args:
        path: File of the record, beside the outputs.

    Raises:
        ValueError: The file is no record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        stored = read_as(dict[str, str], path, "Remove it, and what lies beside it.") if path.is_file() else {}
        self.hashes = dict(stored)

    def changed(self, case: str, files: Sequence[str | Path]) -> bool:
        """Whether what is there of a case was made of other images, or of nobody knows which.

        Args:
            case: Identifier of the case.
            files: Files of its images.
        """
        try:
            return self.hashes.get(case) != images_hash(files)
        except OSError:
            return True

    def add(self, case: str, value: str) -> None:
        """Note a case whose outputs are written.

        Args:
            case: Identifier of the case.
            value: Hash of its images, of :func:`images_hash`.
        """
        if self.hashes.get(case) != value:
            self.hashes[case] = value
            write_json(self.path, self.hashes)
