import errno
import fcntl
import multiprocessing
import os
import signal
import time

import pytest

from nnunet_uad.common import lock
from nnunet_uad.common.files import TEMPORARY
from nnunet_uad.common.lock import LOCK_FILE, LockedError, file_lock, folder_lock

FORK = multiprocessing.get_context("fork")


def hold(folder, started, seconds: float, content: str = "") -> None:
    with folder_lock(folder):
        if content:
            (folder / content).mkdir()
        started.set()
        time.sleep(seconds)


def start(folder, seconds: float, content: str = ""):
    started = FORK.Event()
    process = FORK.Process(target=hold, args=(folder, started, seconds, content))
    process.start()
    assert started.wait(60)
    return process


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_is_no_folder_to_write_into(tmp_path, name):
    (tmp_path / "file").write_text("")
    expected = "Expected a folder .* found a file: .*/file. Name"
    with pytest.raises(NotADirectoryError, match=expected), folder_lock(tmp_path / name):
        pass


def test_a_second_process_is_told_who_writes(tmp_path):
    folder = tmp_path / "deep" / "out"
    first = start(folder, 60)
    expected = f"out is being written already by process {first.pid} on .* since"
    with pytest.raises(LockedError, match=expected), folder_lock(folder):
        pass
    first.kill()
    first.join()


def test_or_waits(tmp_path):
    first, said = start(tmp_path, 0.5), []
    with folder_lock(tmp_path, wait=True, say=said.append):
        first.join(10)
        assert first.exitcode == 0 and "Waiting until it has ended" in said[0]
        assert (tmp_path / LOCK_FILE).exists()
    assert not list(tmp_path.iterdir())


def test_nobody_waits_for_himself(tmp_path):
    with folder_lock(tmp_path), pytest.raises(LockedError, match="already"), folder_lock(tmp_path, wait=True):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path):
    first = start(tmp_path, 60, f"{TEMPORARY}1")
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    assert len(list(tmp_path.iterdir())) == 2
    with folder_lock(tmp_path):
        assert [p.name for p in tmp_path.iterdir()] == [LOCK_FILE]
    assert not list(tmp_path.iterdir())


def test_only_what_nobody_wrote_into_is_removed(tmp_path):
    with folder_lock(tmp_path / "a" / "b"):
        pass
    assert not list(tmp_path.iterdir())
    with folder_lock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "map").write_text("x")
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["map"]


def test_a_child_does_not_hold_the_lock_of_its_parent(tmp_path):
    path = tmp_path / "lock"
    with file_lock(path, "a test runs"):
        child = FORK.Process(target=time.sleep, args=(60,))
        child.start()
    with file_lock(path, "a test runs"):
        assert child.is_alive()
    child.kill()
    child.join()


def test_a_folder_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    said = []
    with folder_lock(tmp_path, say=said.append):
        (tmp_path / "map").write_text("x")
    assert "has no locks" in said[0] and [p.name for p in tmp_path.iterdir()] == ["map"]
    monkeypatch.setattr(lock, "fcntl", None)
    with file_lock(tmp_path / "lock", "a test runs", say=said.append) as was_killed:
        assert not was_killed and len(said) == 2
