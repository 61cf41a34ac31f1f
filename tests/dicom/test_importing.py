import gzip
import json

import dicoms
import numpy as np
import pytest
import SimpleITK

from nnunet_uad.data.image_files import read_image, read_values
from nnunet_uad.dicom.importing import ImportRequest, import_folder, listing
from nnunet_uad.dicom.rules import rule_of

RULES = rule_of(["FLAIR=*flair*", "T1=*t1*"], ["FLAIR", "T1"])


def write_study(folder, patient, study, seed=1, **t1):
    """FLAIR and T1 of a patient."""
    common = {"patient": patient, "study": study, "axes": dicoms.orientation(seed)}
    dicoms.write_series(folder / "S1", dicoms.voxels(seed), **common)
    dicoms.write_series(folder / "S2", dicoms.voxels(seed + 1), **{"description": "T1 mprage", **common, **t1})


@pytest.fixture
def folder(tmp_path):
    """Two patients in folders that name them."""
    write_study(tmp_path / "dicom" / "Doe_Jane", "Doe^Jane", "1.2.3.2", 1)
    write_study(tmp_path / "dicom" / "Roe_Richard", "Roe^Richard", "1.2.3.1", 5)
    return tmp_path


def imported(folder, told=None, **options):
    """What became of an import."""
    request = ImportRequest(folder / "dicom", folder / "images", options.pop("rules", RULES), **options)
    return import_folder(request, (told if told is not None else []).append)


def test_every_study_becomes_a_case_of_its_channels_in_place(folder):
    told = []
    assert imported(folder, told).written == ["case_001", "case_002"]
    assert told == [f"case_001  {folder / 'dicom' / 'Roe_Richard'}", f"case_002  {folder / 'dicom' / 'Doe_Jane'}"]
    for case, seed in (("case_001", 5), ("case_002", 1)):
        for channel in (0, 1):
            path = folder / "images" / f"{case}_{channel:04d}.nii.gz"
            np.testing.assert_array_equal(read_values(path), dicoms.voxels(seed + channel))
            image, axes = read_image(path), dicoms.direction(dicoms.orientation(seed))
            for index in ((0, 0, 0), (5, 6, 4)):
                place = np.array((-20, 15, 7.5)) + axes @ (np.array(index) * dicoms.SPACING[::-1])
                np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), place, atol=1e-4)


def test_no_file_names_a_patient(folder):
    imported(folder)
    for path in (folder / "images").iterdir():
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        for word in (b"Doe", b"Jane", b"Roe", b"Richard", b"mprage"):
            assert word not in content and word.decode() not in path.name
    record = json.loads((folder / "images" / "dicom.json").read_text())
    case = record["cases"]["case_001"]
    assert case["folder"] == str(folder / "dicom") and len(case["channels"][0]["instances"]) == 5


def test_a_path_that_names_a_patient_is_not_recorded(folder):
    told = []
    request = ImportRequest(folder / "dicom" / "Doe_Jane", folder / "images", RULES)
    import_folder(request, told.append)
    assert json.loads((folder / "images" / "dicom.json").read_text())["cases"]["case_001"]["folder"] == ""
    assert "names a patient, so it was not recorded: exports need --dicom FOLDER" in told[-1]


def test_an_import_again_keeps_what_is_there_and_adds_what_is_new(folder):
    imported(folder)
    before = {p.name: p.stat().st_mtime_ns for p in (folder / "images").glob("*.nii.gz")}
    write_study(folder / "dicom" / "New", "New^Nora", "1.2.3.0", 8)
    result = imported(folder)
    assert (result.written, result.kept) == (["case_003"], ["case_001", "case_002"])
    assert {n: (folder / "images" / n).stat().st_mtime_ns for n in before} == before


def test_other_series_or_files_of_others_are_not_replaced_unless_that_is_asked(folder):
    imported(folder)
    swapped = rule_of(["FLAIR=*t1*", "T1=*flair*"], ["FLAIR", "T1"])
    with pytest.raises(ValueError, match="case_001, case_002 that were made of other series"):
        imported(folder, rules=swapped)
    one = rule_of(["FLAIR=*t1*"], ["FLAIR"])
    assert imported(folder, rules=one, overwrite=True).written == ["case_001", "case_002"]
    assert {p.name for p in (folder / "images").glob("*.gz")} == {"case_001_0000.nii.gz", "case_002_0000.nii.gz"}
    np.testing.assert_array_equal(read_values(folder / "images" / "case_001_0000.nii.gz"), dicoms.voxels(6))
    (folder / "images" / "dicom.json").unlink()
    with pytest.raises(ValueError, match="or not by this command"):
        imported(folder, rules=one)


def test_a_study_that_cannot_be_imported_stops_all_or_is_left_out(folder):
    next((folder / "dicom" / "Doe_Jane" / "S2").iterdir()).unlink()
    (folder / "dicom" / "Doe_Jane" / "S2").rename(folder / "dicom" / "Doe_Jane" / "S3")
    for path in list((folder / "dicom" / "Doe_Jane" / "S3").iterdir())[1:]:
        path.unlink()
    with pytest.raises(ValueError, match="1 of 2 studies cannot be imported, so nothing was written") as refused:
        imported(folder)
    assert "expected one series for T1=*t1*" in str(refused.value) and not (folder / "images").exists()
    result = imported(folder, skip=True)
    assert result.written == ["case_001"] and list(result.refused) == [str(folder / "dicom" / "Doe_Jane")]


def test_channels_on_other_grids_are_refused_or_resampled(tmp_path):
    write_study(tmp_path / "dicom", "Doe^Jane", "1.2", spacing=(2.0, 1.5, 1.25))
    with pytest.raises(ValueError, match=r"T1 has spacing \(1.25, 1.5, 2\) mm .* by FLAIR. .* --resample"):
        imported(tmp_path)
    imported(tmp_path, resample=True)
    first, second = (read_image(tmp_path / "images" / f"case_001_000{c}.nii.gz") for c in (0, 1))
    assert first.GetSize() == second.GetSize() and second.GetPixelID() == SimpleITK.sitkFloat32
    # Every third of the finer slices lies on every second of the coarse ones.
    found = SimpleITK.GetArrayFromImage(second)
    np.testing.assert_allclose(found[2], dicoms.voxels(2)[3], atol=0.1)
    channels = json.loads((tmp_path / "images" / "dicom.json").read_text())["cases"]["case_001"]["channels"]
    assert [channel["resampled"] for channel in channels] == [False, True]


def test_channels_without_a_common_frame_of_reference_are_refused(tmp_path):
    write_study(tmp_path / "dicom", "Doe^Jane", "1.2", FrameOfReferenceUID="9.9", spacing=(2.0, 1.5, 1.25))
    with pytest.raises(ValueError, match="do not share a frame of reference .* Register them first"):
        imported(tmp_path, resample=True)


def test_a_file_that_is_cut_short_does_not_stop_the_others(folder):
    path = next((folder / "dicom" / "Doe_Jane" / "S1").iterdir())
    path.write_bytes(path.read_bytes()[:-30])
    result = imported(folder)
    assert result.written == ["case_001"] and "cannot be read" in result.refused["case_002"]


def test_the_listing_shows_what_there_is(folder):
    shown = listing(folder / "dicom")
    assert shown.count("study ") == 2 and "#4 'T1 mprage' (MR, 5 image(s), 6 × 7 × 5 voxels" in shown


def test_what_cannot_be_read_now_leaves_what_was_imported_before(folder):
    imported(folder)
    path = next((folder / "dicom" / "Doe_Jane" / "S2").iterdir())
    path.write_bytes(path.read_bytes()[:-30])
    before = {p: p.read_bytes() for p in (folder / "images").glob("case_002_*")}
    recorded = json.loads((folder / "images" / "dicom.json").read_text())["cases"]["case_002"]
    swapped = rule_of(["FLAIR=*t1*", "T1=*flair*"], ["FLAIR", "T1"])
    result = imported(folder, rules=swapped, overwrite=True)
    assert result.written == ["case_001"] and "cannot be read" in result.refused["case_002"]
    assert len(before) == 2 and {p: p.read_bytes() for p in before} == before
    assert json.loads((folder / "images" / "dicom.json").read_text())["cases"]["case_002"] == recorded
