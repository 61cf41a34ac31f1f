import argparse
import json

import pytest
import studies

from nnunet_uad.cli import study
from nnunet_uad.cli.main import main
from nnunet_uad.study.study_file import read_study


def test_example_can_be_read(tmp_path, capsys):
    assert main(["study", "example"]) == 0
    path = tmp_path / "study.yaml"
    path.write_text(capsys.readouterr().out)
    assert read_study(path).baseline == "scratch"


def test_plan_says_what_every_index_means(workplace, capsys):
    path = workplace.write(budgets=[1, 3], draws=1)
    assert main(["study", "plan", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "4 cells, 1 pretrainings" in shown and "fold 2 of Dataset991_Tiny: fold0_1_draw0: lesion_0" in shown
    assert main(["study", "status", str(path)]) == 1
    assert "test: 0 of 4 finished" in capsys.readouterr().out
    from nnunet_uad.study.layout import Layout

    studies.finish(Layout(workplace.folder / "study"))
    assert main(["study", "status", str(path)]) == 0
    map_and_both = {"map": "nnUNetPretrainerDAE", "both": {"screen": ["scratch", "map"]}}
    screened = workplace.write("screened", trainers={"scratch": "nnUNetTrainer", **map_and_both}, budgets=[1], draws=1)
    assert main(["study", "plan", str(screened)]) == 0
    words = "both: segmentations of scratch, voxels ranked with the map of map; nothing is trained"
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan"], "Name the study's file"),
        (["plan", "nowhere.yaml"], "There is no file nowhere.yaml"),
    ],
)
def test_errors(arguments, message, capsys):
    assert main(["study", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_rest_is_snakemakes(capsys):
    parser = argparse.ArgumentParser()
    study.add_arguments(parser)
    found = parser.parse_args(["run", "s.yaml", "--profile", "slurm", "--snakemake", "--retries", "2", "--cores", "1"])
    assert found.snakemake == ["--retries", "2", "--cores", "1"] and found.cores is None and found.profile == "slurm"
    assert parser.parse_args(["run", "s.yaml"]).snakemake == []


def test_status_of_an_unplanned_study(workplace, capsys):
    assert main(["study", "status", str(workplace.write())]) == 1
    assert "not planned yet: nnunet_uad study plan" in capsys.readouterr().err


def test_unprepared_data(workplace, capsys):
    import shutil

    shutil.rmtree(workplace.source / "nnUNetPlans_2d_tiny")
    assert main(["study", "plan", str(workplace.write())]) == 1
    shown = capsys.readouterr().err
    assert "holds no preprocessed case" in shown and "nnunet_uad study run" in shown


def test_planning_makes_the_small_plan_and_asks_for_its_data(workplace, capsys):
    """As ``study run`` does; what is left is preprocessing."""
    small = {"base": "2d", "spacing": 2, "patch": [32, 32], "features": [8, 16, 16], "batch": 4}
    path = workplace.write(configuration="2d_mini", small_plan=small)
    assert main(["study", "plan", str(path)]) == 1
    told = capsys.readouterr().err
    assert "nnUNetPlans_2d_mini holds no preprocessed case" in told
    assert "nnUNetv2_preprocess -d 991 -c 2d_mini -plans_name nnUNetPlans" in told and "nnunet_uad study run" in told
    plans = json.loads((workplace.source / "nnUNetPlans.json").read_text())
    assert plans["configurations"]["2d_mini"]["batch_size"] == 4
    # The data of 2d_tiny, whose numbers are the same, as if they had been preprocessed now.
    (workplace.source / "nnUNetPlans_2d_mini").symlink_to(workplace.source / "nnUNetPlans_2d_tiny")
    assert main(["study", "plan", str(path)]) == 0


def test_a_refused_plan_leaves_the_request_as_it_was(workplace, capsys):
    path = workplace.write(budgets=[1], draws=1)
    assert main(["study", "plan", str(path)]) == 0
    request = workplace.folder / "study" / "request.json"
    before = request.read_bytes()
    assert main(["study", "plan", str(workplace.write(budgets=[99], draws=1))]) == 1
    assert "99 cases are more than" in capsys.readouterr().err and request.read_bytes() == before
    assert main(["study", "plan", str(workplace.write(budgets=[1, 2], draws=1))]) == 0
    assert request.read_bytes() != before


def test_a_dry_run_of_a_file_that_was_changed_says_so(workplace, capsys, monkeypatch):
    monkeypatch.setattr("nnunet_uad.study.running.run.check_snakemake", lambda: None)
    monkeypatch.setattr("nnunet_uad.study.running.run.run_snakemake", lambda command, share_gpus: 0)
    path = workplace.write(budgets=[1], draws=1)
    assert main(["study", "plan", str(path)]) == 0
    for budgets, told in (([1], False), ([1, 2], True)):
        path = workplace.write(budgets=budgets, draws=1)
        capsys.readouterr()
        assert main(["study", "run", str(path), "--dry-run"]) == 0
        assert ("was changed since it was planned" in capsys.readouterr().out) == told
