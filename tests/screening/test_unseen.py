import json

import pytest
from weights_helpers import make_record

from nnunet_uad.screening import unseen
from nnunet_uad.screening.unseen import UnseenCases
from nnunet_uad.training.cases import TrainedCases
from nnunet_uad.weights.record import BaseWeights


@pytest.fixture
def folds(tmp_path, monkeypatch):
    """A pretrainer that was trained on a and b, a model of ours that was trained on a and c, a stock one by splits."""
    known = tmp_path / "D" / "nnUNetTrainerFromScratch__p__2d" / "fold_0"
    stock = tmp_path / "D" / "nnUNetTrainer__p__2d" / "fold_0"
    pretrainer = tmp_path / "D" / "nnUNetPretrainerDAE__p__2d" / "fold_3"
    other = tmp_path / "E" / "nnUNetPretrainerDAE__p__2d" / "fold_3"
    copier = tmp_path / "D" / "nnUNetPretrainerMAE__p__2d" / "fold_0"
    for folder in (known, stock, pretrainer, other, copier):
        folder.mkdir(parents=True)
    contents = {"d": ["raw:1"], "e": ["raw:2"]}
    TrainedCases("D", "0", {"a": ("raw:5",), "c": ("raw:6",)}, contents).write(known)
    TrainedCases("E", "3", {}, {"d": ("raw:1",), "e": ("raw:9",)}).write(other)
    TrainedCases("D", "0", {}, {"e": ("raw:9",), "x": ("raw:6",), "y": ("raw:7",)}).write(copier)
    (tmp_path / "preprocessed" / "D").mkdir(parents=True)
    splits = [{"train": ["d"], "val": ["e"]}]
    (tmp_path / "preprocessed" / "D" / "splits_final.json").write_text(json.dumps(splits))
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    copied = make_record(cases=("z",), contents={"z": ("raw:9",)})
    records = {pretrainer: [make_record()], other: [], copier: [copied]}
    monkeypatch.setattr(unseen, "training_records", lambda found: records[found[0]])
    return {"known": known, "stock": stock, "map": pretrainer, "other": other, "copier": copier}


@pytest.mark.parametrize(
    ("known", "of_map", "case", "reason"),
    [
        ("known", "map", "d", ""),
        ("known", "map", "b", "nnUNetPretrainerDAE__p__2d/fold_3 was trained on it"),
        ("known", "map", "c", "nnUNetTrainerFromScratch__p__2d/fold_0 was trained on it"),
        ("stock", "map", "d", "nnUNetTrainer__p__2d/fold_0 was trained on it"),
        ("stock", "map", "e", ""),
        ("known", "other", "d", ""),
        ("known", "other", "e", "another image under the same name"),
        ("stock", "copier", "e", "nnUNetPretrainerMAE__p__2d/fold_0 was trained on it"),
        ("known", "copier", "x", "nnUNetTrainerFromScratch__p__2d/fold_0 was trained on it"),
        ("known", "copier", "y", ""),
    ],
)
def test_cases_that_a_model_was_trained_on_do_not_calibrate(folds, known, of_map, case, reason):
    cases = UnseenCases([folds[known]], [folds[of_map]])
    assert cases.why_not(case, folds[of_map], folds[known]) == reason


def test_what_cannot_be_known_is_said(folds, monkeypatch):
    assert UnseenCases([folds["stock"]], [folds["map"]]).unchecked() == []
    monkeypatch.delenv("nnUNet_preprocessed")
    cases = UnseenCases([folds["stock"]], [folds["other"]])
    (of_known,) = cases.unchecked()
    (folds["other"] / "training_cases.json").unlink()
    (of_map, of_known) = UnseenCases([folds["stock"]], [folds["other"]]).unchecked()
    assert (
        "pretrained.safetensors and training_cases.json are missing" in of_map
        and "splits_final.json of its dataset, too" in of_known
    )
    everything = folds["stock"].with_name("fold_all")
    assert "was trained on it" in UnseenCases([everything], [folds["other"]]).why_not("d", folds["other"], everything)


def test_weights_that_a_pretrainer_went_on_from(folds, monkeypatch):
    seen = BaseWeights.chain("from_du.safetensors", "1", "nnunet_uad", make_record(cases=("d",)))
    strangers = BaseWeights.chain("openmind.pth", "1", "nnssl", None)
    record = make_record(cases=("z",), bases=(*seen, *strangers))
    monkeypatch.setattr(unseen, "training_records", lambda found: [record])
    cases = UnseenCases([folds["known"]], [folds["map"]])
    assert cases.why_not("d", folds["map"], folds["known"]) == "nnUNetPretrainerDAE__p__2d/fold_3 was trained on it"
    (said,) = cases.unchecked()
    assert said.startswith("WARNING: LEAKAGE? It is not known which cases openmind.pth")


def test_pretrainers_without_their_record(folds, monkeypatch):
    monkeypatch.setattr(unseen, "training_records", lambda found: [])
    everything = folds["map"].with_name("fold_all")
    TrainedCases("D", "3", {"e": ()}, {"d": ()}).write(folds["map"])
    cases = UnseenCases([folds["known"]], [folds["map"], everything])
    assert cases.unchecked() == []
    assert cases.why_not("e", folds["map"], folds["known"]) == "nnUNetPretrainerDAE__p__2d/fold_3 was trained on it"
    assert cases.why_not("d", folds["map"], folds["known"]) == ""
    assert "fold_all was trained on it" in cases.why_not("d", everything, folds["known"])


def test_screened_images_with_the_names_of_training_cases(folds):
    cases = UnseenCases([folds["known"]], [folds["map"]])
    assert cases.warning(["x", "y"]) == ""
    assert "LEAKAGE? 1 case(s) carry identifiers" in cases.warning(["x", "c"])
