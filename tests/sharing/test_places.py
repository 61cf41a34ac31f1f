import pytest

from nnunet_uad.sharing.folder_place import FolderPlace
from nnunet_uad.sharing.http_place import HttpPlace
from nnunet_uad.sharing.place import AbsentError, nothing_there, too_long
from nnunet_uad.sharing.places import place_of


def test_places_are_told_apart(tmp_path):
    assert isinstance(place_of(str(tmp_path)), FolderPlace) and isinstance(place_of("HTTPS://x/y/"), HttpPlace)
    with pytest.raises(ValueError, match=r"in a folder, at an http.* or as hf://OWNER/NAME; found 'ftp://x'"):
        place_of("ftp://x")


def test_what_is_said_where_there_is_nothing(tmp_path):
    place = FolderPlace(tmp_path)
    assert nothing_there(place, AbsentError("There is no x.")).startswith(f"There is no x. So {tmp_path} holds nothing")
    assert "longer than 1048576 bytes" in too_long("weights.json")
