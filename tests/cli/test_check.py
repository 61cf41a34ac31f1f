import csv

import pytest
import scans
import tiny

from nnunet_uad.cli.main import main


@pytest.fixture
def check(tiny_dataset, tmp_path, monkeypatch):
    """A function that runs the command on a scan, its channels swapped or not."""
    scans.tiny_workplace(tmp_path, monkeypatch)

    def run(*flags, swapped=False):
        folder = tmp_path / ("swapped" if swapped else "fit")
        folder.mkdir(exist_ok=True)
        image = tiny.tiny_case(2, False)[0]
        for channel, volume in enumerate(image[::-1] if swapped else image):
            tiny.write_image(volume, folder / f"scan_{channel:04d}.nii.gz")
        return main(["check", "-i", str(folder), "-d", tiny.NUMBER, "-c", "2d_tiny", "-npp", "0", *flags])

    return run


def test_the_exit_status_says_whether_scans_are_fit(check, tmp_path, capsys):
    assert check() == 0
    assert "0 of 1 scan(s) unfit." in capsys.readouterr().out
    assert check("-o", str(tmp_path / "out"), swapped=True) == 3
    out = capsys.readouterr().out
    assert "are the channels swapped?" in out and f"Page: {tmp_path / 'out' / 'index.html'}" in out


def test_wrong_input_is_refused_in_words(check, capsys):
    assert check("-p", "otherPlans") == 1
    assert "nnunet_uad check: " in capsys.readouterr().err
    assert check("--reference", "nowhere") == 1
    assert "nowhere does not exist. Make it where the training scans are" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        check("--rate", "0")
    assert "argument --rate: expects a number in (0, 1), found '0'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_pretrainer_judges_as_well(check, dae_fold, tmp_path, capsys):
    dae = dae_fold.parent.name.split("__")[0]
    flags = ("-tr-map", dae, "-f-map", "0", "-device", "cpu", "-nps", "0")
    assert check(*flags) == 1
    assert "Maps and segmentations need a folder to be written into: -o FOLDER" in capsys.readouterr().err
    assert check(*flags, "-o", str(tmp_path / "out")) in (0, 3)
    rows = {row["check"]: row for row in csv.DictReader((tmp_path / "out" / "checks.csv").open())}
    assert float(rows["anomaly"]["value"]) > 0 and (tmp_path / "out" / "maps" / "scan_map.nii.gz").is_file()
    # Half of the rate is the maps', of whose validation there are two.
    assert "at most 44.4 % are called unfit" in capsys.readouterr().out
    assert check("-tr", dae, "-o", str(tmp_path / "other")) == 1
    assert "-tr expects a trainer of a model that segments" in capsys.readouterr().err
