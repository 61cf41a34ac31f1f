"""Where the demo works: links to the user's data, or phantoms that are there already."""

import json
import os

import pytest
import tiny

from nnunet_uad.cli.main import main
from nnunet_uad.demo.phantom import DATASET
from nnunet_uad.demo.workspace import own_workspace, phantom_workspace

LENGTHS = ("_1epochs_1iters", "_2epochs_2iters")


def test_ones_own_data_are_linked_under_splits_of_the_demo(tiny_dataset, tmp_path):
    before = (tiny_dataset / "splits_final.json").read_text()
    workspace = own_workspace(tmp_path, "991", "nnUNetPlans", "2d_tiny", "cpu", LENGTHS)
    linked = workspace.preprocessed / tiny.DATASET
    pretraining, fine_tuning = json.loads((linked / "splits_final.json").read_text())
    assert pretraining == json.loads(before)[0]
    assert fine_tuning == {"train": pretraining["train"][:1], "val": pretraining["val"]}
    assert (linked / "nnUNetPlans.json").is_symlink() and (tiny_dataset / "splits_final.json").read_text() == before
    assert (workspace.raw / tiny.DATASET).resolve() == (tmp_path / os.environ["nnUNet_raw"] / tiny.DATASET).resolve()
    # Again: the demo continues where it stopped.
    assert own_workspace(tmp_path, tiny.DATASET, "nnUNetPlans", "2d_tiny", "cpu", LENGTHS) == workspace


def test_data_that_are_not_preprocessed_are_asked_for(workplace, tmp_path):
    for path in (workplace.source / "nnUNetPlans_2d_tiny").glob("*.pkl"):
        path.unlink()
    with pytest.raises(ValueError, match=r"holds 0 preprocessed case\(s\).*nnUNetv2_preprocess -d 991 -c 2d_tiny"):
        own_workspace(tmp_path / "demo", "991", "nnUNetPlans", "2d_tiny", "cpu", LENGTHS)


def test_phantoms_that_are_there_are_used(tmp_path, capsys):
    folder = tmp_path / "nnUNet_preprocessed" / DATASET
    folder.mkdir(parents=True)
    (folder / "splits_final.json").write_text("[]")
    workspace = phantom_workspace(tmp_path, "cpu", LENGTHS)
    assert "Using the phantom dataset" in capsys.readouterr().out
    assert workspace.dataset == DATASET and not list(workspace.raw.iterdir())


def test_unknown_configuration_is_refused(tiny_dataset, tmp_path, capsys):
    assert main(["demo", "--dataset", "991", "-c", "4d", "-o", str(tmp_path)]) == 1
    assert "has no configuration '4d'; it has: 2d" in capsys.readouterr().err


def test_the_second_stage_of_a_cascade_is_refused_before_any_step(workplace, tmp_path, capsys):
    path = workplace.source / "nnUNetPlans.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_cascade"] = {"inherits_from": "3d_tiny", "previous_stage": "3d_tiny"}
    path.write_text(json.dumps(plans))
    assert main(["demo", "--dataset", "991", "-c", "3d_cascade", "-o", str(tmp_path / "demo")]) == 1
    assert (
        "second stage of a cascade, which cannot be pretrained. Choose one of: 3d_tiny, 2d" in capsys.readouterr().err
    )
    study = workplace.write(configuration="3d_cascade")
    assert main(["study", "plan", str(study)]) == 1
    assert "3d_cascade is the second stage of a cascade" in capsys.readouterr().err
