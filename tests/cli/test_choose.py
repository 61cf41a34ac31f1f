import pytest
import tiny

from nnunet_uad.choosing import run as running
from nnunet_uad.cli.main import main


def test_the_verdict_and_the_commands_are_printed(workplace, monkeypatch, capsys):
    asked = []

    def choose(request, say):
        asked.append(request)
        return {
            "verdict": "use DAE (gain)",
            "commands": ["nnUNetv2_train …"],
            "shorter_commands": ["_10epochs_30iters"],
        }

    monkeypatch.setattr(running, "choose", choose)
    monkeypatch.chdir(workplace.folder)
    flags = ["-d", tiny.NUMBER, "-c", "2d_tiny", "--hours", "0.5", "-device", "cpu", "--cores", "2"]
    assert main(["choose", *flags, "--weights", "w.pth"]) == 0
    shown = capsys.readouterr().out
    assert "Use DAE (gain)." in shown and "nnUNetv2_train …" in shown and "_10epochs_30iters" in shown
    (request,) = asked
    assert request.output == workplace.folder / f"choose_{tiny.DATASET}_2d_tiny"
    assert (request.dataset, request.hours, request.jobs, len(request.weights)) == (tiny.DATASET, 0.5, 2, 1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-c", "2d_nowhere", "--hours", "1"], "nnunet_uad small-plan -d 991 -c 2d -p nnUNetPlans --name 2d_nowhere"),
        (["-c", "2d_tiny", "--hours", "1", "--arms", "DAE"], "--arms expects NAME=TRAINER"),
        (["-c", "2d_tiny", "--hours", "1", "--weights", "nowhere.pth"], "no weight file at nowhere.pth"),
    ],
)
def test_what_cannot_be_is_refused(workplace, monkeypatch, flags, message, capsys):
    monkeypatch.chdir(workplace.folder)
    assert main(["choose", "-d", tiny.NUMBER, "-device", "cpu", *flags]) == 1
    assert message in capsys.readouterr().err


def test_hours_are_a_number_above_nothing(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["choose", "-d", "1", "-c", "2d", "--hours", "0"])
    assert "expects a number in (0, 100000]" in capsys.readouterr().err
