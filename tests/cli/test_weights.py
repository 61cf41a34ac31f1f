import json

import pytest
import tiny

from nnunet_uad.cli.main import main
from nnunet_uad.weights.case_names import hidden_name
from nnunet_uad.weights.safe_file import read_record


def weights_command(*words):
    return main(["weights", *map(str, words)])


def test_weights_go_to_a_folder_and_back(dae_fold, tmp_path, capsys, monkeypatch):
    file, shared = dae_fold / "pretrained.safetensors", tmp_path / "shared"
    assert weights_command("push", file, shared) == 1
    assert "no licence: --licence CC-BY-4.0" in capsys.readouterr().err
    said = ("--licence", "CC-BY-4.0", "--data", "Phantoms, made by a program.")
    assert weights_command("push", file, shared, *said) == 0
    assert f"nnunet_uad weights pull {shared}" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert weights_command("pull", shared, "-o", "weights") == 0
    out = capsys.readouterr().out
    assert f"export nnUNet_uad_pretrained={tmp_path}/weights/pretrained.safetensors" in out
    assert "nnUNetv2_train DATASET like_weights FOLD -tr nnUNetTrainerDAEPretrained" in out
    assert weights_command("show", "weights/pretrained.safetensors") == 0
    shown = capsys.readouterr().out
    assert "licence         CC-BY-4.0" in shown and "Phantoms, made by a program." in shown and "map AP" in shown


def test_several_files_are_compared(dae_fold, tmp_path, capsys):
    file = dae_fold / "pretrained.safetensors"
    assert weights_command("show", file, dae_fold / "checkpoint_final.pth", file) == 0
    out = capsys.readouterr().out
    assert "LEAKAGE: " in out and "were trained on the same images, 5 case(s)" in out
    assert "LEAKAGE? " in out and "has no record of its cases" in out
    assert weights_command("show", "--json", file) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "DAE"
    assert weights_command("show", "--json", file, dae_fold / "checkpoint_final.pth") == 1
    assert "checkpoint_final.pth does not have" in capsys.readouterr().err


def test_no_file_that_is_passed_on_names_a_case(dae_fold, tmp_path):
    """Those of a finished pretraining's model, and what push makes of it; what stays at home may."""
    said = ("--licence", "CC-BY-4.0", "--data", "Phantoms, made by a program.")
    assert weights_command("push", dae_fold / "pretrained.safetensors", tmp_path / "shared", *said) == 0
    passed_on = [
        dae_fold / "debug.json",
        *dae_fold.glob("*.pth"),
        *dae_fold.glob("*.safetensors"),
        *dae_fold.parent.glob("*.json"),
    ]
    passed_on += (tmp_path / "shared").iterdir()
    assert len(passed_on) >= 8
    names = [case.encode() for case in (*tiny.HEALTHY, *tiny.LESION)]
    assert not [(p.name, name) for p in passed_on for name in names if name in p.read_bytes()]
    # The guard still knows them.
    record = read_record(dae_fold / "pretrained.safetensors")
    assert hidden_name(tiny.HEALTHY[0], record.salt) in record.cases


def test_keep_names_keeps_them(tiny_dataset, results, monkeypatch):
    monkeypatch.setenv("nnUNet_uad_settings", "keep_names=true")
    fold = tiny.save_untrained("nnUNetPretrainerDAE_1epochs_1iters")
    record = read_record(fold / "pretrained.safetensors")
    assert record.names_in_clear and set(record.contents) == set(record.cases) <= {*tiny.HEALTHY, *tiny.LESION}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pull", "ftp://x"), "in a folder, at an http"),
        (("pull", "nowhere"), "holds nothing that nnunet_uad weights push put there"),
        (("show", "nothing.safetensors"), "There is no weight file"),
    ],
)
def test_refusals_are_one_message(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights_command(*words) == 1
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and not list(tmp_path.iterdir())
