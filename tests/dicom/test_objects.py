from pathlib import Path

import dicoms
import numpy as np
import pytest
from pydicom import dcmread

from nnunet_uad.dicom.concepts import algorithm
from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.kinds import KINDS, CaseFile
from nnunet_uad.dicom.objects import parametric_map, segmentation, uid_of
from nnunet_uad.dicom.series import Series
from nnunet_uad.dicom.slices import grid_of_slices
from nnunet_uad.dicom.sources import Source

MAP, MASK = (CaseFile(Path("x.nii.gz"), "x", "x", next(k for k in KINDS if k.ending == e)) for e in ("_map", "_mask"))


@pytest.fixture
def source(tmp_path):
    """A source of one channel."""
    missing = dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"), ""
    )
    dicoms.write_series(tmp_path, dicoms.voxels(1), **missing)
    headers = Series.of(headers_below(tmp_path, print)).headers
    return Source([dcmread(h.path, stop_before_pixels=True) for h in headers], [], grid_of_slices(headers))


def test_a_constant_map_is_one_too(source):
    made = parametric_map(MAP, np.zeros(dicoms.SHAPE, np.float32), source, "x")
    (mapping,) = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (mapping.RealWorldValueSlope, mapping.LUTExplanation) == (1.0, "anomaly map")
    assert made.SeriesNumber == 9004 and made.SOPClassUID.name == "Parametric Map Storage"


def test_values_that_are_no_segment_are_background(source, tmp_path):
    labels = np.zeros(dicoms.SHAPE, np.int32)
    labels[1, 2, 3], labels[2, 2, 3] = 5, 9
    made = segmentation(MASK, labels, {9: "anomaly"}, source, algorithm(tmp_path, MASK), "x")
    assert made.SegmentationType == "BINARY" and made.pixel_array.sum() == 1 and made.NumberOfFrames == 5


def test_uids_follow_from_the_content():
    assert uid_of("a", "series") == uid_of("a", "series") != uid_of("a", "instance")
    assert uid_of("a", "series") != uid_of("b", "series")
