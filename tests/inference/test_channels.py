import pytest

from nnunet_uad.inference.channels import check_ending, claim_folder, extended_dataset_json, place_file


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a_0002.nii.gz").write_bytes(b"old")
    (tmp_path / "images" / "notes.txt").write_text("mine")
    return tmp_path


def test_channels_of_the_same_restorer_are_kept(folder):
    for _ in range(2):
        claim_folder(folder / "r.json", {"restorers": {"fold_0": "abc"}}, [folder / "images"], False)
    assert (folder / "images" / "a_0002.nii.gz").exists()


def test_channels_of_another_are_gone_before_the_record_says_so(folder):
    """An interruption right after the claim must leave nothing stale under the new record."""
    claim_folder(folder / "r.json", {"restorers": {"fold_0": "abc"}}, [folder / "images"], False)
    with pytest.raises(ValueError, match=r"made differently .restorers.. They are stale"):
        claim_folder(folder / "r.json", {"restorers": {"fold_0": "xyz"}}, [folder / "images"], False)
    assert (folder / "images" / "a_0002.nii.gz").exists()
    claim_folder(folder / "r.json", {"restorers": {"fold_0": "xyz"}}, [folder / "images"], True)
    assert [p.name for p in (folder / "images").iterdir()] == ["notes.txt"]


def test_links_and_copies(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    for copy in (False, True):
        target = tmp_path / f"b{copy}"
        place_file(tmp_path / "a", target, copy)
        place_file(tmp_path / "a", target, copy)
        assert target.read_bytes() == b"1" and target.is_symlink() is not copy
    (tmp_path / "a").write_bytes(b"2")
    place_file(tmp_path / "a", tmp_path / "bTrue", True)
    assert (tmp_path / "bTrue").read_bytes() == b"2", "a copy of what has changed since is stale"


def test_formats_and_names():
    with pytest.raises(ValueError, match="cannot hold a residual"):
        check_ending(".png")
    check_ending(".nii.gz")
    names = extended_dataset_json(
        {"channel_names": {"0": "T1"}, "modality": {"0": "T1"}, "x": 1}, ["signed", "absolute"]
    )
    assert names == {"channel_names": {"0": "T1", "1": "noNorm", "2": "noNorm"}, "x": 1}
