import pytest

from nnunet_uad.common.lock import LockedError, folder_lock
from nnunet_uad.sharing.folder_place import FolderPlace
from nnunet_uad.sharing.place import AbsentError


def test_a_folder_gets_files_and_the_manifest_last(tmp_path):
    (tmp_path / "from").mkdir()
    for name in ("a", "b"):
        (tmp_path / "from" / name).write_text(name)
    place = FolderPlace(tmp_path / "to" / "x")
    place.publish(tmp_path / "from", ["a", "b"])
    assert place.read("b") == b"b" and {p.name for p in place.folder.iterdir()} == {"a", "b"}
    place.fetch("a", tmp_path / "partial", 1)
    assert (tmp_path / "partial").read_text() == "a"
    # Killed in between there is no manifest, so nothing counts.
    (tmp_path / "from" / "a").unlink()
    with pytest.raises(FileNotFoundError, match="from/a"):
        place.publish(tmp_path / "from", ["a", "b"])
    with pytest.raises(AbsentError, match="There is no .*/b"):
        place.read("b")


def test_one_process_writes_into_a_folder(tmp_path):
    with folder_lock(tmp_path / "to"), pytest.raises(LockedError, match="is being written already"):
        FolderPlace(tmp_path / "to").publish(tmp_path, ["a"])


def test_a_long_text_is_none(tmp_path):
    (tmp_path / "weights.json").write_bytes(bytes(2**20 + 1))
    with pytest.raises(ValueError, match="longer than 1048576 bytes"):
        FolderPlace(tmp_path).read("weights.json")
