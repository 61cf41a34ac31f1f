"""A small command of its own process: it writes a file, and a worker of it writes another."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_uad.common.ending import clean_up_on_sigterm, ending_well
from nnunet_uad.common.files import TEMPORARY

SCRIPT = """
import os, sys, time
from pathlib import Path
from nnunet_uad.common.ending import clean_up_on_sigterm, ending_well, process_pool
from nnunet_uad.common.files import atomic_path
from nnunet_uad.common.lock import folder_lock

def write(path):
    with atomic_path(path) as temporary:
        temporary.write_text(str(os.getpid()))
        time.sleep(60)

def training(folder):
    clean_up_on_sigterm()
    write(folder / "own")

if __name__ == "__main__":
    folder, kind = Path(sys.argv[1]), sys.argv[2]
    if kind == "training":
        training(folder)
    with ending_well("the command"), folder_lock(folder), process_pool(1) as pool:
        pool.submit(write, folder / "of the worker")
        write(folder / "own")
"""


@pytest.fixture
def started(tmp_path):
    """Start the script, wait until it writes; returns process, folder, and the ids of who writes."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    def start(kind: str, files: int) -> tuple[subprocess.Popen, Path, set[int]]:
        folder = tmp_path / "out"
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, script, folder, kind], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        for _ in range(3000):
            ids = {int(text) for p in folder.glob(f"{TEMPORARY}*/*") if (text := p.read_text())}
            if len(ids) == files:
                return process, folder, ids
            time.sleep(0.02)
        raise AssertionError(process.communicate())

    return start


@pytest.fixture(autouse=True)
def interruptible():
    """Control-C is heard, whatever the shell that started the tests does with it; children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def is_gone(process_id: int) -> bool:
    for _ in range(500):
        try:
            os.kill(process_id, 0)
            # Ended, but nobody has asked how: its parent is gone, and this container has no init.
            if Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_leaves_nothing(started, number):
    process, folder, ids = started("command", 2)
    # Ctrl-C goes to the workers, too.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert errors.strip() == f"the command: ended by {number.name}. The same command again finishes the rest."
    assert not list(folder.iterdir()) and all(map(is_gone, ids))


def test_workers_do_not_outlive_a_killed_command(started):
    process, folder, ids = started("command", 2)
    process.kill()
    process.communicate()
    assert all(map(is_gone, ids))
    assert len(list(folder.glob(f"{TEMPORARY}*/own"))) == 1  # the next command removes it, by the lock that is left


def test_a_training_dies_of_sigterm_and_leaves_nothing(started):
    process, folder, _ = started("training", 1)
    process.terminate()
    assert process.wait(60) == -signal.SIGTERM and not list(folder.iterdir())
    process.communicate()


def test_who_is_deaf_stays_deaf():
    earlier = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ending_well("the command"):
            clean_up_on_sigterm()
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) != signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, earlier)
