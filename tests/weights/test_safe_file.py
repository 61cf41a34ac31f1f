import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from weights_helpers import make_record

from nnunet_uad.weights.safe_file import canonical_tensors, read_pretrained, read_record, write_pretrained


def test_round_trip_with_record(tmp_path):
    path = tmp_path / "pretrained.safetensors"
    tensors = {"a": torch.randn(3, 4), "b": torch.arange(5.0)}
    write_pretrained(path, tensors, make_record())
    read, record = read_pretrained(path)
    assert record == make_record()
    assert all(torch.equal(read[k], v) for k, v in tensors.items())
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file(tmp_path):
    path = tmp_path / "pretrained.safetensors"
    os.umask(old := os.umask(0o022))
    write_pretrained(path, {"a": torch.zeros(1)}, make_record())
    assert path.stat().st_mode & 0o777 == 0o666 & ~old


def test_foreign_safetensors_have_no_record(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    assert read_pretrained(tmp_path / "x.safetensors")[1] is None


@pytest.mark.parametrize("keep", [4, 100, -20])
def test_truncated_file_is_refused(tmp_path, keep):
    path = tmp_path / "pretrained.safetensors"
    write_pretrained(path, {"a": torch.randn(100)}, make_record())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_pretrained(path)


def test_aliases_are_stored_once():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)
            self.again = nn.Sequential(self.conv)
            self.norm = nn.BatchNorm2d(2)

    names = set(canonical_tensors(Network()))
    assert not any(n.startswith("again") for n in names)
    assert {"conv.weight", "norm.running_mean"} <= names


@pytest.mark.slow
def test_killed_writer_never_leaves_half_a_file(tmp_path):
    """A process rewrites the file without pause and is killed at random instants; the file stays readable."""
    path = tmp_path / "pretrained.safetensors"
    script = textwrap.dedent(f"""
        import sys; sys.path.insert(0, {os.path.dirname(os.path.dirname(__file__))!r})
        import torch
        from weights_helpers import make_record
        from nnunet_uad.weights.safe_file import write_pretrained
        n = 0
        while True:
            n += 1
            write_pretrained({str(path)!r}, {{"a": torch.full((1_500_000,), float(n))}}, make_record())
    """)
    for kill in range(3):
        process = subprocess.Popen([sys.executable, "-c", script])
        deadline = time.time() + 60
        before = path.stat().st_mtime_ns if path.exists() else 0
        while time.time() < deadline and (not path.exists() or path.stat().st_mtime_ns == before):
            time.sleep(0.01)
        reads = 0
        while reads < 20:
            tensors, _ = read_pretrained(path)  # while the writer is at work
            assert tensors["a"].unique().numel() == 1
            reads += 1
        time.sleep(0.013 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
        tensors, record = read_pretrained(path)
        assert tensors["a"].unique().numel() == 1 and record == make_record()


def test_the_record_alone(dae_fold, tmp_path):
    path = dae_fold / "pretrained.safetensors"
    assert read_record(path) == read_pretrained(path)[1]
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ValueError, match="carries no pretraining record"):
        read_record(tmp_path / "plain.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_record(tmp_path / "broken.safetensors")


def test_equal_weights_are_equal_files(tmp_path):
    """The library alone shuffles the metadata of its header."""
    tensors = {"b": torch.arange(3.0), "a": torch.zeros(2, 2, dtype=torch.float16)}
    files = [tmp_path / f"{k}.safetensors" for k in range(8)]
    for file in files:
        write_pretrained(file, tensors, make_record())
    assert len({file.read_bytes() for file in files}) == 1
    assert int.from_bytes(files[0].read_bytes()[:8], "little") % 8 == 0
    read, record = read_pretrained(files[0])
    assert record == make_record() and all(torch.equal(read[name], tensors[name]) for name in tensors)
