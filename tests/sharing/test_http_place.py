import pytest

from nnunet_uad.sharing.http_place import HttpPlace
from nnunet_uad.sharing.place import AbsentError

CONTENT = bytes(range(256)) * 8192


@pytest.fixture
def place(server):
    server.files["/w/a.txt"] = b"text"
    server.files["/w/big"] = CONTENT
    return HttpPlace(f"{server.address}/w/")


def test_files_are_read_and_put(place, server, tmp_path):
    assert place.read("a.txt") == b"text"
    (tmp_path / "new").write_bytes(b"new")
    place.publish(tmp_path, ["new"])
    assert server.files["/w/new"] == b"new"
    with pytest.raises(AbsentError, match="There is no .*/w/none"):
        place.read("none")
    with pytest.raises(ValueError, match="longer than 1048576 bytes"):
        place.read("big")


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_fetch_goes_on_where_it_was(place, server, tmp_path, knows_ranges):
    partial = tmp_path / "partial"
    server.knows_ranges, server.cut_after = knows_ranges, 2**20 + 5
    with pytest.raises(ConnectionError, match="cannot be reached|ended after .* Run the same command again"):
        place.fetch("big", partial, len(CONTENT))
    there = partial.stat().st_size
    assert 0 < there < len(CONTENT)
    server.cut_after = 0
    place.fetch("big", partial, len(CONTENT))
    assert partial.read_bytes() == CONTENT and server.asked[-1] == ("GET", "/w/big", f"bytes={there}-")
    place.fetch("big", partial, len(CONTENT))
    assert len(server.asked) == 2


def test_more_than_there_should_be_is_not_read(place, tmp_path):
    place.fetch("big", tmp_path / "partial", 10)
    assert (tmp_path / "partial").stat().st_size <= 2**20
    place.fetch("a.txt", tmp_path / "partial", 4)
    assert (tmp_path / "partial").read_bytes() == b"text"


@pytest.mark.parametrize(("status", "message"), [(405, r"does not take files by PUT \(405"), (401, "~/.netrc")])
def test_a_server_that_takes_no_files_is_told_so(place, server, tmp_path, status, message):
    server.takes_files, server.status = False, status
    (tmp_path / "new").write_bytes(b"new")
    with pytest.raises(PermissionError, match=message):
        place.publish(tmp_path, ["new"])


def test_failures_of_the_server_and_offline_are_words(place, server):
    server.status = 500
    with pytest.raises(ConnectionError, match="/w/x answers 500"):
        place.read("x")
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match="cannot be reached .*offline"):
        place.read("x")
    with pytest.raises(ValueError, match="is no address"):
        HttpPlace("http://").read("x")
