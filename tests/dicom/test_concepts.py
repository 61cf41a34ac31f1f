import json
from pathlib import Path

import pytest

import nnunet_uad
from nnunet_uad.dicom.concepts import algorithm, category_and_type, descriptions
from nnunet_uad.dicom.kinds import KINDS, CaseFile


def file_of(ending):
    """A file of a kind."""
    return CaseFile(Path("x.nii.gz"), "x", "x", next(kind for kind in KINDS if kind.ending == ending))


@pytest.mark.parametrize(
    ("name", "meanings"),
    [
        ("Necrotic core", ["Morphologically Abnormal Structure", "Necrosis"]),
        ("anomaly", ["Morphologically Abnormal Structure"] * 2),
        ("unknown finding 3", ["Morphologically Abnormal Structure"] * 2),
        ("anterior hippocampus", ["Tissue", "Tissue"]),
    ],
)
def test_a_name_says_what_a_segment_is(name, meanings):
    assert [concept.meaning for concept in category_and_type(name)] == meanings


def test_the_algorithm_is_that_of_the_record_else_nnunets(tmp_path):
    assert algorithm(tmp_path, file_of("")).name == "nnU-Net"
    assert algorithm(tmp_path, file_of("_mask")).parameters is None
    (tmp_path / "anomaly_maps.json").write_text(json.dumps({"model": {"trainer": "T", "dataset": "Dataset901"}}))
    made_by = algorithm(tmp_path, file_of("_mask"))
    assert (made_by.name, made_by.version) == ("nnunet_uad", nnunet_uad.__version__[:64])
    assert made_by.parameters == {"trainer": "T", "dataset": "Dataset901"}
    assert made_by.family.meaning == "Artificial Intelligence"


def test_segments_are_numbered_from_one(tmp_path):
    told = descriptions({2: "a" * 80, 7: "b"}, algorithm(tmp_path, file_of("")))
    assert [(s.SegmentNumber, s.SegmentLabel) for s in told] == [(1, "a" * 64), (2, "b")]
