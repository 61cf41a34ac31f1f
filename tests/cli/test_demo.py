import pytest

from nnunet_uad.cli.main import main
from nnunet_uad.demo import outcome, story


@pytest.fixture
def told(monkeypatch):
    """The story's trainings are left out (tests/demo tells it); says with which workspace and settings it was told."""
    calls = []
    monkeypatch.setattr(story, "run_trainings", lambda workspace, settings: calls.append((workspace, settings)))
    monkeypatch.setattr(outcome, "outcome_table", lambda workspace: "| a table |")
    monkeypatch.setattr(outcome, "outcome_picture", lambda workspace, path: path.touch())
    return calls


def test_flags_reach_the_story_and_its_table_is_kept(tiny_dataset, tmp_path, told, capsys):
    flags = [
        "--dataset",
        "991",
        "-c",
        "2d_tiny",
        "--settings",
        "sampling=anywhere",
        "--lengths",
        "_3epochs",
        "_2epochs",
    ]
    assert main(["demo", *flags, "-o", str(tmp_path / "demo")]) == 0
    (workspace, settings) = told[0]
    assert workspace.dataset == tiny_dataset.name and workspace.configuration == "2d_tiny"
    assert settings == "seed=1 save_reconstruction=true sampling=anywhere"
    shown = capsys.readouterr().out
    assert "| a table |" in shown and f"Picture: {tmp_path / 'demo' / 'demo.png'}" in shown
    assert (tmp_path / "demo" / "demo.txt").read_text() == "| a table |\n"
    assert (workspace.pretrain_length, workspace.fine_tune_length) == ("_3epochs", "_2epochs")
