from dataclasses import replace

import dicoms
import pytest
import SimpleITK

from nnunet_uad.dicom.importing import ImportRequest, import_folder
from nnunet_uad.dicom.record import Record
from nnunet_uad.dicom.rules import rule_of
from nnunet_uad.dicom.sources import find_sources


@pytest.fixture
def record(tmp_path):
    """The record of a case of two channels."""
    for name in ("FLAIR", "T1"):
        dicoms.write_series(tmp_path / "dicom" / name, dicoms.voxels(1), description=name)
    rules = rule_of(["FLAIR=FLAIR", "T1=T1"], ["FLAIR", "T1"])
    import_folder(ImportRequest(tmp_path / "dicom", tmp_path / "images", rules), lambda text: None)
    return Record.read(tmp_path / "images")


def test_a_case_knows_its_slices_its_other_channels_and_its_grid(record, tmp_path):
    sources, failed = find_sources(record, ["case_001"], tmp_path / "dicom")
    source = sources["case_001"]
    assert failed == {} and [s.SOPInstanceUID for s in source.slices] == record.cases["case_001"].channels[0].instances
    assert {s.SeriesDescription for s in source.others} == {"T1"} and "PixelData" not in source.slices[0]
    source.check(tmp_path / "images" / "case_001_0000.nii.gz")
    SimpleITK.WriteImage(SimpleITK.Image(6, 7, 4, SimpleITK.sitkUInt8), str(tmp_path / "other.nii.gz"))
    with pytest.raises(ValueError, match=r"shape \(6, 7, 4\) where \(6, 7, 5\) was expected by the DICOM series"):
        source.check(tmp_path / "other.nii.gz")


def test_a_record_without_a_folder_wants_one(record, tmp_path):
    nameless = Record({"case_001": replace(record.cases["case_001"], folder="")})
    assert "Name it: --dicom FOLDER" in find_sources(nameless, ["case_001"])[1]["case_001"]
    assert find_sources(nameless, ["case_001"], tmp_path / "dicom")[1] == {}
    assert list(find_sources(record, ["case_001"])[0]) == ["case_001"]


def test_sources_that_changed_or_lie_nowhere_are_refused(record, tmp_path):
    flair = tmp_path / "dicom" / "FLAIR"
    dicoms.write_series(flair, dicoms.voxels(1), description="FLAIR", FrameOfReferenceUID="")
    assert "no frame of reference" in find_sources(record, ["case_001"], tmp_path / "dicom")[1]["case_001"]
    dicoms.write_series(flair, dicoms.voxels(1), description="FLAIR", spacing=(-3.0, 1.5, 1.25))
    assert "another order of slices" in find_sources(record, ["case_001"], tmp_path / "dicom")[1]["case_001"]
