from nnunet_uad.cli.common import default_processes, report_failures


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
