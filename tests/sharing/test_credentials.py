import pytest

from nnunet_uad.sharing.credentials import not_let_in


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is none for x.org. Write it"),
        ("machine y.org login me password secret\n", "there is none for x.org. Write it"),
        ("machine x.org login me password secret\n", "the entry for x.org is not taken"),
        ("machine x.org login me secret\n", "that file cannot be read"),
    ],
)
def test_who_is_not_let_in_learns_what_netrc_holds_but_no_password(tmp_path, monkeypatch, content, said):
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    if content:
        (tmp_path / "netrc").write_text(content)
    message = not_let_in("https://x.org:8080/w/a", 401)
    assert message.startswith("https://x.org:8080/w/a lets only some in (401).") and said in message
    assert message.endswith("~/.netrc: machine x.org login NAME password PASSWORD") and "secret" not in message
