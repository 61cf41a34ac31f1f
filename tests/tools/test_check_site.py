"""What is found wrong with a site; the browser is tried by hand (tools/check_site.py says how)."""

import doctest
import urllib.request

import check_site


def test_examples_give_what_they_show():
    assert doctest.testmod(check_site) == (0, 2)


def test_links_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "a.html").touch()
    (tmp_path / "b c.csv").touch()
    good = ["a.html", "#here", "a.html#here", "b%20c.csv", "https://example.org/none", "mailto:x@y.z"]
    bad = ["none.html", "a.html#there"]
    anchors = {"a.html": {"here"}}
    assert check_site.broken_links({"a.html": good}, anchors, tmp_path) == []
    assert check_site.broken_links({"a.html": bad}, anchors, tmp_path) == [
        "a.html: none.html leads to no file.",
        "a.html: a.html#there leads to no place on its page.",
    ]


def test_the_site_is_served_on_this_machine(tmp_path):
    (tmp_path / "index.html").write_text("hello")
    with check_site.served(tmp_path) as root:
        assert root.startswith("http://127.0.0.1:")
        assert urllib.request.urlopen(root + "index.html").read() == b"hello"
