from contextlib import nullcontext

import pytest
import requests

from nnunet_uad.sharing.http_place import HttpPlace, _Session
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
    with pytest.raises(ConnectionError, match="(was lost on the way|ended after).* Run the same command again"):
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


@pytest.mark.parametrize(
    ("status", "message"),
    [(405, r"does not take files by PUT \(405"), (401, r"\(401\).*there is none for 127")],
)
def test_a_server_that_takes_no_files_is_told_so(place, server, tmp_path, status, message):
    server.takes_files, server.status = False, status
    (tmp_path / "new").write_bytes(b"new")
    with pytest.raises(PermissionError, match=message):
        place.publish(tmp_path, ["new"])


def test_a_put_that_is_sent_to_a_login_is_no_success(place, server, tmp_path):
    (tmp_path / "new").write_bytes(b"new")
    server.files["/login"] = b"<html>"
    server.takes_files, server.status, server.points_to = False, 302, f"{server.address}/login?key=secret"
    with pytest.raises(PermissionError, match=r"takes no file, it points to '.*/login' \(302\).*~/.netrc"):
        place.publish(tmp_path, ["new"])
    assert [path for method, path, _ in server.asked] == ["/w/new"]


@pytest.mark.parametrize(("there", "found"), [({}, "nothing like it"), ({"/w/new": b"<html>"}, "6 other bytes")])
def test_what_was_put_is_read_back(place, server, tmp_path, there, found):
    (tmp_path / "new").write_bytes(b"new")
    server.takes_files, server.status = False, 200
    server.files.update(there)
    with pytest.raises(ConnectionError, match=f"does not give it back: .* found {found}"):
        place.publish(tmp_path, ["new"])


@pytest.mark.parametrize("rest", ["user:secret@x/w", "secret@x", "user:se/cret@x", "user:secret@[::1]:80/w"])
def test_passwords_in_addresses_are_refused_and_not_said(rest):
    with pytest.raises(ValueError, match=r"Put them into ~/\.netrc") as refusal:
        HttpPlace(f"https://{rest}")
    assert "secret" not in str(refusal.value) and "cret@" not in str(refusal.value)


def test_an_at_in_the_path_is_none():
    assert HttpPlace("https://x:80/a@b/").words == "https://x:80/a@b"


@pytest.mark.parametrize(
    ("start", "target", "fine"),
    [
        ("https://x/w", "http://x/w", False),
        ("https://x/w", "HTTP://y/w", False),
        ("https://x/w", "//y/w", True),
        ("http://x/w", "https://x/w", True),
    ],
)
def test_encrypted_addresses_lead_to_no_others(start, target, fine):
    answer = requests.Response()
    answer.url, answer.status_code, answer.headers["Location"] = start, 302, target
    with nullcontext() if fine else pytest.raises(ConnectionError, match="leads to .*expected an address with https"):
        assert _Session().get_redirect_target(answer) == target


def test_who_is_not_let_in_learns_where_names_come_from(place, server):
    server.status = 403
    with pytest.raises(PermissionError, match=r"/w/x lets only some in \(403\).*~/.netrc: machine 127.0.0.1 login"):
        place.read("x")


def test_failures_of_the_server_and_offline_are_words(place, server):
    server.status = 500
    with pytest.raises(ConnectionError, match="/w/x answers 500 .* Run the same command again"):
        place.read("x")
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match="cannot be reached .*offline"):
        place.read("x")
    with pytest.raises(ValueError, match="is no address"):
        HttpPlace("http://").read("x")
