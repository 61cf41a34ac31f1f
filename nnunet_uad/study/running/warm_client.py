"""Run something in a warm process as if it had been started here; a job imports this before anything heavy."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType

from nnunet_uad.study.running.warm_names import ADDRESS_VARIABLE

#: What a command that is told to end may do first; its process is told the same.
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def run_warm(entry: str, words: Sequence[str], environment: Mapping[str, str], forward: bool = False) -> int | None:
    """Run an entry in a warm process, with the output of this one; it ends when this process ends.

    Args:
        entry: Key of :data:`~nnunet_uad.study.running.warm_names.ENTRIES`.
        words: Words of the command line, the command first.
        environment: The whole environment of the process.
        forward: Whether signals are told to the process, which ends itself, instead of ending this one and it.

    Returns:
        The exit status, negative for the signal that ended it as in :mod:`subprocess`; ``None`` if there is no warm
        process, and nothing was run.
    """
    address = os.environ.get(ADDRESS_VARIABLE)
    if not address:
        return None
    # A signal that came before the process is known could not be told to it.
    with _held() if forward else nullcontext(), socket.socket(socket.AF_UNIX) as connection:
        request = {"entry": entry, "words": list(words), "environment": dict(environment), "folder": str(Path.cwd())}
        text = json.dumps(request).encode()
        sys.stdout.flush()
        sys.stderr.flush()
        answers = connection.makefile("r", encoding="ascii")
        try:
            connection.connect(address)
            socket.send_fds(connection, [len(text).to_bytes(8, "big")], [1, 2])
            connection.sendall(text)
            started = answers.readline()
        except OSError:
            return None
        if not started:
            return None
        with _forwarding(int(started)) if forward else nullcontext(), suppress(OSError):
            if ended := answers.readline():
                return int(ended)
    # The process that forks was killed, and with it all that it had forked.
    return -signal.SIGKILL


@contextmanager
def _held() -> Iterator[None]:
    numbers = [getattr(signal, name) for name in _FORWARDED]
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


@contextmanager
def _forwarding(process: int) -> Iterator[None]:
    def forward(number: int, frame: FrameType | None) -> None:
        """Tell the process; this one ends when that one has ended."""
        os.kill(process, number)

    numbers = [getattr(signal, name) for name in _FORWARDED]
    heard = [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    earlier = {number: signal.signal(number, forward) for number in heard}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
