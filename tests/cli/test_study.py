import argparse

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


def test_a_refused_plan_leaves_the_request_as_it_was(workplace, capsys):
    path = workplace.write(budgets=[1], draws=1)
    assert main(["study", "plan", str(path)]) == 0
    request = workplace.folder / "study" / "request.json"
    before = request.read_bytes()
    assert main(["study", "plan", str(workplace.write(budgets=[99], draws=1))]) == 1
    assert "99 cases are more than" in capsys.readouterr().err and request.read_bytes() == before
    assert main(["study", "plan", str(workplace.write(budgets=[1, 2], draws=1))]) == 0
    assert request.read_bytes() != before
