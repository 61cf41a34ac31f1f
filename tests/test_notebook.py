"""The notebook runs from top to bottom, with a shorter training."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "first_map.ipynb"
SET = ("raw", "preprocessed", "results", "extTrainer", "def_n_proc", "n_proc_DA", "compile")


def cells(kind: str) -> list[str]:
    """Texts of the cells of a kind."""
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def as_python(cell: str) -> str:
    """A cell without what only notebooks know: no ``%`` lines, calls of ``run`` for ``!`` lines."""
    cell = re.sub(r"^%.*$", "", cell, flags=re.MULTILINE)
    return re.sub(r"^!(.*)$", r"run(f'''\1''')", cell, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    def run(line: str) -> None:
        """A command in this process, which has imported everything already."""
        name, *arguments = shlex.split(line)
        if name == "nnUNetv2_train":
            os.environ["nnUNet_n_proc_DA"] = "0"
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        (command,) = entry_points(group="console_scripts", name=name)
        assert not command.load()()

    for name in SET:  # nnU-Net has read its folders: those of the notebook lead there; all is set back at the end
        monkeypatch.setenv(f"nnUNet_{name}", os.environ.get(f"nnUNet_{name}", ""))
        if name in SET[:3]:
            (tmp_path / name).symlink_to(os.environ[f"nnUNet_{name}"], target_is_directory=True)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda: str(tmp_path))
    namespace = {"run": run}
    for cell in cells("code"):
        text = as_python(cell).replace("_6epochs_20iters", "_1epochs_2iters")
        exec(compile(text, str(NOTEBOOK), "exec"), namespace)
    plt.close(namespace["figure"])
    assert namespace["anomaly_map"].shape == namespace["truth"].shape
    assert set(namespace["precision"]) == {"anomaly map", "FLAIR itself"}


def test_a_hosted_notebook_needs_one_cell_more_than_the_code():
    assert [cell for cell in cells("code") if cell.startswith("%")] == ["%pip install --quiet nnunet_uad"]
    assert "_6epochs_20iters" in "".join(cells("code"))


def test_no_output_is_stored():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert not [c for c in content["cells"] if c.get("outputs") or c.get("execution_count")]
