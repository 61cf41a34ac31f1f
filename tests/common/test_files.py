import errno
import json
import os
import resource
import subprocess
from pathlib import Path

import pytest

from nnunet_uad.common import files
from nnunet_uad.common.files import (
    TEMPORARY,
    DiskFullError,
    atomic_path,
    remove_temporaries,
    temporary_folder,
    words_for_full_disk,
    write_json,
)


def test_success_replaces_and_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError, match="broken"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("broken")
    assert json.loads(path.read_text()) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_unfinished_has_the_final_name_in_a_hidden_folder(tmp_path):
    """So that writers find the ending they choose the format by, and no reader of the folder finds a case."""
    longest = "n" * 248 + ".nii.gz"
    with atomic_path(tmp_path / longest) as temporary:
        assert temporary.name == longest and temporary.parent.name.startswith(TEMPORARY)
        assert temporary.parent.parent == tmp_path
        temporary.write_text("x")
    assert (tmp_path / longest).read_text() == "x"


def test_what_a_writer_puts_beside_its_file_goes_with_it(tmp_path):
    with atomic_path(tmp_path / "case.tif") as temporary:
        temporary.write_text("voxels")
        temporary.with_suffix(".json").write_text("spacing")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"case.tif": "voxels", "case.json": "spacing"}


def test_what_fails_its_check_is_not_written(tmp_path):
    def refuse(path: Path) -> None:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes")

    with pytest.raises(ValueError, match="a has 4 bytes"), atomic_path(tmp_path / "a", refuse) as temporary:
        temporary.write_text("half")
    assert not list(tmp_path.iterdir())


def test_left_by_killed_processes_and_removed(tmp_path):
    (tmp_path / "below" / f"{TEMPORARY}1").mkdir(parents=True)
    (tmp_path / "below" / f"{TEMPORARY}1" / "case.nii.gz").write_text("half")
    (tmp_path / "below" / "case.nii.gz").write_text("whole")
    remove_temporaries(tmp_path)
    assert [p.name for p in (tmp_path / "below").iterdir()] == ["case.nii.gz"]


def test_what_is_unfinished_is_known(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "a").write_text("half")
        files.remove_unfinished()
        assert not list(tmp_path.iterdir())


def test_a_file_that_does_not_fit(tmp_path):
    """A limit on the size of files, which needs no root; a disk that is full answers in the same way."""
    path = tmp_path / "a"
    path.write_text("good")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(DiskFullError, match=r"/a could not be written: file too large, .* free.*run the same"):
            files.write_text(path, "x" * 8192)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "good" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "free", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 10**9, "no space left on device, 1.00 GB free"),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), 10**9, "isk quota exceeded"),
        (RuntimeError("[enforce fail] . unexpected pos 64 vs 0"), 4096, "no space left on device, 4 kB free"),
        (RuntimeError("something else"), 10**9, None),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), 10**9, None),
        (ValueError("not of the disk"), 0, None),
    ],
)
def test_words_for_a_full_disk(tmp_path, monkeypatch, error, free, words):
    monkeypatch.setattr(files, "_free", lambda folder: free)
    expected = type(error) if words is None else DiskFullError
    with pytest.raises(expected, match=words) as raised, words_for_full_disk(tmp_path / "name"):
        raise error
    assert words is None or "name could not be written" in str(raised.value)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, for root only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a disk of its own needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk(small_disk):
    write_json(small_disk / "a", 1)
    with pytest.raises(DiskFullError, match="a could not be written: no space left on device, 0 kB free"):
        write_json(small_disk / "a", "x" * 2**17)
    assert json.loads((small_disk / "a").read_text()) == 1 and len(list(small_disk.iterdir())) == 1
