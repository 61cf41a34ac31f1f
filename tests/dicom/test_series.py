import shutil

import dicoms
import numpy as np
import pytest
from pydicom.dataset import Dataset

from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.series import Series, studies_of


def series_of(folder, derived=False, **series):
    """The series of written files."""
    dicoms.write_series(folder, dicoms.voxels(1), **series)
    return Series.of(headers_below(folder, print), derived)


def on_slice(number, **elements):
    """A change of one slice's elements."""

    def change(k, image):
        if k == number:
            for keyword, value in elements.items():
                setattr(image, keyword, value)

    return change


def test_files_in_any_order_become_slices_in_order(tmp_path):
    series = series_of(tmp_path)
    assert series.problem == "" and [h.position[2] for h in series.headers] == [7.5, 10.5, 13.5, 16.5, 19.5]
    assert series.words == "#4 'FLAIR axial' (MR, 5 image(s), 6 × 7 × 5 voxels of 1.25 × 1.5 × 3 mm)"


@pytest.mark.parametrize(
    ("elements", "problem"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localiser"),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, "derived images (ImageType)"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "colours, or grey values of which high ones are dark"),
        ({"SamplesPerPixel": 3}, "colours"),
        ({"ModalityLUTSequence": [Dataset()]}, "values that pass a table"),
        ({"ImagePositionPatient": None}, "images without position"),
        ({"PixelSpacing": [0, 0]}, "a pixel spacing that is not above 0"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "not at right angles"),
        ({"NumberOfFrames": 2}, "multi-frame files"),
        ({"Rows": None}, "no images"),
    ],
)
def test_what_is_no_scan_says_why(tmp_path, elements, problem):
    found = series_of(tmp_path, **elements)
    assert problem in found.problem and found.words.endswith(f"): no: {found.problem}")


@pytest.mark.parametrize(
    ("elements", "problem"),
    [
        ({"Rows": 8}, "several sizes"),
        ({"PixelSpacing": [1.5, 1.3]}, "several pixel spacings"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "several orientations"),
        ({"FrameOfReferenceUID": "1.2.9"}, "several frames of reference"),
        ({"ImagePositionPatient": [-20, 15, 7.5]}, "5 images at 4 positions"),
        ({"ImagePositionPatient": [-19, 15, 13.5]}, "shifted sideways by 1 mm"),
        ({"ImagePositionPatient": [-20, 15, 14.5]}, "slices 2 and 3 are 4 mm apart where 3 mm is usual"),
    ],
)
def test_a_slice_that_does_not_belong_is_found(tmp_path, elements, problem):
    assert problem in series_of(tmp_path, change=on_slice(2, **elements)).problem


def test_a_missing_slice_is_found_and_a_single_one_is_no_volume(tmp_path):
    paths = dicoms.write_series(tmp_path, dicoms.voxels(1))
    paths[2].unlink()
    assert "slices 2 and 3 are 6 mm apart" in Series.of(headers_below(tmp_path, print)).problem
    for path in paths[3:]:
        path.unlink()
    paths[1].unlink()
    assert "a single slice" in Series.of(headers_below(tmp_path, print)).problem


def test_derived_images_are_a_scan_if_that_is_meant(tmp_path):
    assert series_of(tmp_path, derived=True, ImageType=["DERIVED", "PRIMARY"]).problem == ""


def test_exact_copies_are_left_out_and_others_are_refused(tmp_path):
    paths = dicoms.write_series(tmp_path / "a", dicoms.voxels(1))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    both = Series.of(headers_below(tmp_path, print))
    assert (both.problem, both.copies, len(both.headers)) == ("", 5, 5) and "5 exact copies left out" in both.words
    data = paths[0].read_bytes()
    paths[0].write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "differ and have one SOPInstanceUID" in Series.of(headers_below(tmp_path, print)).problem


def test_studies_are_sorted_by_uid_and_know_their_folder(tmp_path):
    for patient, study in (("Able^A", "1.2.9"), ("Zola^Z", "1.2.3")):
        for name in ("FLAIR", "T1"):
            folder = tmp_path / patient[:4] / name
            dicoms.write_series(folder, np.ones(dicoms.SHAPE), patient=patient, study=study, description=name)
    studies = studies_of(headers_below(tmp_path, print), tmp_path)
    assert [(s.uid, str(s.folder), len(s.series)) for s in studies] == [("1.2.3", "Zola", 2), ("1.2.9", "Able", 2)]
    assert studies[0].patient == ("ID-Zola", "Zola^Z") and studies[0].listing.count("\n") == 1


def test_two_patients_in_one_study_are_refused(tmp_path):
    for patient in ("Able^A", "Zola^Z"):
        dicoms.write_series(tmp_path / patient[:4], dicoms.voxels(1), patient=patient, description=patient)
    (study,) = studies_of(headers_below(tmp_path, print), tmp_path)
    assert "its files are of 2 patients" in study.problem and str(study.folder) == "."
