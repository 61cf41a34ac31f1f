"""Names of cases, which may be names of patients: how they are compared, and how they travel as salted hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_ENDINGS = (".gz", ".nii", ".nrrd", ".mha", ".mhd", ".gipl", ".png", ".bmp", ".tif", ".tiff", ".b2nd", ".npz")
#: Bytes of a salt, and of each of the two hashes of a name.
_SALT, _HASH = 16, 8
_SALT_FORM, _HIDDEN_FORM = (re.compile(f"[0-9a-f]{{{2 * n}}}") for n in (_SALT, 2 * _HASH))
#: Stands where a name would, if all that is known is a hash.
UNNAMED = "a case whose name the weights keep as a hash"


def plain_name(case: str) -> str:
    """An identifier without what people and programs change by accident: case, spaces around it, a file ending.

    Args:
        case: Identifier of a case.

    Example:
        >>> plain_name("Lesion_1.nii.gz ")
        'lesion_1'
    """
    name = unicodedata.normalize("NFKC", case).casefold().strip()
    while ending := next((e for e in _ENDINGS if name.endswith(e) and len(name) > len(e)), ""):
        name = name.removesuffix(ending).strip()
    return name


def new_salt() -> str:
    """A salt that no other file has, in hexadecimal digits."""
    return secrets.token_hex(_SALT)


def is_salt(text: str) -> bool:
    """Whether a text can be a salt.

    Args:
        text: Text of a record.
    """
    return bool(_SALT_FORM.fullmatch(text))


def is_hidden(name: str) -> bool:
    """Whether a text can be a hashed identifier.

    Args:
        name: Text of a record.
    """
    return bool(_HIDDEN_FORM.fullmatch(name))


def hidden_name(case: str, salt: str) -> str:
    """An identifier as a keyed hash (BLAKE2b, RFC 7693): the first half of its plain name, the second of its spelling.

    Whoever has the salt can try names, so this keeps a name from being read, not from being guessed.

    Args:
        case: Identifier of a case.
        salt: Salt of the file, which is the key.

    Example:
        >>> first, second = (hidden_name(name, 32 * "0") for name in ("Lesion_1.nii.gz", "lesion_1"))
        >>> first[:16] == second[:16], first == second
        (True, False)
    """
    key = bytes.fromhex(salt)
    return "".join(_hash(name, key) for name in (plain_name(case), case))


@dataclass(frozen=True)
class SeenCases:
    """Cases that something was trained on: under their names, or under hashes with the salt of a file.

    Attributes:
        contents: Fingerprints of the images by name or hash, none where they are unknown.
        salt: Salt of the hashes; empty where the names stand in clear.
    """

    contents: dict[str, tuple[str, ...]]
    salt: str = ""
    _by_plain: dict[str, str] = field(init=False, default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_plain.update({self._plain(key): key for key in self.contents})

    @classmethod
    def of(cls, cases: Iterable[str] | Mapping[str, Iterable[str]]) -> SeenCases:
        """Cases that are known by name.

        Args:
            cases: Identifiers, or identifiers with fingerprints.
        """
        found = cases if isinstance(cases, Mapping) else dict.fromkeys(cases, ())
        return cls({case: tuple(fingerprints) for case, fingerprints in found.items()})

    def key(self, case: str) -> str:
        """What a case is called here if it is among these, exactly as it is spelt.

        Args:
            case: Identifier of the case.
        """
        return hidden_name(case, self.salt) if self.salt else case

    def find(self, case: str) -> str | None:
        """The name or hash of the case that is called like another, but for accidents; ``None`` if there is none.

        Args:
            case: Identifier of the other case.
        """
        key = self.key(case)
        return key if key in self.contents else self._by_plain.get(self._plain(key))

    def named_like(self, key: str, case: str) -> bool:
        """Whether one of these is called like another case, but for accidents.

        Args:
            key: Name or hash of one of these.
            case: Identifier of the other case.
        """
        return self._plain(key) == self._plain(self.key(case))

    def shown(self, key: str, case: str) -> str:
        """How to call one of these beside a case that it is: a hash is told by the name that is known.

        Args:
            key: Name or hash of one of these.
            case: Identifier of the other case.
        """
        if not self.salt:
            return key
        return case if self.named_like(key, case) else UNNAMED

    def hidden(self, salt: str) -> SeenCases:
        """The same cases under hashes; in the order of the hashes, which tells nothing.

        Args:
            salt: Salt of the hashes.

        Raises:
            ValueError: They are hashed already, and nobody knows their names.
        """
        if self.salt:
            raise ValueError("The names are hashed already; they cannot be hashed with another salt.")
        hashed = {hidden_name(case, salt): found for case, found in self.contents.items()}
        return SeenCases(dict(sorted(hashed.items())), salt)

    def _plain(self, key: str) -> str:
        return key[: 2 * _HASH] if self.salt else plain_name(key)


def _hash(name: str, key: bytes) -> str:
    # Lone surrogates, of file names that are no UTF-8, have bytes, too.
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_HASH, key=key).hexdigest()
