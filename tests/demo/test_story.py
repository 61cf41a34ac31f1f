"""The demo's story on the tiny dataset, with real commands and the shortest trainings."""

import os

import numpy as np
import pytest
from PIL import Image

from nnunet_uad.cli.main import main
from nnunet_uad.common.nnunet import PLUGIN_FOLDER
from nnunet_uad.demo.story import Workspace, run_step


@pytest.mark.slow
def test_the_story_on_ones_own_data(tiny_dataset, tmp_path, capsys):
    before = sorted(p.name for p in tiny_dataset.rglob("*"))
    arguments = ["demo", "--dataset", "991", "-c", "2d_tiny", "-o", str(tmp_path / "demo")]
    arguments += ["--lengths", "_2epochs_2iters", "_2epochs_2iters"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "average precision, anomaly map" in out and "FLAIR" in out and "Dice, fine-tuned" in out
    picture = np.asarray(Image.open(tmp_path / "demo" / "demo.png").convert("L"), dtype=float)
    assert picture.shape[1] > 1000 and picture.std() > 20
    assert "from scratch" in (tmp_path / "demo" / "demo.txt").read_text()
    assert sorted(p.name for p in tiny_dataset.rglob("*")) == before
    assert main(arguments) == 0
    assert capsys.readouterr().out.count("finished already") == 3


def test_the_demo_leaves_out_trainers_of_others(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(tmp_path / "others"), str(PLUGIN_FOLDER)]))
    workspace = Workspace(tmp_path, "D", "p", "c", "cpu", "", "")
    assert workspace.environment()["nnUNet_extTrainer"] == str(PLUGIN_FOLDER)


def test_a_failing_step_shows_its_log(tmp_path):
    workspace = Workspace(tmp_path, "D", "p", "c", "cpu", "", "")
    with pytest.raises(RuntimeError, match=r"(?s)step 'Break' failed; its log is .*Break\.log.*boom"):
        run_step(workspace, "Break", ["sh", "-c", "echo boom; exit 3"])
