import json

import pytest

from nnunet_uad.cli.main import main


@pytest.fixture
def plans_file(plans_folder):
    return plans_folder / "nnUNetPlans.json"


ARGUMENTS = [
    "small-plan",
    "-d",
    "991",
    "-c",
    "2d",
    "--spacing",
    "2",
    "--patch",
    "32",
    "32",
    "--features",
    "8",
    "16",
    "--name",
    "mini",
]


def test_adds_repeats_and_refuses_to_replace(plans_file, capsys):
    before = json.loads(plans_file.read_text())
    assert main([*ARGUMENTS, "--batch", "2"]) == 0
    assert "nnUNetv2_preprocess -d 991 -c mini -p nnUNetPlans" in capsys.readouterr().out
    after = json.loads(plans_file.read_text())
    assert after["configurations"].pop("mini")["batch_size"] == 2
    assert after == before
    assert main([*ARGUMENTS, "--batch", "2"]) == 0
    assert main([*ARGUMENTS, "--batch", "3"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*ARGUMENTS, "--batch", "3", "--overwrite"]) == 0
    assert json.loads(plans_file.read_text())["configurations"]["mini"]["batch_size"] == 3
