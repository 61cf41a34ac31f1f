"""How a command ends when it is told to: without traceback, worker or unfinished file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from types import FrameType

from nnunet_uad.common.files import remove_unfinished
from nnunet_uad.common.lock import release_all

#: Ctrl-C, the end of a job or of its time, a closed terminal.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
#: Seconds that workers have to end by themselves.
_WORKERS = 1.0
#: Seconds after which a command ends though something has swallowed its exception.
_AT_MOST = 5.0


@contextmanager
def ending_well(command: str) -> Iterator[None]:
    """End within seconds on Ctrl-C, SIGTERM and SIGHUP, with exit status 128 + the number of the signal.

    Args:
        command: Words that the user typed, for the message.
    """
    if threading.current_thread() is not threading.main_thread():  # no other thread may handle signals
        yield
        return

    last_resort = threading.Timer(_AT_MOST, _end_at_once)
    last_resort.daemon = True

    def end(number: int, frame: FrameType | None) -> None:
        """Stop the workers, then leave through every ``finally``."""
        for other in heard:
            signal.signal(other, signal.SIG_DFL)
        # Not print: this may have interrupted one.
        name = signal.Signals(number).name
        os.write(2, f"\n{command}: ended by {name}. The same command again finishes the rest.\n".encode())
        last_resort.args = [128 + number]
        last_resort.start()
        end_workers()
        raise SystemExit(128 + number)

    # Not where the user asked for deafness: nohup, and jobs in the background of a script.
    heard = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    earlier = {number: signal.signal(number, end) for number in heard}
    try:
        yield
    finally:
        last_resort.cancel()
        for number, handler in earlier.items():
            signal.signal(number, handler)


def end_workers() -> None:
    """End the processes that this one has started with :mod:`multiprocessing`."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(_WORKERS / len(children))
        if child.is_alive():
            child.kill()


def process_pool(processes: int) -> ProcessPoolExecutor:
    """Processes that end with this one, however it ends.

    Args:
        processes: Number of processes.
    """
    # Spawned, as nnU-Net's own: forked children inherit locks of threads that they do not have.
    return ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_follow_parent)


def die_with_parent(number: int = getattr(signal, "SIGKILL", signal.SIGTERM)) -> None:
    """Linux: a training must not go on unseen when its job was killed, while another job starts the same.

    Args:
        number: Signal that this process gets when its parent ends.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, int(number))


def clean_up_on_sigterm() -> None:
    """For a process that is not a command of ours: die of SIGTERM as before, but leave no unfinished file."""
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _die_clean)


def _die_clean(number: int, frame: FrameType | None) -> None:
    # First the workers: one that finds its parent gone in the middle of an answer prints a traceback.
    end_workers()
    remove_unfinished()
    release_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _end_at_once(status: int) -> None:
    remove_unfinished()
    release_all()
    os._exit(status)


def _follow_parent() -> None:
    """Set up a worker: Ctrl-C is its parent's business, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: _end_at_once(128 + number))
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end_at_once(1)
