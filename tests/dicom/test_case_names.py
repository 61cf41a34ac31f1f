from pathlib import Path

import dicoms
import pytest

from nnunet_uad.dicom.case_names import case_names, names_patient
from nnunet_uad.dicom.headers import headers_below
from nnunet_uad.dicom.series import studies_of


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Studies of two patients, in folders that name them."""
    folder = tmp_path_factory.mktemp("two")
    for patient, study in (("Able^A", "1.2.9"), ("Zola^Z", "1.2.3")):
        dicoms.write_series(folder / patient[:4], dicoms.voxels(1), patient=patient, study=study)
    return studies_of(headers_below(folder, print), folder)


def test_numbers_go_on_behind_those_that_are_known(studies):
    assert case_names(studies, "numbers", {}) == {"1.2.3": "case_001", "1.2.9": "case_002"}
    assert case_names(studies, "numbers", {"1.2.9": "case_001", "1.2.4": "case_002"}) == {
        "1.2.9": "case_001",
        "1.2.3": "case_003",
    }


def test_folders_and_tables_name_if_they_are_asked(studies, tmp_path):
    assert case_names(studies, "folders", {}) == {"1.2.3": "Zola", "1.2.9": "Able"}
    table = tmp_path / "names.csv"
    table.write_text("patient,case\nID-Able,left\nID-Zola,right\n")
    assert case_names(studies, str(table), {}) == {"1.2.3": "right", "1.2.9": "left"}
    table.write_text("study,case\n1.2.3,s3\n1.2.9,s9\n")
    assert case_names(studies, str(table), {}) == {"1.2.3": "s3", "1.2.9": "s9"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("study,case\n1.2.3,same\n1.2.9,same\n", "Several studies would be called same"),
        ("study,case\n1.2.3,one\n", "1 of 2 have none or another, as the study in Able"),
        ("study,case\n1.2.3,../up\n1.2.9,x\n", "as the study in Zola"),
        ("uid,case\n1.2.3,one\n", "found uid, case"),
        ("", "found no row"),
    ],
)
def test_tables_are_checked(studies, tmp_path, content, message):
    (tmp_path / "names.csv").write_text(content)
    with pytest.raises(ValueError, match=message):
        case_names(studies, str(tmp_path / "names.csv"), {})


def test_names_of_before_are_not_given_twice(studies, tmp_path):
    with pytest.raises(ValueError, match="Several studies would be called Able"):
        case_names(studies, "folders", {"1.2.7": "Able"})
    with pytest.raises(ValueError, match="imported there under another name, as case_001, now Able"):
        case_names(studies, "folders", {"1.2.9": "case_001"})
    with pytest.raises(FileNotFoundError, match="which is no file"):
        case_names(studies, "surnames", {})


def test_paths_that_name_a_patient_are_known(studies):
    assert names_patient("/data/ABLE", studies) and names_patient("/data/id-zola/x", studies)
    assert not names_patient(str(Path("/data/trial7")), studies)


@pytest.mark.parametrize(
    ("patient", "path", "named"),
    [
        ("Müller^Eva", "/data/Mueller", True),
        ("Müller^Eva", "/data/muller_2", True),
        ("Groß^Jo", "/data/Gross", True),
        ("Li^Wei", "/data/Li_2", True),
        ("Li^Wei", "/data/clinic", False),
    ],
)
def test_names_are_known_in_the_spellings_of_folders(tmp_path, patient, path, named):
    dicoms.write_series(tmp_path, dicoms.voxels(1), patient=patient, study="1.2.3")
    assert names_patient(path, studies_of(headers_below(tmp_path, print), tmp_path)) == named
