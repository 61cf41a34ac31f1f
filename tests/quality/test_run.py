import csv
import dataclasses
import json

import numpy as np
import pytest
import tiny

from nnunet_uad.quality import run
from nnunet_uad.quality.run import CheckRequest, check_folder, promise_in_words
from nnunet_uad.quality.training_scans import TrainingScans
from nnunet_uad.screening.models import SupervisedModel


@pytest.fixture
def images(tmp_path):
    """A fit scan, one with its channels swapped, one of one channel, and one that is cut short."""
    folder = tmp_path / "IMAGES"
    folder.mkdir()
    image = tiny.tiny_case(50, False)[0]
    for case, volumes in {"fit": image, "swapped": image[::-1], "single": image[:1], "cut": image}.items():
        for channel, volume in enumerate(volumes):
            tiny.write_image(volume, folder / f"{case}_{channel:04d}.nii.gz")
    cut = folder / "cut_0000.nii.gz"
    cut.write_bytes(cut.read_bytes()[:300])
    return folder


@pytest.fixture
def request_(preprocessed, images, tmp_path):
    training = TrainingScans(preprocessed, "nnUNetPlans", "2d_tiny")
    return CheckRequest(images=images, training=training, output=tmp_path / "out")


def test_a_folder_is_checked(request_, tmp_path):
    told = []
    result = check_folder(request_, told.append)
    assert result.unfit == ["cut", "single", "swapped"] and not result.failed
    assert "at most 11.1 % are called unfit (so few scans cannot promise less)" in told[-1] == result.promise
    sentences = {case: " ".join(f.sentence for f in found) for case, found in result.findings.items()}
    assert "are the channels swapped?" in sentences["swapped"] and "cut_0000.nii.gz" in sentences["cut"]
    assert "expected 2 channel(s) (FLAIR, T1: _0000, _0001), found _0000" in sentences["single"]
    rows = list(csv.DictReader((tmp_path / "out" / "checks.csv").open()))
    assert {row["scan"]: row["verdict"] for row in rows}["fit"] in ("ok", "unusual")
    page = result.page.read_text()
    assert "Are these scans fit for Dataset991_Tiny?" in page and page.count("data:image/png;base64") == 2
    assert json.loads((tmp_path / "out" / "check.json").read_text())["verdicts"]["swapped"] == "unfit"
    assert check_folder(request_, told.append).unfit == result.unfit


def test_a_scan_that_fails_stops_no_other(request_, monkeypatch):
    def failing(files, setup):
        if "fit_" in files[0]:
            raise OSError("the disk is gone")
        return whole(files, setup)

    whole = run.scan_profile
    request_.training.reference(print)
    monkeypatch.setattr(run, "scan_profile", failing)
    result = check_folder(request_, print)
    assert result.failed == {"fit": "OSError: the disk is gone"} and "the disk is gone" in result.page.read_text()


def test_a_reference_from_elsewhere_needs_no_training_scans(request_, tmp_path, monkeypatch):
    request_.training.reference(print)
    given = request_.training.path.rename(tmp_path / "given.safetensors")
    monkeypatch.delenv("nnUNet_raw")
    elsewhere = CheckRequest(images=request_.images, training=request_.training, reference=given, rate=0.2)
    result = check_folder(elsewhere, print)
    assert result.unfit == ["cut", "single", "swapped"] and result.page is None
    assert "at most 20 % are called unfit, as a mean over such cohorts" in result.promise


def test_a_reference_of_other_training_scans_is_refused(request_, tmp_path):
    made, other = request_.training.reference(print), tmp_path / "other.safetensors"
    assert made.dataset == "Dataset991_Tiny"
    swapped = dataclasses.replace(made.setup, channels=("T1", "FLAIR"))
    for changes, message in (
        ({"dataset": "Dataset901_Tumour"}, "a reference of Dataset901_Tumour, expected one of Dataset991_Tiny"),
        ({"setup": swapped}, r"other plans than nnUNetPlans, 2d_tiny .*channels: expected \('FLAIR', 'T1'\), found"),
    ):
        dataclasses.replace(made, **changes).write(other)
        with pytest.raises(ValueError, match=message):
            check_folder(dataclasses.replace(request_, reference=other), print)
    dataclasses.replace(made, dataset="").write(other)
    nowhere = dataclasses.replace(request_.training, configuration="nope")
    with pytest.raises(ValueError, match="nope"):
        check_folder(dataclasses.replace(request_, reference=other, training=nowhere), print)


def test_nothing_is_promised_of_the_agreement(request_):
    known = SupervisedModel(request_.training.preprocessed, (), "checkpoint_final.pth")
    assert dataclasses.replace(request_, known=known).rate_of_each == request_.rate == 0.05
    assert promise_in_words([(40, 0.05)], folds=True) == (
        "Compared with 40 training scans: of scans like them at most 5 % are called unfit, as a mean over such "
        "cohorts; with this one up to 11.3 % (95 % confidence). How many more are for the agreement of the folds is "
        "not promised."
    )


def test_parts_of_a_promise_add_up():
    words = promise_in_words([(40, 0.025), (12, 1 / 13)])
    assert "at most 10.2 % are called unfit, as a mean" in words and "up to 35.3 % (95 % confidence)" in words
    assert "up to 100 % (95 % confidence)" in promise_in_words([(2, 1 / 3), (2, 1 / 3)])


def test_pages_of_others_are_not_overwritten(request_, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("a report")
    with pytest.raises(ValueError, match="holds a page of another command"):
        check_folder(request_)
    with pytest.raises(ValueError, match="found the file"):
        check_folder(CheckRequest(images="I", training=request_.training, output=tmp_path / "out" / "index.html"))


def test_pictures_show_single_slices_too(reference):
    from nnunet_uad.quality.pictures import scan_picture
    from nnunet_uad.quality.scan import Scan

    flat = Scan(np.random.default_rng(0).random((2, 1, 20, 30)).astype(np.float32), (999.0, 1.0, 1.0))
    assert scan_picture(flat, ("FLAIR", "$T1"), reference.mean).startswith("data:image/png;base64,")
