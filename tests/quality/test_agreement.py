import json
import math
import os
import shutil
from pathlib import Path

import pytest
import tiny

from nnunet_uad.quality.agreement import AgreementLimit, agreement_findings, validation_dice
from nnunet_uad.screening.models import SupervisedModel

RUN = {"mirroring": False, "device": "cpu"}


@pytest.fixture
def model(segmenter_fold, tmp_path):
    """The untrained model that segments, as two folds with validations."""
    folder = tmp_path / "results" / tiny.DATASET / segmenter_fold.parent.name
    folder.mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copy(segmenter_fold.parent / name, folder)
    for fold, dice in enumerate((0.8, 0.6)):
        (folder / f"fold_{fold}" / "validation").mkdir(parents=True)
        shutil.copy(segmenter_fold / "checkpoint_final.pth", folder / f"fold_{fold}")
        cases = [{"metrics": {"1": {"Dice": dice}, "2": {"Dice": math.nan}}}, {"metrics": {"1": {"Dice": dice + 0.1}}}]
        content = {"metric_per_case": [*cases, {"metrics": {"1": {"Dice": math.nan}}}]}
        (folder / f"fold_{fold}" / "validation" / "summary.json").write_text(json.dumps(content))
    return SupervisedModel(folder, (), "checkpoint_final.pth")


def test_the_limit_is_that_of_the_validation(model):
    limit = AgreementLimit.of(model, 0.05)
    assert limit.limit == pytest.approx(0.6) and limit.middle == pytest.approx(0.75)
    unfit, fit = limit.finding(0.45), limit.finding(0.9)
    assert unfit.verdict == "unfit" and unfit.score > 1 and "contradict each other" in unfit.sentence
    assert fit.verdict == "ok" and "The folds agree by 0.90 (median of their validation Dice: 0.75)" in fit.sentence
    assert limit.finding(math.nan).verdict == "ok"


def test_one_fold_cannot_disagree(model):
    with pytest.raises(
        ValueError, match="needs two folds or more of .* found fold_1 alone. Train another: nnUNetv2_train"
    ):
        AgreementLimit.of(SupervisedModel(model.folder, (1,), model.checkpoint), 0.05)


def test_fold_all_is_refused(model):
    shutil.copytree(model.folder / "fold_0", model.folder / "fold_all")
    with pytest.raises(ValueError, match="-f expects numbered folds, found all in .* -f 0 1 2 3 4"):
        AgreementLimit.of(SupervisedModel(model.folder, (0, "all"), model.checkpoint), 0.05)


def test_a_fold_that_was_not_validated_is_named(model):
    summary = model.folder / "fold_1" / "validation" / "summary.json"
    summary.write_text('{"metric_per_case": []}')
    with pytest.raises(ValueError, match="holds no Dice of any case. Validate it: nnUNetv2_train"):
        AgreementLimit.of(model, 0.05)
    summary.unlink()
    with pytest.raises(ValueError, match="summary.json does not exist. Validate it"):
        validation_dice(model.folder / "fold_1")


@pytest.mark.slow
def test_folds_of_the_same_weights_agree(model, tmp_path):
    images = Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs"
    cases = {"test": [str(images / f"test_{k:04d}.nii.gz") for k in range(2)]}
    limit = AgreementLimit.of(model, 0.05)
    found, failed = agreement_findings(model, cases, tmp_path / "out", limit, RUN, print)
    assert not failed and found["test"].value in (1.0, None)
    written = sorted(tmp_path.glob("out/fold_*/test.nii.gz"))
    times = [path.stat().st_mtime_ns for path in written]
    assert len(written) == 2 and agreement_findings(model, cases, tmp_path / "out", limit, RUN, print)[0] == found
    assert [path.stat().st_mtime_ns for path in written] == times
    with pytest.raises(ValueError, match="segmentations that were made differently"):
        agreement_findings(model, cases, tmp_path / "out", limit, {**RUN, "mirroring": True}, print)
    lost = {"lost": [str(tmp_path / "none.nii.gz")] * 2}
    assert "lost" in agreement_findings(model, lost, tmp_path / "out", limit, RUN, print)[1]
