"""Processes that have imported PyTorch already: a job of a study then starts in a second instead of ten.

One process imports the libraries that nnU-Net needs, but not nnU-Net, which reads its folders when it is imported; for
every job and every training it forks a process of its own. What runs there is what a new process would run.
"""

from __future__ import annotations

import atexit
import importlib
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from nnunet_uad.common.commands import nnunet_environment
from nnunet_uad.common.ending import die_with_parent
from nnunet_uad.study.running.warm_names import ADDRESS_VARIABLE, ENTRIES

#: What trainers, validation and prediction import of others: nine tenths of the time of their start.
PRELOADED = (
    "torch",
    "torch._dynamo",
    "torch._inductor.utils",
    "SimpleITK",
    "nibabel",
    "blosc2",
    "skimage.morphology",
    "scipy.stats",
    "scipy.ndimage",
    "sklearn.model_selection",
    "seaborn",
    "matplotlib.pyplot",
    "timm",
    "acvl_utils.cropping_and_padding.padding",
    "batchgenerators.utilities.file_and_folder_operations",
    "batchgenerators.dataloading.nondet_multi_threaded_augmenter",
    "batchgeneratorsv2.transforms.spatial.spatial",
    "batchgeneratorsv2.transforms.nnunet.random_binary_operator",
    "dynamic_network_architectures.architectures.unet",
    "dynamic_network_architectures.architectures.primus",
    "safetensors.torch",
    "pydantic",
    "tqdm.auto",
)
_LENGTH = 8
#: Seconds in which a request must have come.
_PATIENCE = 10.0


@contextmanager
def warm_processes(wanted: bool = True) -> Iterator[None]:
    """Have warm processes at hand for the jobs that are started meanwhile on this machine's CPU.

    Args:
        wanted: Whether to; elsewhere than on Linux there are none, and every job imports for itself.
    """
    if not wanted or not _possible():
        yield
        return
    # In a folder that no other user may enter; the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="nnunet_uad_") as folder, socket.socket(socket.AF_UNIX) as listener:
        address = str(Path(folder) / "warm")
        listener.bind(address)
        listener.listen(64)
        words = [sys.executable, "-u", "-m", __name__, str(listener.fileno())]
        # A session of its own: Ctrl-C is told to the jobs, which end their processes.
        process = subprocess.Popen(
            words,
            # Threads that wait must not keep cores busy: libraries read that when they are loaded.
            env={**os.environ, **nnunet_environment({}, shared_cores=True)},
            pass_fds=[listener.fileno()],
            # So that it can end what it has forked, and what that has forked.
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
            start_new_session=True,
        )
        # Here nobody answers: a job must notice when the other process is gone.
        listener.close()
        os.environ[ADDRESS_VARIABLE] = address
        try:
            yield
        finally:
            del os.environ[ADDRESS_VARIABLE]
            process.terminate()
            process.wait()


def _possible() -> bool:
    """Whether this is Linux with a kernel that tells when any process ends (5.3 or newer)."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def serve(listener: socket.socket) -> None:
    """Fork a process for each that asks, until this one is told to end; then all end.

    Args:
        listener: Socket that listens.
    """
    running: dict[socket.socket, _Forked] = {}
    told, teller = socket.socketpair()
    # Not an exception, which could come between two lines that belong together.
    signal.signal(signal.SIGTERM, lambda number, frame: teller.close())
    try:
        ready: list[Any] = []
        while told not in ready:
            ready = wait([told, listener, *running, *(forked.ended for forked in running.values())])
            if listener in ready:
                connection = listener.accept()[0]
                try:
                    running[connection] = _forked(connection, listener)
                except (OSError, ValueError, EOFError):
                    # Who asked is gone, or silent.
                    connection.close()
            for connection, forked in list(running.items()):
                # Who asked says nothing more: what can be read is the end.
                if connection in ready or forked.ended in ready:
                    _answer(connection, forked.end(killed=forked.ended not in ready))
                    connection.close()
                    del running[connection]
    finally:
        for forked in running.values():
            forked.end(killed=True)


@dataclass(frozen=True)
class _Forked:
    """A forked process.

    Attributes:
        process: Process; its sentinel is not waited for, since workers that it leaves behind hold it open.
        ended: Descriptor that can be read when the process has ended.
    """

    process: BaseProcess
    ended: int

    def end(self, killed: bool) -> int:
        """End what is left of the process and its workers; returns the exit status."""
        if killed:
            self._kill()
        self.process.join()
        status = self.process.exitcode or 0
        if status:
            # Of a training that was killed: nnU-Net's loaders would go on.
            self._kill()
        os.close(self.ended)
        return status

    def _kill(self) -> None:
        for kill in (os.killpg, os.kill):
            # The group is there as soon as the process has made it.
            with suppress(ProcessLookupError, PermissionError):
                kill(self.process.pid or 0, signal.SIGKILL)


def _answer(connection: socket.socket, number: int) -> None:
    # Who asked may be gone.
    with suppress(OSError):
        connection.sendall(f"{number}\n".encode())


def _forked(connection: socket.socket, listener: socket.socket) -> _Forked:
    # One that is silent must not stop the others.
    connection.settimeout(_PATIENCE)
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH, 2)
    try:
        request = json.loads(_read(connection, int.from_bytes(head, "big")))
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_run, args=(request, descriptors, (connection, listener)))
        process.start()
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    forked = _Forked(process, os.pidfd_open(process.pid or 0))
    connection.settimeout(None)
    _answer(connection, process.pid or 0)
    return forked


def _read(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise EOFError("the process that asked is gone")
        found += more
    return found


def _run(request: dict[str, Any], descriptors: list[int], sockets: Iterable[socket.socket]) -> None:
    """What a forked process does: become the one that was asked for, then run it."""
    die_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setpgid(0, 0)
    for other in sockets:
        other.close()
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["words"]
    _as_new()
    module, function = ENTRIES[request["entry"]]
    # What the process that forked would do at its end is not to be done here.
    atexit._clear()
    try:
        getattr(importlib.import_module(module), function)()
    finally:
        # A process of multiprocessing leaves without: W&B would take its run for broken off.
        atexit._run_exitfuncs()


def _as_new() -> None:
    """What a new process has of its own: random numbers, and the threads and figures that its environment asks for."""
    import matplotlib
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    random.seed()
    np.random.seed()
    # MATPLOTLIBRC, which a study sets: nnU-Net's picture of the curves takes a second per epoch otherwise.
    matplotlib.rc_file(matplotlib.matplotlib_fname())
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads) > 0:
        torch.set_num_threads(int(threads))
        threadpool_limits(int(threads))


def preload() -> None:
    """Import what nnU-Net imports of others; what is missing is not missed here."""
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)


def main() -> None:
    """Entry point of the process that forks: ``python -m nnunet_uad.study.running.warm DESCRIPTOR``."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    preload()
    serve(listener)


if __name__ == "__main__":
    main()
