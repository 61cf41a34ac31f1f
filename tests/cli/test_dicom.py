import dicoms
import pydicom
import pytest
import SimpleITK

from nnunet_uad.cli.main import main


@pytest.fixture
def folder(tmp_path):
    """A folder with a DICOM series."""
    dicoms.write_series(tmp_path / "dicom", dicoms.voxels(1), description="Ax T2 FLAIR")
    return tmp_path


def test_there_and_back(folder, capsys):
    fixed = ["dicom", "import", "-i", str(folder / "dicom")]
    assert main([*fixed, "--list"]) == 0 and "#4 'Ax T2 FLAIR' (MR, 5 image(s)" in capsys.readouterr().out
    assert main([*fixed, "-o", str(folder / "images"), "--channels", "FLAIR", "--series", "FLAIR=*flair*"]) == 0
    assert "1 case(s) imported" in capsys.readouterr().out
    image = SimpleITK.ReadImage(str(folder / "images" / "case_001_0000.nii.gz"))
    (folder / "maps").mkdir()
    SimpleITK.WriteImage(
        SimpleITK.Cast(image > 500, SimpleITK.sitkUInt8), str(folder / "maps" / "case_001_mask.nii.gz")
    )
    back = [
        "dicom",
        "export",
        "-i",
        str(folder / "maps"),
        "-o",
        str(folder / "out"),
        "--images",
        str(folder / "images"),
    ]
    assert main(back) == 0 and "1 DICOM file(s)" in capsys.readouterr().out
    file = pydicom.dcmread(folder / "out" / "case_001_mask.dcm")
    assert file.Modality == "SEG" and file.pixel_array.sum() == SimpleITK.GetArrayFromImage(image > 500).sum()


def test_channels_come_from_a_dataset(folder, monkeypatch, capsys):
    dataset = folder / "raw" / "Dataset901_Tumour"
    dataset.mkdir(parents=True)
    (dataset / "dataset.json").write_text('{"channel_names": {"0": "FLAIR"}}')
    monkeypatch.setenv("nnUNet_raw", str(dataset.parent))
    flags = ["dicom", "import", "-i", str(folder / "dicom"), "-o", str(folder / "images"), "-d", "901"]
    assert main([*flags, "--series", "T1=*flair*"]) == 1
    assert "names the channel 'T1'; the channels are FLAIR" in capsys.readouterr().err
    assert main([*flags, "--series", "FLAIR=*flair*"]) == 0


@pytest.mark.parametrize("flags", [[], ["-o", "x"], ["-o", "x", "-d", "901", "--channels", "FLAIR"]])
def test_what_is_missing_is_told(folder, flags, capsys):
    assert main(["dicom", "import", "-i", str(folder / "dicom"), *flags]) == 1
    assert "expects -o FOLDER, and either -d DATASET or --channels" in capsys.readouterr().err


def test_refusals_fail_the_command(folder, capsys):
    flags = ["-o", str(folder / "images"), "--channels", "T1", "--series", "T1=*t1*", "--skip"]
    assert main(["dicom", "import", "-i", str(folder / "dicom"), *flags]) == 1
    assert "expected one series for T1=*t1*, found no series" in capsys.readouterr().err


def test_without_the_extra_the_command_says_how_to_install_it(folder, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["dicom", "import", "-i", str(folder / "dicom"), "--list"]) == 1
    assert "pip install 'nnunet_uad[dicom]'" in capsys.readouterr().err
