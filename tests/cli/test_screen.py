import csv
import json
import os
from pathlib import Path

import pytest
import tiny

from nnunet_uad.cli.main import main


@pytest.fixture
def screen(dae_fold, segmenter_fold, tmp_path):
    """A function that runs the command on the test case."""
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    dae = dae_fold.parent.name.split("__")[0]

    def run(*flags, trainer=tiny.SEGMENTER, pretrainer=dae):
        fixed = f"-d {tiny.NUMBER} -c 2d_tiny -tr {trainer} -tr-map {pretrainer} -device cpu -npp 0 -nps 0".split()
        return main(["screen", "-i", str(images), "-o", str(tmp_path / "out"), *fixed, *flags])

    return run


def test_one_command(screen, tmp_path, capsys):
    assert screen("-f", "0", "-f-map", "0", "--fpr", "0.02", "--min-mm3", "0", "--save", "unknown") == 0
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("test*")) == ["test_unknown.nii.gz"]
    record = json.loads((out / "screen.json").read_text())
    assert record["promised_rate"] == 0.02 and record["margin_mm"] == 5 and record["calibrated_on"] == tiny.LESION[2:]
    assert record["known"]["trainer"] == tiny.SEGMENTER and record["map"]["folds"] == ["fold_0"]
    printed = capsys.readouterr().out
    assert "Promised: 2 %" in printed and f"{record['threshold']:.4g}" in printed
    assert {row["case"] for row in csv.DictReader((out / "cases.csv").open())} == {"test"}
    assert screen("-f", "0", "--fpr", "0.02", "--min-mm3", "0", "--save", "unknown") == 0
    assert "1 of 1 cases are done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "names", "message"),
    [
        (("--score", "smoothing_mm=4"), {}, "smoothing_mm: 2.0 there, 4.0 wanted"),
        (("-f-map", "5"), {}, "has no checkpoint_final.pth in fold_5"),
        (("-c-map", "3d_tiny"), {}, "There is no model"),
        ((), {"trainer": "nnUNetTrainerNoMirroring"}, "Models that segment Dataset991_Tiny"),
        ((), {"pretrainer": "nnUNetTrainer"}, "Expected the name of a pretrainer, found 'nnUNetTrainer'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(screen, tmp_path, capsys, flags, names, message):
    assert screen(*flags, **names) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_flags_are_checked(screen, capsys):
    with pytest.raises(SystemExit, match="2"):
        screen("--fpr", "1")
    assert "argument --fpr: expects a number in (0, 1), found '1'" in capsys.readouterr().err
