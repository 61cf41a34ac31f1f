"""Weights at an HTTP(S) address: fetched by GET, continued by ranges; put there by PUT, as WebDAV servers allow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urljoin

import requests
from tqdm import tqdm

from nnunet_uad.common.schema import shown
from nnunet_uad.sharing.credentials import REFUSED, netrc_entry, not_let_in
from nnunet_uad.sharing.manifest import MOST_TEXT
from nnunet_uad.sharing.place import GO_ON, AbsentError, too_long
from nnunet_uad.weights.printable import printable

#: Seconds until a connection, and between two pieces.
_PATIENCE = (10, 60)
_PIECE = 2**20
#: Letters of what a server says that are shown.
_MOST_REASON = 100
_NO_PUT = (404, 405, 409, 501)
#: What stands before the path of an address, without name and password.
_HOST = re.compile(r"(\[[^\]@]*\]|[^:@]*)(:\d*)?")


class _Session(requests.Session):
    """Requests that never go on unencrypted from an encrypted address."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The address that an answer points to; also that of a redirect which is not followed.

        Args:
            resp: Answer of the server.

        Raises:
            ConnectionError: It leads from https:// to http://.
        """
        target = super().get_redirect_target(resp)
        if target is not None and resp.url.startswith("https:"):
            there = urljoin(resp.url, target)
            if not there.lower().startswith("https:"):
                raise ConnectionError(
                    f"{resp.url} leads to {_pointed(there)}, where the answer could be changed on the way; expected an "
                    "address with https://. Ask whoever runs the server, or name that address yourself if you trust "
                    "the network."
                )
        return target


class HttpPlace:
    """A folder of a web server; name and password come from ``~/.netrc``, as for curl.

    Args:
        address: Address of the folder.

    Raises:
        ValueError: A name or password stands in the address.
    """

    def __init__(self, address: str) -> None:
        _refuse_password(address)
        self.address = address.rstrip("/")
        self.words = self.address

    def read(self, name: str) -> bytes:
        """As every place."""
        with self._get(name, {}) as answer:
            content = b""
            for piece in answer.iter_content(_PIECE):
                content += piece
                if len(content) > MOST_TEXT:
                    raise ValueError(too_long(self._url(name)))
            return content

    def fetch(self, name: str, partial: Path, size: int) -> None:
        """As every place; a server without ranges sends all of it again."""
        there = partial.stat().st_size if partial.is_file() else 0
        if there > size:
            partial.unlink()
            there = 0
        if there == size:
            return
        with self._get(name, {"Range": f"bytes={there}-"} if there else {}) as answer:
            continues = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(
                f"bytes {there}-"
            )
            start = there if continues else 0
            with (
                partial.open("ab" if continues else "wb") as target,
                tqdm(total=size, initial=start, unit="B", unit_scale=True, desc=name) as progress,
            ):
                for piece in answer.iter_content(_PIECE):
                    target.write(piece)
                    progress.update(len(piece))
                    # Whatever comes behind the end is not the file, and could be endless.
                    if target.tell() > size:
                        break
        if partial.stat().st_size < size:
            raise ConnectionError(
                f"{self._url(name)} ended after {partial.stat().st_size} of {size} bytes. Run the same command again: "
                "what is there is continued."
            )

    def others(self, folder: Path, names: Sequence[str]) -> list[str]:
        """As every place; whatever is there counts, as it is not fetched."""
        there = []
        for name in names:
            with suppress(AbsentError), self._get(name, {}):
                there.append(name)
        return there

    def publish(self, folder: Path, names: Sequence[str]) -> None:
        """As every place."""
        for name in names:
            with (folder / name).open("rb") as handle, self._told():
                # Followed, a redirect becomes a GET: its answer says nothing of what was stored.
                answer = requests.put(self._url(name), data=handle, timeout=_PATIENCE, allow_redirects=False)
            if 300 <= answer.status_code < 400:
                raise PermissionError(
                    f"{self._url(name)} takes no file, it points to {_pointed(answer.headers.get('Location', ''))} "
                    f"({answer.status_code}). If the folder moved, push to its new address; if that is a login, put "
                    f"name and password into {netrc_entry()}"
                )
            if answer.status_code in _NO_PUT:
                raise PermissionError(
                    f"{self.address} does not take files by PUT ({_status(answer)}), as WebDAV "
                    "folders that exist do. Push to a folder and copy that to the server: nnunet_uad weights push FILE "
                    "FOLDER"
                )
            self._refuse_failure(answer, name)
        self._look_again(folder, names[-1])

    def _look_again(self, folder: Path, name: str) -> None:
        """Read back what was put.

        Raises:
            ConnectionError: Something else is there, or nothing.
        """
        found = b""
        with suppress(AbsentError, ValueError):
            found = self.read(name)
        if found != (folder / name).read_bytes():
            raise ConnectionError(
                f"{self.address} said that it took {name}, but does not give it back: expected what was put, found "
                f"{f'{len(found)} other bytes' if found else 'nothing like it'}. Is it the address of a folder that "
                f"stores files (WebDAV)? Look yourself: curl -n {self._url(name)}"
            )

    @contextmanager
    def _get(self, name: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        # Packed on the way, a length or a range would be that of other bytes.
        wanted = {"Accept-Encoding": "identity", **headers}
        with (
            self._told(),
            _Session() as session,
            session.get(self._url(name), headers=wanted, stream=True, timeout=_PATIENCE) as answer,
        ):
            if answer.status_code in (404, 410):
                raise AbsentError(f"There is no {self._url(name)} ({answer.status_code}).")
            self._refuse_failure(answer, name)
            yield answer

    def _refuse_failure(self, answer: requests.Response, name: str) -> None:
        """Turn an answer that is none into words.

        Raises:
            PermissionError: The server does not let us in.
            ConnectionError: It fails in another way.
        """
        if answer.status_code in REFUSED:
            raise PermissionError(not_let_in(self._url(name), answer.status_code))
        if answer.status_code >= 400:
            what = GO_ON if answer.status_code >= 500 else "Is the address right? Else ask whoever runs the server."
            raise ConnectionError(f"{self._url(name)} answers {_status(answer)}. {what}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the library says of a lost or missing connection into words."""
        try:
            yield
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise ValueError(f"{self.address} is no address: {error}.") from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise ConnectionError(f"The connection to {self.address} was lost on the way. {GO_ON}") from error
        except requests.RequestException as error:
            raise ConnectionError(
                f"{self.address} cannot be reached ({type(error).__name__}). Is this machine offline, or behind a "
                f"proxy (https_proxy)? {GO_ON}"
            ) from error

    def _url(self, name: str) -> str:
        return f"{self.address}/{quote(name)}"


def _refuse_password(address: str) -> None:
    """Refuse an address with a name or password, without saying it.

    Raises:
        ValueError: It has one.
    """
    rest = address.partition("://")[2]
    if "@" in rest and not _HOST.fullmatch(re.split(r"[/?#\\]", rest)[0]):
        raise ValueError(
            "The address has a name or password before its @, which would stand in messages and in the history of the "
            f"shell: expected https://HOST/FOLDER. Put them into {netrc_entry()}"
        )


def _status(answer: requests.Response) -> str:
    """What a server answers, in words that are its own."""
    return printable(f"{answer.status_code} {answer.reason}", _MOST_REASON)


def _pointed(address: str) -> str:
    """Where a server points to, in words: without what follows ``?``, which may be a key."""
    return shown(address.partition("?")[0])
