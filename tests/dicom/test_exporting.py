"""There and back: a series becomes an image, a map and a mask of it become DICOM, and lie where they belong."""

import io

import dicoms
import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.data.image_files import read_image
from nnunet_uad.dicom.exporting import ExportRequest, export_folder
from nnunet_uad.dicom.importing import ImportRequest, import_folder
from nnunet_uad.dicom.rules import rule_of

#: Voxels per slice are a multiple of 8: GDCM unpacks one bit per pixel and invents the last of an unfinished byte.
SHAPE = (5, 8, 6)
NAME = "case_001_map.dcm"
FLAIR = rule_of(["FLAIR=*flair*"], ["FLAIR"])


def quiet(text):
    """Nothing is said."""


def imported(folder, axes=dicoms.STRAIGHT, **series):
    """The images of a series, with its record."""
    dicoms.write_series(folder / "dicom", dicoms.voxels(1, SHAPE), axes=axes, **series)
    import_folder(ImportRequest(folder / "dicom", folder / "images", FLAIR), quiet)
    return folder / "images"


def write_like(image, values, path):
    """Write values on the grid of an image."""
    path.parent.mkdir(exist_ok=True)
    made = SimpleITK.GetImageFromArray(values)
    made.CopyInformation(image)
    SimpleITK.WriteImage(made, str(path))


def exported(folder, **options):
    """The files of an export of the folder's maps, by name."""
    request = ExportRequest(folder / "maps", folder / "out", folder / "images", **options)
    result = export_folder(request, quiet)
    assert result.failed == {}
    return {path.name: path for path in result.written}


def scene(folder, axes=dicoms.STRAIGHT, **series):
    """An image, and a map, a mask and a segmentation of it; returns the image, the map and the mask."""
    image = read_image(imported(folder, axes, **series) / "case_001_0000.nii.gz")
    values = np.random.default_rng(3).standard_normal(SHAPE).astype(np.float32)
    mask = (values > 1).astype(np.uint8)
    write_like(image, values, folder / "maps" / "case_001_map.nii.gz")
    write_like(image, mask, folder / "maps" / "case_001_mask.nii.gz")
    write_like(image, mask * 2, folder / "maps" / "case_001.nii.gz")
    return image, values, mask


def frames(path):
    """Frames of a file as pydicom reads them: position, segment and UIDs of the sources of each, and its values."""
    file = pydicom.dcmread(path)
    values = np.frombuffer(file.FloatPixelData, "<f4").reshape(-1, *SHAPE[1:]) if "FloatPixelData" in file else None
    for k, group in enumerate(file.PerFrameFunctionalGroupsSequence):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        # Where all frames share it, it is said once.
        told = group if "SegmentIdentificationSequence" in group else file.SharedFunctionalGroupsSequence[0]
        segment = told.SegmentIdentificationSequence[0].ReferencedSegmentNumber if values is None else 0
        sources = [
            str(s.ReferencedSOPInstanceUID) for d in group.DerivationImageSequence for s in d.SourceImageSequence
        ]
        yield position, segment, sources, (file.pixel_array if values is None else values)[k]


def slice_at(image, position):
    """Number of the slice whose first pixel lies there."""
    index = image.TransformPhysicalPointToContinuousIndex(position.tolist())
    assert index == pytest.approx((0, 0, round(index[2])), abs=1e-3)
    return round(index[2])


def uid_at(folder, position):
    """SOPInstanceUID of the source file of that position."""
    files = [pydicom.dcmread(p, stop_before_pixels=True) for p in (folder / "dicom").rglob("IM*")]
    return min(files, key=lambda f: np.abs(np.array(f.ImagePositionPatient, float) - position).sum()).SOPInstanceUID


@pytest.mark.parametrize("axes", [dicoms.STRAIGHT, (0, 1, 0, 0, 0, -1), dicoms.orientation(5)])
def test_pydicom_finds_every_frame_its_values_and_its_source_in_place(tmp_path, axes):
    image, values, mask = scene(tmp_path, axes)
    files = exported(tmp_path)
    assert set(files) == {"case_001_map.dcm", "case_001_mask.dcm", "case_001.dcm"}
    for name, expected in {"case_001_map.dcm": values, "case_001_mask.dcm": mask}.items():
        seen = []
        for position, _, sources, frame in frames(files[name]):
            k = slice_at(image, position)
            np.testing.assert_array_equal(frame, expected[k])
            assert sources == [uid_at(tmp_path, position)]
            seen.append(k)
        assert sorted(seen) == list(range(SHAPE[0]))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_simpleitk_reads_a_mask_back_in_place_in_any_orientation(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("any")
    image, _, mask = scene(folder, dicoms.orientation(seed), origin=(-90.5, 30.25, seed / 100))
    back = SimpleITK.ReadImage(str(exported(folder)["case_001_mask.dcm"]))
    marked = SimpleITK.GetArrayFromImage(back) > 0
    assert marked.sum() == mask.sum()
    for z, y, x in np.argwhere(marked):
        point = back.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
        index = image.TransformPhysicalPointToContinuousIndex(point)
        np.testing.assert_allclose(index, np.round(index), atol=1e-2)
        assert mask[tuple(int(i) for i in np.round(index[::-1]))]


def test_highdicom_reads_back_segments_and_values_in_place(tmp_path):
    axes = dicoms.orientation(7)
    image, values, mask = scene(tmp_path, axes)
    files = exported(tmp_path)
    for name, expected in {"case_001_mask.dcm": mask, "case_001_map.dcm": values}.items():
        if "map" in name:
            volume = highdicom.imread(files[name]).get_volume()
        else:
            volume = highdicom.seg.segread(files[name]).get_volume(combine_segments=True)
        for index in np.ndindex(SHAPE):
            point = (volume.affine @ [*index, 1])[:3]
            x, y, z = image.TransformPhysicalPointToIndex(point.tolist())
            assert volume.array[index] == expected[z, y, x]


def test_labels_are_named_segments_of_an_algorithm(tmp_path):
    scene(tmp_path)
    dataset = {"labels": {"background": 0, "oedema": 1, "left side": 2, "ignore": 3}}
    file = pydicom.dcmread(exported(tmp_path, dataset=dataset)["case_001.dcm"])
    told = [
        (s.SegmentNumber, s.SegmentLabel, s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning)
        for s in file.SegmentSequence
    ]
    assert told == [(1, "oedema", "Edema"), (2, "left side", "Tissue")]
    assert file.SegmentSequence[0].SegmentAlgorithmName == "nnU-Net"
    assert file.SeriesDescription == "nnunet_uad: segmentation" and file.PatientName == "Doe^Jane"
    # The second label's frames hold the mask, the first's nothing; all are there.
    marked = {n: sum(frame.sum() for _, s, _, frame in frames(file.filename) if s == n) for n in (1, 2)}
    assert marked[1] == 0 < marked[2] and file.NumberOfFrames == 2 * SHAPE[0]


def test_every_label_can_have_a_file_of_its_own(tmp_path):
    scene(tmp_path)
    files = exported(tmp_path, dataset={"labels": {"background": 0, "a": 1, "b": 2}}, split=True)
    assert {"case_001_label1.dcm", "case_001_label2.dcm", "case_001_mask_label1.dcm", NAME} == set(files)
    assert np.count_nonzero(pydicom.dcmread(files["case_001_label1.dcm"]).pixel_array) == 0
    assert np.count_nonzero(pydicom.dcmread(files["case_001_label2.dcm"]).pixel_array) > 0


def test_the_same_export_again_is_the_same_object(tmp_path):
    image, values, _ = scene(tmp_path)
    first = {name: path.read_bytes() for name, path in exported(tmp_path).items()}
    assert {name: path.read_bytes() for name, path in exported(tmp_path).items()} == first
    write_like(image, values + 1, tmp_path / "maps" / "case_001_map.nii.gz")
    again = ExportRequest(tmp_path / "maps", tmp_path / "out", tmp_path / "images")
    assert "made of something else" in export_folder(again, quiet).failed["case_001_map.nii.gz"]
    changed = exported(tmp_path, overwrite=True)
    uids = [pydicom.dcmread(io.BytesIO(b)).SOPInstanceUID for b in (first[NAME], changed[NAME].read_bytes())]
    assert uids[0] != uids[1]


def test_another_grid_is_refused_by_name_and_does_not_stop_the_others(tmp_path):
    image, values, _ = scene(tmp_path)
    image.SetOrigin((1.0, 2.0, 3.0))
    write_like(image, values, tmp_path / "maps" / "case_001_map.nii.gz")
    result = export_folder(ExportRequest(tmp_path / "maps", tmp_path / "out", tmp_path / "images"), quiet)
    assert list(result.failed) == ["case_001_map.nii.gz"] and len(result.written) == 2
    assert "origin (1, 2, 3) mm where (-20, 15, 7.5) mm was expected by the DICOM series" in str(result.failed)


def test_files_that_moved_are_found_where_they_are_said_to_be(tmp_path):
    scene(tmp_path)
    (tmp_path / "dicom").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="dicom is no folder"):
        exported(tmp_path)
    assert len(exported(tmp_path, dicom=tmp_path / "moved")) == 3
    next((tmp_path / "moved").rglob("IM*")).unlink()
    request = ExportRequest(tmp_path / "maps", tmp_path / "two", tmp_path / "images", tmp_path / "moved")
    assert "1 of its 5 DICOM files are not below" in export_folder(request, quiet).failed["case_001"]


def test_sources_that_lack_what_dicom_wants_are_completed(tmp_path):
    def strip(k, file):
        del file.PatientName, file.SliceThickness

    scene(tmp_path, change=strip)
    file = pydicom.dcmread(exported(tmp_path)["case_001_mask.dcm"])
    assert file.PatientName == "" and file.StudyInstanceUID == "1.2.3.1"


def test_no_warning_prints_the_name_of_a_patient(tmp_path, recwarn):
    scene(tmp_path, patient="Anonymous")
    assert pydicom.dcmread(exported(tmp_path)["case_001_mask.dcm"]).PatientName == "Anonymous"
    assert not [warning for warning in recwarn if "Anonymous" in str(warning.message)]


def test_what_belongs_to_no_case_is_told(tmp_path):
    image, values, _ = scene(tmp_path)
    write_like(image, values, tmp_path / "maps" / "other_map.nii.gz")
    told = []
    request = ExportRequest(tmp_path / "maps", tmp_path / "out", tmp_path / "images")
    export_folder(request, told.append)
    assert "1 image(s) belong to no imported case and were passed over: other_map.nii.gz" in told[0]
    for path in (tmp_path / "maps").glob("case*"):
        path.unlink()
    with pytest.raises(ValueError, match="holds nothing of the cases case_001"):
        export_folder(request, quiet)
