"""One process at a time: locks that say who holds them and end with their process, however it ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from nnunet_uad.common.files import remove_temporaries, words_for_full_disk

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: In every folder that is being written; gone when nobody writes.
LOCK_FILE = ".nnunet_uad_lock"
#: What file systems say that have no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_held: dict[Path, IO[str]] = {}


class LockedError(RuntimeError):
    """Another process holds the lock."""


def warn(text: str) -> None:
    """Tell the user on standard error.

    Args:
        text: Sentence to print.
    """
    print(text, file=sys.stderr, flush=True)


@contextmanager
def folder_lock(folder: str | Path, wait: bool = False, say: Callable[[str], object] = warn) -> Iterator[None]:
    """Be the only process that writes into a folder; what a killed one left unfinished there is removed first.

    Args:
        folder: Folder to write into. It is made if it does not exist, and removed if nothing was written.
        wait: Whether to wait for another process instead of refusing.
        say: Function that is told what the user should know.

    Raises:
        LockedError: Another process writes there; says which.
        NotADirectoryError: There is a file of that name.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), folder)
        raise NotADirectoryError(f"Expected a folder to write into, found a file: {file}. Name another.") from error
    try:
        with file_lock(folder / LOCK_FILE, f"{folder} is being written", wait, say) as was_killed:
            if was_killed:
                remove_temporaries(folder)
            try:
                yield
            except BaseException:
                # Of workers that had to be killed.
                remove_temporaries(folder)
                raise
    finally:
        with suppress(OSError):
            for path in made:
                path.rmdir()


@contextmanager
def file_lock(path: Path, doing: str, wait: bool = False, say: Callable[[str], object] = warn) -> Iterator[bool]:
    """Hold a lock.

    Args:
        path: File of the lock, in a folder that exists; it is removed at the end.
        doing: Clause that says what its holder does, for the message: ``MAPS is being written``.
        wait: Whether to wait for another process instead of refusing.
        say: Function that is told what the user should know.

    Yields:
        Whether the last holder was killed.

    Raises:
        LockedError: Another process holds the lock; says which.
    """
    handle = _take(path, doing, wait, say)
    if handle is None:
        yield False
        return
    _held[path] = handle
    try:
        handle.seek(0)
        was_killed = bool(handle.read().strip())
        handle.truncate(0)
        with words_for_full_disk(path):
            json.dump(_own_record(), handle)
            handle.flush()
        yield was_killed
    finally:
        # Before the lock ends: who waits for it finds out that the file is not the one in the folder any more.
        path.unlink(missing_ok=True)
        _held.pop(path, None)
        handle.close()


def release_all() -> None:
    """Remove the locks of this process; for its end only."""
    for path in list(_held):
        path.unlink(missing_ok=True)


def _take(path: Path, doing: str, wait: bool, say: Callable[[str], object]) -> IO[str] | None:
    """The locked file; ``None`` where the file system has no locks."""
    while True:
        handle = path.open("a+", encoding="utf-8")
        try:
            _lock(handle, path, doing, wait, say)
            if _is_file(handle, path):
                return handle
        except BaseException as error:
            handle.close()
            if isinstance(error, OSError) and error.errno in _NO_LOCKS:
                path.unlink(missing_ok=True)
                say(
                    f"WARNING: The file system of {path.parent} has no locks ({error.strerror}): take care that only "
                    "one process writes there."
                )
                return None
            raise
        # Its holder has removed it meanwhile.
        handle.close()


def _lock(handle: IO[str], path: Path, doing: str, wait: bool, say: Callable[[str], object]) -> None:
    if fcntl is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        holder = f"{doing} already by {_holder(path)}."
        # Nobody can wait for himself.
        if not wait or path in _held:
            raise LockedError(f"{holder} Wait until it has ended, then run the same again.") from error
        say(f"{holder} Waiting until it has ended …")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _is_file(handle: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _own_record() -> dict[str, Any]:
    return {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]) if sys.argv else "",
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _holder(path: Path) -> str:
    """Who holds a lock, in words."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return "process {process} on {host} since {since} ({command})".format(**record)
    except (OSError, ValueError, LookupError, TypeError):
        return "another process, which has just begun or ended"


def _forget() -> None:
    """A forked child must not hold the lock of a parent that has ended."""
    for handle in _held.values():
        handle.close()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
