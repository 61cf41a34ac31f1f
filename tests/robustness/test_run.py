import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tiny

from nnunet_uad.common.lock import LockedError, folder_lock
from nnunet_uad.data.content import raw_contents
from nnunet_uad.robustness import run
from nnunet_uad.robustness.images import CLEAN, Condition
from nnunet_uad.robustness.run import RobustnessRequest, check_request, run_robustness
from nnunet_uad.training.cases import TrainedCases

CASES = tiny.LESION[2:]


@pytest.fixture
def request_for(tiny_dataset, tmp_path):
    """Requests of two models, whose checkpoints exist, on two cases of the tiny dataset."""
    raw = tiny_dataset.parents[1] / "nnUNet_raw" / tiny.DATASET
    models = {name: tmp_path / name for name in ("A", "B")}
    for folder in models.values():
        (folder / "fold_0").mkdir(parents=True)
        (folder / "fold_0" / "checkpoint_final.pth").touch()
        plans = {"plans_name": "nnUNetPlans", "configurations": {}, "image_reader_writer": "SimpleITKIO"}
        (folder / "plans.json").write_text(json.dumps(plans))
    settings = {"folds": {"0": CASES}, "models": models, "artefacts": ["noise"], "severities": (1, 3)}

    def make(**changes):
        return RobustnessRequest(**{"raw": raw, "output": tmp_path / "out", **settings, **changes})

    return make


@pytest.fixture
def predicted(monkeypatch):
    """Trained models are replaced by one that predicts the labels; says which were loaded, and what was predicted."""
    calls = {"loaded": [], "predicted": []}

    def load(model, fold, checkpoint, mirroring, device):
        calls["loaded"].append(model.name)
        return model.name

    def segment(predictor, images, output):
        calls["predicted"].append((predictor, Path(images[0]).parent.name, output.name))
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(images[0])), str(output))
        return np.zeros((3, *tiny.SHAPE), np.float32)

    def score(segmentation, probabilities, label, predictor):
        return {"Dice per class": {}, "Dice": 0.5, "AP": None}

    for name, function in {"load_segmenter": load, "segment": segment, "score_case": score}.items():
        monkeypatch.setattr(run, name, function)
    return calls


def test_conditions_begin_with_the_clean_images(request_for):
    assert request_for().conditions == [CLEAN, Condition("noise", 1), Condition("noise", 3)]


def test_every_model_predicts_every_condition_and_is_loaded_once(request_for, predicted):
    rows = run_robustness(request_for())
    assert len(rows) == 2 * 3 * 2 and predicted["loaded"] == ["A", "B"]
    assert [(r["trainer"], r["artefact"], r["severity"], r["case"]) for r in rows[:3]] == [
        ("A", "clean", 0, CASES[0]),
        ("A", "clean", 0, CASES[1]),
        ("A", "noise", 1, CASES[0]),
    ]
    assert {folder for _, folder, _ in predicted["predicted"]} == {"imagesTr", "noise_1", "noise_3"}


def test_one_process_writes_into_a_folder(request_for, predicted):
    with folder_lock(request_for().output), pytest.raises(LockedError, match="is being written already by process"):
        run_robustness(request_for())
    assert not predicted["loaded"]


def test_what_has_a_row_is_not_predicted_again(request_for, predicted):
    request = request_for()
    first = run_robustness(request)
    predicted["loaded"].clear()
    assert run_robustness(request) == first and predicted["loaded"] == []
    (request.output / "rows" / "B" / "fold_0" / "noise_1.json").unlink()
    predicted["predicted"].clear()
    assert run_robustness(request) == first and predicted["loaded"] == ["B"]
    assert [p[:2] for p in predicted["predicted"]] == [("B", "noise_1")] * 2


def test_rows_of_another_seed_are_not_mixed(request_for, predicted):
    run_robustness(request_for())
    with pytest.raises(ValueError, match="artefacts' seed"):
        run_robustness(request_for(seed=1))


def test_rows_of_retrained_weights_or_changed_labels_are_not_mixed(request_for, predicted, tmp_path):
    shutil.copytree(request_for().raw, tmp_path / "raw")
    request = request_for(raw=tmp_path / "raw", models={"A": tmp_path / "A"})
    run_robustness(request)
    run_robustness(request_for(raw=tmp_path / "raw"))
    label = tmp_path / "raw" / "labelsTr" / f"{CASES[0]}.nii.gz"
    tiny.write_image(np.zeros(tiny.SHAPE, np.uint8), label)
    with pytest.raises(ValueError, match=r"made differently \(images and labels\)"):
        run_robustness(request)
    (tmp_path / "A" / "fold_0" / "checkpoint_final.pth").write_bytes(b"trained again")
    with pytest.raises(ValueError, match=r"made differently \(weights, images and labels\)"):
        run_robustness(request)


def test_images_and_labels_that_do_not_fit_are_named_before_work(request_for, tmp_path):
    shutil.copytree(request_for().raw, tmp_path / "raw")
    image = tmp_path / "raw" / "imagesTr" / f"{CASES[0]}_0001.nii.gz"
    image.write_bytes(image.read_bytes()[:-99])
    label = tmp_path / "raw" / "labelsTr" / f"{CASES[1]}.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.zeros(tiny.SHAPE, np.uint8)), str(label))
    with pytest.raises(ValueError, match=rf"(?s)2 case.*{image.name} cannot be read.*{label.name} has spacing"):
        check_request(request_for(raw=tmp_path / "raw"))
    assert not (tmp_path / "out").exists()


def test_models_that_are_not_trained_are_named(request_for, tmp_path):
    (tmp_path / "B" / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(FileNotFoundError, match=r"These folds are not trained: .*B/fold_0/checkpoint_final.pth"):
        check_request(request_for())
    assert not (tmp_path / "out").exists()


def test_cases_without_labels_are_named(request_for, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(request_for().raw, raw)
    (raw / "labelsTr" / f"{CASES[0]}.nii.gz").unlink()
    with pytest.raises(ValueError, match=f"lacks images or labels of the validation cases {CASES[0]}\\."):
        check_request(request_for(raw=raw))
    with pytest.raises(ValueError, match=r"\(there are none\)"):
        check_request(request_for(folds={"0": []}))


def test_the_images_of_a_case_come_in_the_order_of_their_channels(request_for):
    files = check_request(request_for())
    assert [p.name for p in files[CASES[0]]] == [f"{CASES[0]}_0000.nii.gz", f"{CASES[0]}_0001.nii.gz"]
    assert json.loads((request_for().output / run.RECORD).read_text())["dataset"] == tiny.DATASET


def test_a_model_that_was_trained_on_the_cases_is_refused(request_for, predicted, capsys):
    """Splits change: a fold is judged by what it was trained on, not by what its number means now."""
    request = request_for()
    fold = request.models["A"] / "fold_0"
    TrainedCases(tiny.DATASET, "0", {CASES[0]: ()}, {}).write(fold)
    with pytest.raises(ValueError, match=rf"LEAKAGE: 1 case\(s\) .* training cases of .*fold_0: {CASES[0]}"):
        run_robustness(request)
    assert not request.output.exists()
    files = sorted((request.raw / "imagesTr").glob(f"{CASES[1]}_*"))
    TrainedCases(tiny.DATASET, "0", {"renamed": raw_contents({"x": files})["x"]}, {}).write(fold)
    with pytest.raises(ValueError, match=rf"{CASES[1]} \(the images of renamed\)"):
        run_robustness(request)
    TrainedCases(tiny.DATASET, "0", {tiny.HEALTHY[0]: ()}, {}).write(fold)
    run_robustness(request)
    said = capsys.readouterr().out
    assert said.count("WARNING: LEAKAGE? It is not known which cases") == 1 and str(request.models["B"]) in said


def test_nnunets_own_trainer_is_judged_by_its_validation(request_for, predicted, capsys):
    for model in request_for().models.values():
        (model / "fold_0" / "validation").mkdir()
        rows = [{"prediction_file": f"/x/{case}.nii.gz"} for case in CASES]
        (model / "fold_0" / "validation" / "summary.json").write_text(json.dumps({"metric_per_case": rows}))
    run_robustness(request_for())
    assert "LEAKAGE" not in capsys.readouterr().out
