import json
import shutil

import pytest
from peers import nnssl_file

from nnunet_uad.cli.main import main


@pytest.fixture
def plans_file(plans_folder):
    return plans_folder / "nnUNetPlans.json"


ARGUMENTS = [
    "small-plan",
    "-d",
    "991",
    "-c",
    "2d",
    "--spacing",
    "2",
    "--patch",
    "32",
    "32",
    "--features",
    "8",
    "16",
    "--name",
    "mini",
]


def test_adds_repeats_and_refuses_to_replace(plans_file, capsys):
    before = json.loads(plans_file.read_text())
    assert main([*ARGUMENTS, "--batch", "2"]) == 0
    assert "nnUNetv2_preprocess -d 991 -c mini -p nnUNetPlans" in capsys.readouterr().out
    after = json.loads(plans_file.read_text())
    assert after["configurations"].pop("mini")["batch_size"] == 2
    assert after == before
    assert main([*ARGUMENTS, "--batch", "2"]) == 0
    assert main([*ARGUMENTS, "--batch", "3"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*ARGUMENTS, "--batch", "3", "--overwrite"]) == 0
    assert json.loads(plans_file.read_text())["configurations"]["mini"]["batch_size"] == 3


def test_like_a_weight_file(plans_folder, tiny_dataset, tmp_path, capsys):
    shutil.copy(tiny_dataset / "dataset.json", plans_folder)
    path = nnssl_file(tmp_path / "openmind.pth")
    like = ["small-plan", "-d", "991", "-c", "3d_fullres", "--like", str(path), "--name", "3d_openmind"]
    assert main(like) == 0
    out = capsys.readouterr().out
    assert "differs: channels: 1 without names in the file, 2 here" in out
    assert "nnUNetv2_preprocess -d 991 -c 3d_openmind" in out
    assert main(["transfer", str(path), "-d", "991", "-c", "3d_openmind", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "encoder 100.0%, decoder 100.0%" in out and "normalisation   ZScoreNormalization" in out
    assert main([*like, "--features", "8", "16"]) == 1
    assert "leave one of them out" in capsys.readouterr().err


def test_flags_that_are_missing_are_named(plans_file, capsys):
    assert main(ARGUMENTS) == 1
    assert "--batch missing" in capsys.readouterr().err
