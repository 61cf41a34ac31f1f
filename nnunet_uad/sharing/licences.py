"""Licences by their SPDX identifiers, https://spdx.org/licenses."""

from __future__ import annotations

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from nnunet_uad.common.schema import shown

#: Those that the Hub has words for, as it spells them; any other is "other" with its name.
_OF_THE_HUB = frozenset(
    {
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "mpl-2.0", "unlicense"),
        *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0"),
        *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    }
)


def licence_of(text: str) -> str:
    """A licence as SPDX spells it.

    Args:
        text: SPDX identifier or expression, in any case; ``LicenseRef-…`` for one that SPDX does not list.

    Raises:
        ValueError: It is none; names examples.

    Example:
        >>> licence_of("cc-by-4.0")
        'CC-BY-4.0'
    """
    try:
        return str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ValueError(
            f"--licence expects an SPDX identifier (https://spdx.org/licenses), for example CC-BY-4.0, CC-BY-NC-4.0, "
            f"Apache-2.0, or LicenseRef-NAME for terms of your own; found {shown(text)}."
        ) from error


def licence_fields(licence: str) -> dict[str, str]:
    """What the front matter of a model card says of a licence, in the words of the Hub.

    Args:
        licence: SPDX expression; empty if unknown.

    Example:
        >>> licence_fields("CC-BY-4.0"), licence_fields("EUPL-1.2")
        ({'license': 'cc-by-4.0'}, {'license': 'other', 'license_name': 'eupl-1.2'})
    """
    name = licence.lower()
    if name in _OF_THE_HUB:
        return {"license": name}
    return {"license": "other", "license_name": name} if name else {}
