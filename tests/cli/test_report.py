import pytest
import studies
from reports import table

from nnunet_uad.cli.main import main


def test_an_unfinished_study_is_reported_as_far_as_it_is(workplace, capsys):
    layout = workplace.plan(budgets=[1, 3], draws=1)
    studies.finish(layout, leave=(list(layout.cells)[-1],))
    path, folder = workplace.write(budgets=[1, 3], draws=1), workplace.folder / "report"
    assert main(["report", str(path), "-o", str(folder)]) == 0
    assert f"Written: {folder / 'index.html'}" in capsys.readouterr().out
    assert "1 of 4 trainings are not finished" in (folder / "index.html").read_text()


def test_a_target_is_a_mean_dice(workplace, capsys):
    layout = workplace.plan(budgets=[1, 3], draws=1)
    studies.finish(layout)
    path, folder = workplace.write(budgets=[1, 3], draws=1), workplace.folder / "report"
    assert main(["report", str(path), "-o", str(folder), "--target", "0.85"]) == 0
    assert {row["target"] for row in table(folder, "forecast")} == {"0.85"}
    for wrong in ("85", "1", "0", "nan", "x"):
        with pytest.raises(SystemExit, match="2"):
            main(["report", str(path), "-o", str(folder), "--target", wrong])
        assert "argument --target: expects a number in (0, 1)" in capsys.readouterr().err


def test_nothing_to_report(workplace, capsys):
    path = workplace.write()
    assert main(["report", str(path), "-o", str(workplace.folder / "r")]) == 1
    assert "holds no planned study" in capsys.readouterr().err
    workplace.plan()
    assert main(["report", str(path), "-o", str(workplace.folder / "r")]) == 1
    assert "No cell of the study" in capsys.readouterr().err and not (workplace.folder / "r").exists()
