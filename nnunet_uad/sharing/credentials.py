"""Where name and password for a web server come from, and what to say where they are missing."""

from __future__ import annotations

from netrc import NetrcParseError
from urllib.parse import urlsplit

from requests.utils import get_netrc_auth

#: Status codes of servers that let only some in.
REFUSED = (401, 403)


def netrc_entry(host: str = "HOST") -> str:
    """What to write for a server, and where.

    Args:
        host: Name of the server.
    """
    return f"~/.netrc: machine {host} login NAME password PASSWORD"


def not_let_in(address: str, status: int) -> str:
    """What to say where a server lets only some in: whether it was told a name, and where it comes from.

    Args:
        address: Address that was asked for, without a password.
        status: Status code of the answer.
    """
    host = urlsplit(address).hostname or "HOST"
    try:
        # requests passes over a file that it cannot read, and asks without a name.
        there = bool(get_netrc_auth(address, raise_errors=True))
    except (NetrcParseError, OSError):
        found = "that file cannot be read: its form is wrong, or others may read it. Correct it"
    else:
        found = (
            f"the entry for {host} is not taken, or has no right here. Ask whoever runs the server, or correct it"
            if there
            else f"there is none for {host}. Write it, only for yourself to read (chmod 600)"
        )
    return (
        f"{address} lets only some in ({status}). Name and password come from ~/.netrc, or the file that the variable "
        f"NETRC names, and {found}: {netrc_entry(host)}"
    )
