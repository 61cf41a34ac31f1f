from dataclasses import dataclass

import numpy as np
import pytest

from nnunet_uad.quality.array_file import read_arrays, write_arrays


@dataclass(frozen=True)
class Record:
    name: str
    numbers: tuple[int, ...]


def test_arrays_and_record_come_back(tmp_path):
    write_arrays(tmp_path / "a", {"x": np.arange(6.0).reshape(2, 3)[:, ::-1]}, {"name": "ä", "numbers": [1, 2]})
    arrays, record = read_arrays(tmp_path / "a", Record, {"x": 2}, "Make it anew.")
    assert arrays["x"].tolist() == [[2, 1, 0], [5, 4, 3]] and record == Record("ä", (1, 2))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[:40]), "damaged"),
        (lambda p: p.write_bytes(b""), "damaged"),
        (lambda p: p.write_text("{}"), "damaged"),
        (lambda p: write_arrays(p, {"x": np.ones((2, 2))}, {"name": 3}), "damaged, or of another kind"),
        (lambda p: write_arrays(p, {"x": np.ones(2)}, {"name": "a", "numbers": []}), "expects x as finite numbers"),
        (lambda p: write_arrays(p, {"x": np.full((1, 1), np.nan)}, {"name": "a", "numbers": []}), "expects x"),
        (lambda p: write_arrays(p, {}, {"name": "a", "numbers": []}), "expects x"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, spoil, message):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"x": np.ones((2, 2))}, {"name": "a", "numbers": []})
    spoil(path)
    with pytest.raises(ValueError, match=f"a.safetensors .*{message}.* Make it anew"):
        read_arrays(path, Record, {"x": 2}, "Make it anew.")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist. Make it"):
        read_arrays(tmp_path / "a", Record, {}, "Make it.")
