from pathlib import Path

import dicoms
import pytest

from nnunet_uad.dicom.headers import Header, headers_below, read_header, uids_below


def test_a_header_says_what_the_file_does(tmp_path):
    dicoms.write_series(tmp_path, dicoms.voxels(1), slopes=[2.5] * 5)
    headers = headers_below(tmp_path, lambda text: None)
    assert [h.path for h in headers] == sorted(tmp_path.iterdir()) and len({h.uid for h in headers}) == 5
    first = min(headers, key=lambda h: h.position[2])
    assert (first.study, first.description, first.number, first.modality) == ("1.2.3.1", "FLAIR axial", 4, "MR")
    assert (first.size, first.frames, first.rescale) == ((7, 6), 1, (2.5, -3.0))
    assert (first.position, first.spacing, first.orientation) == ((-20, 15, 7.5), (1.5, 1.25), dicoms.STRAIGHT)
    assert first.grey and not first.has_table and first.patient == ("ID-Doe", "Doe^Jane")


def test_elements_that_are_missing_or_wrong_are_none():
    file = dicoms.Dataset()
    file.ImagePositionPatient = [1, 2]
    file.ImageType = "ORIGINAL"
    header = Header.of("x", file)
    assert header.position is header.orientation is header.size is None and header.image_type == ("ORIGINAL",)
    assert (header.number, header.frames, header.rescale, header.uid) == (-1, 1, (1.0, 0.0), "")


def test_other_files_are_counted_and_hidden_ones_and_listings_passed_over(tmp_path):
    dicoms.write_series(tmp_path / "a" / "b", dicoms.voxels(1))
    (tmp_path / "notes.txt").write_text("no DICOM")
    for name in ("DICOMDIR", ".hidden"):
        (tmp_path / name).write_bytes(b"\0" * 128 + b"DICM and nonsense")
    told = []
    assert len(headers_below(tmp_path, told.append)) == len(uids_below(tmp_path)) == 5
    assert told == [f"1 file(s) of {tmp_path} are no DICOM and were passed over."]


def test_folders_without_dicom_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        headers_below(tmp_path / "nowhere", print)
    with pytest.raises(ValueError, match="holds no DICOM file; 0 other"):
        headers_below(tmp_path, print)
    (tmp_path / "broken").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00\x10\x00UI\xff\xff1.2")
    with pytest.raises(ValueError, match=r"broken is damaged \(no SOPInstanceUID\)\. Export or copy"):
        headers_below(tmp_path, print)
    dicoms.write_series(tmp_path, dicoms.voxels(1))
    told = []
    assert len(headers_below(tmp_path, told.append, strict=False)) == 5 and "broken is damaged" in told[0]
    with pytest.raises(ValueError, match="is damaged"):
        read_header(Path(__file__))
