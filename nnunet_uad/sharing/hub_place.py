"""Weights in a repository of the Hugging Face Hub, by its own library (the extra ``hub``)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunet_uad.common.schema import shown
from nnunet_uad.sharing.manifest import MOST_TEXT
from nnunet_uad.sharing.place import GO_ON, HUB, AbsentError, too_long
from nnunet_uad.weights.printable import printable

#: Where the library finds a token.
_LOG_IN = "hf auth login, or the variable HF_TOKEN"
#: Letters of what the Hub says that are shown.
_MOST_ANSWER = 300
_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")


class HubPlace:
    """A model repository; where the Hub is says HF_ENDPOINT, who we are HF_TOKEN or ``hf auth login``.

    Args:
        text: ``OWNER/NAME``, or ``OWNER/NAME@REVISION`` to fetch a certain version.

    Raises:
        ValueError: It is of another form.
        RuntimeError: The library is not installed; names the command.
    """

    def __init__(self, text: str) -> None:
        match = _NAME.fullmatch(text)
        if match is None:
            raise ValueError(
                f"A repository of the Hub is named {HUB}OWNER/NAME, or {HUB}OWNER/NAME@REVISION, found "
                f"{shown(HUB + text)}."
            )
        self.repository, self.revision = match[1], match[2]
        self.words = f"{HUB}{text}"
        self._hub = _library()
        #: As the library reads it, but when it is asked, not when it is imported.
        self._endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or None

    def read(self, name: str) -> bytes:
        """As every place."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(self._download(name, Path(folder)))
            if path.stat().st_size > MOST_TEXT:
                raise ValueError(too_long(f"{name} of {self.words}"))
            return path.read_bytes()

    def fetch(self, name: str, partial: Path, size: int) -> None:
        """As every place; the library keeps what it has in a folder beside the file, and continues that."""
        store = partial.with_name(f"{partial.name}.hub")
        store.mkdir(exist_ok=True)
        Path(self._download(name, store)).replace(partial)

    def others(self, folder: Path, names: Sequence[str]) -> list[str]:
        """As every place; whatever is there is of others, as a push is one commit."""
        api = self._hub.HfApi(self._endpoint, library_name="nnunet_uad")
        with self._told("the repository"):
            return [name for name in names if api.file_exists(self.repository, name, revision=self.revision)]

    def publish(self, folder: Path, names: Sequence[str]) -> None:
        """As every place, in one commit; a repository that is not there is made, private."""
        if self.revision:
            raise ValueError(f"{self.words} names a version; push to {HUB}{self.repository}.")
        api = self._hub.HfApi(self._endpoint, library_name="nnunet_uad")
        with self._told("the repository"):
            api.create_repo(self.repository, private=True, exist_ok=True)
            api.create_commit(
                self.repository,
                [self._hub.CommitOperationAdd(name, str(folder / name)) for name in names],
                commit_message="Weights, by nnunet_uad weights push",
            )

    def _download(self, name: str, folder: Path) -> str:
        with self._told(name):
            return self._hub.hf_hub_download(
                self.repository,
                name,
                revision=self.revision,
                local_dir=folder,
                library_name="nnunet_uad",
                endpoint=self._endpoint,
            )

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Turn the library's errors into words."""
        from huggingface_hub import errors

        try:
            yield
        except errors.RepositoryNotFoundError as error:
            raise AbsentError(
                f"{self.words} is not there, or is private and this machine may not see it. Log in with a token that "
                f"may: {_LOG_IN}."
            ) from error
        except errors.RevisionNotFoundError as error:
            raise AbsentError(f"{self.words}: there is no such version.") from error
        except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
            # An answer that it does not like is the same to the library as none.
            cause = error.__cause__
            raise (
                self._refused(cause) if isinstance(cause, errors.HfHubHTTPError) else self._offline(error)
            ) from error
        except errors.EntryNotFoundError as error:
            raise AbsentError(f"There is no {what} in {self.words}.") from error
        except errors.HfHubHTTPError as error:
            raise self._refused(error) from error
        except Exception as error:
            # Its HTTP library has changed before, and with it the errors of a lost connection.
            if type(error).__module__.startswith(("httpx", "httpcore", "requests")):
                raise self._offline(error) from error
            raise

    def _refused(self, error: Any) -> OSError:
        """What to say of an answer of the Hub that is none."""
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            return PermissionError(
                f"{self.words} does not let this machine in ({status}). Log in with a token that may: {_LOG_IN}"
            )
        return ConnectionError(f"The Hub answers of {self.words}: {printable(str(error), _MOST_ANSWER)}. {GO_ON}")

    def _offline(self, error: Exception) -> ConnectionError:
        return ConnectionError(
            f"{self.words} cannot be reached ({type(error).__name__}). Is this machine offline, or HF_HUB_OFFLINE set? "
            f"{GO_ON}"
        )


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise RuntimeError(f"{HUB} needs the library of the Hugging Face Hub: pip install 'nnunet_uad[hub]'") from error
    return huggingface_hub
