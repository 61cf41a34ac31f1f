"""``weights.json``: which file of weights lies here, and what its bytes must be."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from nnunet_uad.common.files import file_hash
from nnunet_uad.common.schema import Matching, build
from nnunet_uad.weights.names import FILE_NAME

#: Written last, so that where it lies everything lies.
MANIFEST = "weights.json"
CARD = "README.md"
#: Longest manifest or card that is read, bytes.
MOST_TEXT = 2**20
_FORMAT = 1
_NAME = Matching(r"(?!\.)[\w.+-]{1,100}\.safetensors", "the name of a .safetensors file, without folders")
_SHA256 = Matching(r"[0-9a-f]{64}", "64 hexadecimal digits")


@dataclass(frozen=True)
class Manifest:
    """What lies in a folder of shared weights.

    Attributes:
        sha256: SHA-256 of the file of weights, in hexadecimal digits.
        size: Size of that file, bytes.
        file: Name of that file.
        card: Whether a model card lies beside it.
        format: Version of this form.
    """

    sha256: Annotated[str, _SHA256]
    size: int
    file: Annotated[str, _NAME] = FILE_NAME
    card: bool = True
    format: int = _FORMAT

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size expects >= 1 byte, found {self.size}.")

    @classmethod
    def of(cls, path: Path) -> Manifest:
        """The manifest of a file.

        Args:
            path: File of weights.
        """
        return cls(file_hash(path), path.stat().st_size, path.name)

    @classmethod
    def read(cls, content: bytes, where: str) -> Manifest:
        """Read a manifest that somebody else wrote.

        Args:
            content: Bytes of the file.
            where: Words for the place it lies in.

        Raises:
            ValueError: It is damaged, of another form, or of a newer version.
        """
        fix = "Ask whoever shares the weights to push them again: nnunet_uad weights push."
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{MANIFEST} of {where} is damaged: it is no JSON ({error}). {fix}") from error
        version = found.get("format") if isinstance(found, dict) else None
        if type(version) is int and version > _FORMAT:
            raise ValueError(
                f"{MANIFEST} of {where} has format {version}; this version reads up to {_FORMAT}. Update: "
                "pip install -U nnunet_uad"
            )
        try:
            return build(cls, found, MANIFEST, ignore_unknown=True)
        except ValueError as error:
            raise ValueError(f"{MANIFEST} of {where} is damaged: {error} {fix}") from error

    def check(self, path: Path, where: str) -> None:
        """Compare a file with what it must be.

        Args:
            path: File that was fetched.
            where: Words for the place that it came from.

        Raises:
            ValueError: It is another file.
        """
        size, found = path.stat().st_size, file_hash(path)
        if (size, found) != (self.size, self.sha256):
            raise ValueError(
                f"{self.file} of {where} is not what its {MANIFEST} says: expected {self.size} bytes with SHA-256 "
                f"{self.sha256}, found {size} bytes with {found}. It was cut, damaged or replaced; nothing of it was "
                "kept. Run the same command again; if it stays so, ask whoever shares the weights."
            )

    def to_text(self) -> str:
        """The manifest as the file holds it."""
        return json.dumps(asdict(self), indent=2) + "\n"
