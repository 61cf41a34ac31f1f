import argparse

import pytest

from nnunet_uad.cli.common import default_processes, number, report_failures
from nnunet_uad.cli.main import main
from nnunet_uad.common.bounds import Bounds


def test_processes_are_nnunets_but_at_most_eight(monkeypatch):
    monkeypatch.setenv("nnUNet_def_n_proc", "3")
    assert default_processes() == 3
    monkeypatch.setenv("nnUNet_def_n_proc", "64")
    assert default_processes() == 8


def test_failures_are_listed_by_case_and_give_the_exit_status(capsys):
    assert report_failures("predicted", {}) == 0 and capsys.readouterr().err == ""
    assert report_failures("predicted", {"b": "broken", "a": "half"}) == 1
    assert capsys.readouterr().err.splitlines() == [
        "2 case(s) could not be predicted; the others are done:",
        "  a: half",
        "  b: broken",
    ]


@pytest.mark.parametrize("value", ["abc", "-1", "1.5", "1" * 5000])
def test_a_variable_that_is_no_number_is_named(monkeypatch, capsys, value):
    monkeypatch.setenv("nnUNet_def_n_proc", value)
    with pytest.raises(ValueError, match="nnUNet_def_n_proc expects a number of processes"):
        default_processes()
    assert main(["preprocess", "-d", "1", "--like", "2", "-c", "2d"]) == 1
    assert "nnunet_uad preprocess: The environment variable nnUNet_def_n_proc" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "x", "", "-1", "11", "1" * 5000, "1_0e9"])
def test_numbers_of_the_command_line_have_bounds(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expects a number in .0, 10., found"):
        number(float, Bounds(0, 10))(text)
    with pytest.raises(argparse.ArgumentTypeError, match="expects a"):
        number(int, Bounds(0, 10))(text)
    assert number(float, Bounds(0, 10))("1e1") == 10.0 and number(int, Bounds(0, 10))("7") == 7


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["evaluate", "-maps", "x", "-gt", "x", "-o", "x", "--threshold", "inf"], "--threshold"),
        (["evaluate", "-maps", "x", "-gt", "x", "-o", "x", "--labels", "-9"], "--labels"),
        (["study", "run", "x", "--cores", "0"], "--cores"),
        (["preprocess", "-d", "1", "--like", "2", "-c", "2d", "-np", "-3"], "-np"),
        (["predict", "-i", "x", "-o", "x", "-d", "1", "-c", "2d", "-tr", "x", "--seed", "-1"], "--seed"),
        (["predict", "-i", "x", "-o", "x", "-d", "1", "-c", "2d", "-tr", "x", "-npp", "1e9"], "-npp"),
        (["demo", "--lengths", "_0epochs", "x"], "--lengths"),
        (["report", __file__, "-o", __file__], "-o"),
    ],
)
def test_flags_out_of_their_bounds_are_named(capsys, command, flag):
    try:
        status = main(command)
    except SystemExit as left:
        status = left.code
    assert status in (1, 2)
    assert f"{flag} expects" in capsys.readouterr().err.replace(": expects", " expects")
