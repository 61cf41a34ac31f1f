"""Names that users choose, as parts of paths: distinct for distinct names in any script."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# File systems take names of 255 bytes; a log's file carries another name and an ending beside this.
_LONGEST, _KEPT = 150, 60


def slug(name: str) -> str:
    """A name as part of a path: ASCII letters, digits and single underscores.

    What ASCII cannot say is told apart by a few characters of the name's hash; the two ways in which Unicode writes an
    accent are one name.

    Args:
        name: Name in any script.

    Example:
        >>> slug("TAE + auxiliary"), slug("Größe")
        ('TAE_auxiliary', 'Gro_e_aedc3f80')
    """
    marks = (c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = re.sub(r"[^A-Za-z0-9]+", "_", name if name.isascii() else "".join(marks)).strip("_")
    if name.isascii() and len(words) <= _LONGEST:
        return words or "_"
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{words[:_KEPT].strip('_')}_{digest}".lstrip("_")
