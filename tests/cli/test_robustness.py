import csv
import os
import shutil

import pytest
import tiny

from nnunet_uad.cli.main import main

TRAINERS = ("nnUNetTrainerFromScratch_1epochs_2iters", "nnUNetTrainerAuxReconstruction_1epochs_2iters")


def command(output, *more, trainers=TRAINERS):
    base = f"robustness -d {tiny.NUMBER} -c 2d_tiny -f 0 -device cpu --disable_tta -o {output} -tr".split()
    return [*base, *trainers, *more]


@pytest.fixture(scope="module")
def models(tiny_dataset):
    for trainer in TRAINERS:
        tiny.run_training(trainer)
    yield
    for trainer in TRAINERS:
        shutil.rmtree(tiny.fold_folder(trainer).parent)


@pytest.mark.slow
def test_rows_are_written_once_and_an_interrupted_run_continues(models, tmp_path, capsys, monkeypatch):
    flags = ("--artefacts", "noise", "gamma", "--severities", "1", "4")
    assert main(command(tmp_path, *flags)) == 0
    shown = capsys.readouterr().out
    assert all(f"| {t} |" in shown for t in TRAINERS) and "noise: Dice, AP, error" in shown
    rows = sorted((tmp_path / "rows").rglob("*.json"))
    assert len(rows) == 2 * (1 + 2 * 2)
    with (tmp_path / "robustness.csv").open() as handle:
        lines = list(csv.DictReader(handle))
    assert len(lines) == len(rows) * 2 and {line["case"] for line in lines} == set(tiny.LESION[2:])
    assert len(list((tmp_path / "predictions").rglob("*.nii.gz"))) == len(lines)
    assert (tmp_path / "robustness.png").exists()
    # Killed before the last row: only that one is predicted again.
    stamps = {r: r.stat().st_mtime_ns for r in rows}
    before = rows[-1].read_text()
    rows[-1].unlink()
    shutil.rmtree(tmp_path / "images" / "noise_1")
    assert main(command(tmp_path, *flags)) == 0
    assert rows[-1].read_text() == before
    assert all(r.stat().st_mtime_ns == stamps[r] for r in rows[:-1])
    assert not (tmp_path / "images" / "noise_1").exists()
    assert main(command(tmp_path, *flags, "--seed", "1")) == 1
    assert "holds rows that were made differently (artefacts' seed)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "trainers", "message"),
    [
        (("--artefacts", "nose"), TRAINERS, "Did you mean noise?"),
        (("--severities", "0"), TRAINERS, "Severities are 1, 2, 3, 4, 5; found 0"),
        ((), (TRAINERS[0], "nnUNetTrainerDAEPretrained_9epochs"), "These folds are not trained"),
        (("-f", "7"), TRAINERS, "-f expects folds with validation cases, 0 to 1; found 7"),
        (("-f", "all"), TRAINERS, "has seen every case"),
    ],
)
def test_bad_input_is_refused_before_work_starts(models, tmp_path, capsys, more, trainers, message):
    assert main(command(tmp_path / "out", *more, trainers=trainers)) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_torchio_the_extra_is_named(tiny_dataset, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(command(tmp_path / "out")) == 1
    assert "pip install 'nnunet_uad[robustness]'" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
