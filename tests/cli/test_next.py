import csv
import os
import shutil
from pathlib import Path

import pytest
import tiny

from nnunet_uad.cli.main import main


@pytest.fixture
def choose(dae_fold, tmp_path, monkeypatch):
    """A function that runs the command on the tiny dataset, of which lesion_0 is labelled."""
    raw = tmp_path / "raw" / tiny.DATASET
    shutil.copytree(Path(os.environ["nnUNet_raw"]) / tiny.DATASET, raw)
    for path in raw.glob("*Tr/*_[123]*"):
        path.unlink()
    (raw / "labelsTr" / "healthy_0.nii.gz").unlink()
    monkeypatch.setenv("nnUNet_raw", str(raw.parent))
    pretrainer = dae_fold.parent.name.split("__")[0]

    def run(*flags, trainer=pretrainer):
        fixed = f"-d {tiny.NUMBER} -c 2d_tiny -tr {trainer} -device cpu -npp 0 -nps 0 --disable_tta".split()
        return main(["next", *fixed, "-o", str(tmp_path / "out"), *flags])

    return run


@pytest.mark.slow
def test_one_command(choose, tmp_path, capsys):
    assert choose("-n", "1", "--anomaly-weight", "0") == 0
    printed = capsys.readouterr().out
    assert "1 unlabelled case(s), 1 labelled." in printed and "   1  healthy_0" in printed and "next.csv" in printed
    (row,) = csv.DictReader((tmp_path / "out" / "next.csv").open())
    assert row["case"] == "healthy_0" and (tmp_path / "out" / row["label"]).is_file()


def test_without_a_pretrainer_the_command_that_makes_one_is_told(choose, tmp_path, monkeypatch, capsys):
    assert choose(trainer="nnUNetPretrainerMAE") == 1
    told = capsys.readouterr().err
    assert "needs no label: nnUNetv2_train Dataset991_Tiny 2d_tiny 0 -tr nnUNetPretrainerMAE -p nnUNetPlans" in told
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "empty"))
    assert choose() == 1 and "Pretrainers there: none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--proposals",), "name one, -tr-seg TRAINER"),
        (("-tr-seg", "nnUNetTrainerNoMirroring"), "Models that segment Dataset991_Tiny"),
        (("-i", "/nowhere"), "/nowhere is no folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(choose, tmp_path, capsys, flags, message):
    assert choose(*flags) == 1
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_flags_are_checked(choose, capsys):
    with pytest.raises(SystemExit, match="2"):
        choose("-n", "0")
    assert "argument -n: expects a number in [1, 10000], found '0'" in capsys.readouterr().err
