import shlex

import pytest

from nnunet_uad.cli.main import main


@pytest.mark.slow
def test_everything_is_there(capsys):
    assert main(["doctor", "-device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "FAIL" not in out and "nnUNetPretrainerDAE: found" in out


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "nnUNet_extTrainer"])
def test_a_missing_variable_fails_with_its_remedy(variable, monkeypatch, capsys):
    monkeypatch.delenv(variable)
    assert main(["doctor", "-device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert f"[FAIL] {variable}" in out
    assert ("nnunet_uad env" if variable == "nnUNet_extTrainer" else f"export {variable}") in out


@pytest.mark.slow
def test_a_broken_neighbour_in_the_trainer_folders_is_reported(tmp_path, monkeypatch, capsys):
    (tmp_path / "aaa.py").write_text("import does_not_exist_at_all")
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path))
    assert main(["doctor", "-device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert "lookup failed" in out
    # The advice, followed.
    (line,) = {line.split(": ")[-1] for line in out.splitlines() if "let nnU-Net look here first" in line}
    monkeypatch.setenv("nnUNet_extTrainer", shlex.split(line)[1].split("=", 1)[1])
    assert main(["doctor", "-device", "cpu"]) == 0
