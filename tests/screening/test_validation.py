import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny

from nnunet_uad.inference.model import load_restorer
from nnunet_uad.scoring.score_settings import score_settings
from nnunet_uad.screening.map_folders import MapScore
from nnunet_uad.screening.validation import ValidatedCase, Validations


def volume(values, path):
    tiny.write_image(np.asarray(values, np.float32).reshape(1, 1, -1), path)
    return path


def test_healthy_is_the_foreground_without_any_label(tmp_path):
    """Voxels: background, healthy, healthy and marked wrongly, lesion, ignored, lesion that was marked."""
    case = ValidatedCase(
        scores=volume([0, 1, 2, 3, 4, 5], tmp_path / "a_map.nii.gz"),
        segmentation=volume([0, 0, 1, 0, 0, 1], tmp_path / "a.nii.gz"),
        label=volume([0, 0, 0, 1, 2, 1], tmp_path / "labels.nii.gz"),
    )
    voxels = case.count(0)
    assert (voxels.healthy, voxels.marked, int(voxels.counts.sum())) == (2, 1, 1)
    assert voxels.rate(0.9) == 0.5 and voxels.rate(1.5) == 0
    assert case.count(2).rate(0.5) == 0, "2 mm from what is marked: explained"
    with pytest.raises(ValueError, match="shape"):
        shape = tmp_path / "b_map.nii.gz"
        dataclasses.replace(case, scores=volume([0, 1], shape)).count(0)


@pytest.fixture
def validations(dae_fold, segmenter_fold, tmp_path):
    """A function that gives the validations of copies of the tiny models, after a change of their files."""
    restorer = load_restorer(dae_fold.parent, [0], device="cpu")
    score = MapScore.of(score_settings(restorer.settings), restorer.scorer)
    dataset = json.loads((segmenter_fold.parent / "dataset.json").read_text())
    folds = []
    for fold in (segmenter_fold, dae_fold):
        copy = tmp_path / tiny.DATASET / fold.parent.name / fold.name
        shutil.copytree(fold, copy, ignore=shutil.ignore_patterns("*.pth", "progress.png"))
        folds.append(copy)
    return Validations([folds[0]], [folds[1]], dataset, score)


def test_cases_that_both_models_were_validated_on(validations):
    said = []
    cases = validations.cases(said.append)
    assert list(cases) == tiny.LESION[2:] and said == []
    first = cases[tiny.LESION[2]]
    assert first.scores.name == f"{tiny.LESION[2]}_map.nii.gz" and first.label.parent.name == "gt_segmentations"
    assert sorted(validations.count(cases, 5.0, said.append)) == tiny.LESION[2:]


def test_too_few_cases_are_refused_with_the_commands_that_validate(validations):
    (validations.known[0] / "validation" / f"{tiny.LESION[2]}.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"found 1 \(2 with a map .*; nnUNetv2_train .*nnUNetPretrainerDAE.* --val"):
        validations.cases(print)
    shutil.rmtree(validations.map[0] / "validation")
    said = []
    with pytest.raises(ValueError, match="found 0"):
        validations.cases(said.append)
    assert any("holds no maps; to make them: nnUNetv2_train" in words for words in said)


def test_cases_that_a_model_has_seen_are_left_out_and_named(validations):
    record = validations.known[0] / "training_cases.json"
    content = json.loads(record.read_text())
    content["train"] = {**content["train"], tiny.LESION[2]: []}
    record.write_text(json.dumps(content))
    said = []
    with pytest.raises(ValueError, match="found 1"):
        validations.cases(said.append)
    assert f"1 validation case(s) do not calibrate: {tiny.LESION[2]} (" in said[0] and "trained on it" in said[0]


def test_a_damaged_file_is_said_and_labels_are_wanted(validations, tmp_path, monkeypatch):
    (validations.map[0] / "validation" / f"{tiny.LESION[3]}_map.nii.gz").write_bytes(b"")
    said = []
    with pytest.raises(ValueError, match="found 1 of 2 that can be used"):
        validations.count(validations.cases(print), 5.0, said.append)
    assert f"1 validation case(s) do not calibrate: {tiny.LESION[3]} (" in said[0]
    raw = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "labelsTr"
    for variable in ("nnUNet_raw", "nnUNet_preprocessed"):
        monkeypatch.delenv(variable)
    with pytest.raises(ValueError, match=r"labels of 2 validation case\(s\) are missing: .*--labels FOLDER"):
        validations.cases(print)
    cases = dataclasses.replace(validations, labels=raw).cases(print)
    assert all(case.label.parent == raw for case in cases.values())
