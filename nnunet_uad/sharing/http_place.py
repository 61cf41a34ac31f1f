"""Weights at an HTTP(S) address: fetched by GET, continued by ranges; put there by PUT, as WebDAV servers allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import requests
from tqdm import tqdm

from nnunet_uad.sharing.manifest import MOST_TEXT
from nnunet_uad.sharing.place import GO_ON, AbsentError, too_long

#: Seconds until a connection, and between two pieces.
_PATIENCE = (10, 60)
_PIECE = 2**20
_REFUSED = (401, 403)
_NO_PUT = (404, 405, 409, 501)


class HttpPlace:
    """A folder of a web server; name and password come from ``~/.netrc``, as for curl.

    Args:
        address: Address of the folder.
    """

    def __init__(self, address: str) -> None:
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
                answer = requests.put(self._url(name), data=handle, timeout=_PATIENCE)
            if answer.status_code in _REFUSED:
                raise PermissionError(
                    f"{self._url(name)} asks for a name and password ({answer.status_code}). Put them into ~/.netrc: "
                    "machine HOST login NAME password PASSWORD"
                )
            if answer.status_code in _NO_PUT:
                raise PermissionError(
                    f"{self.address} does not take files by PUT ({answer.status_code} {answer.reason}), as WebDAV "
                    "folders that exist do. Push to a folder and copy that to the server: nnunet_uad weights push FILE "
                    "FOLDER"
                )
            self._refuse_failure(answer, name)

    @contextmanager
    def _get(self, name: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        # Packed on the way, a length or a range would be that of other bytes.
        wanted = {"Accept-Encoding": "identity", **headers}
        with (
            self._told(),
            requests.get(self._url(name), headers=wanted, stream=True, timeout=_PATIENCE) as answer,
        ):
            if answer.status_code in (404, 410):
                raise AbsentError(f"There is no {self._url(name)} ({answer.status_code}).")
            self._refuse_failure(answer, name)
            yield answer

    def _refuse_failure(self, answer: requests.Response, name: str) -> None:
        if answer.status_code >= 400:
            raise ConnectionError(f"{self._url(name)} answers {answer.status_code} {answer.reason}.")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the library says of a lost or missing connection into words."""
        try:
            yield
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise ValueError(f"{self.address} is no address: {error}.") from error
        except requests.RequestException as error:
            raise ConnectionError(
                f"{self.address} cannot be reached ({type(error).__name__}). Is this machine offline, or behind a "
                f"proxy (https_proxy)? {GO_ON}"
            ) from error

    def _url(self, name: str) -> str:
        return f"{self.address}/{quote(name)}"
