import pytest
import release

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- New.\n\n## [1.2.2] - 2026-01-01\n"
CITATION = "version: 1.2.3\ndate-released: 2026-01-02\n"


def test_what_agrees_is_released():
    assert list(release.disagreements("v1.2.3", CHANGELOG, CITATION)) == []


@pytest.mark.parametrize(
    ("tag", "changelog", "citation", "words"),
    [
        ("1.2.3", CHANGELOG, CITATION, "looks like v1.2.3, found '1.2.3'"),
        ("v1.2.3", CHANGELOG, CITATION.replace("1.2.3", "1.2.2"), "CITATION.cff says version 1.2.2"),
        ("v1.2.3", CHANGELOG.replace("[1.2.3]", "[1.3.0]"), CITATION, "newest release in CHANGELOG.md is 1.3.0"),
        ("v1.2.3", "# Changelog\n", CITATION, "newest release in CHANGELOG.md is none"),
        (
            "v1.2.3",
            CHANGELOG.replace("01-02", "01-03"),
            CITATION,
            "dates the release 2026-01-03, CITATION.cff 2026-01-02",
        ),
        ("v1.2.3", CHANGELOG.replace("ed]\n", "ed]\n\n- Newer.\n", 1), CITATION, "entries under Unreleased"),
    ],
)
def test_what_disagrees_is_told(tag, changelog, citation, words):
    (found,) = release.disagreements(tag, changelog, citation)
    assert words in found


def test_the_projects_own_files_agree_with_each_other(monkeypatch, capsys):
    """Between releases the changelog may be ahead of the tag, never of the citation."""
    changelog, citation = ((release.ROOT / n).read_text() for n in ("CHANGELOG.md", "CITATION.cff"))
    newest = changelog.split("\n## [")[2].split("]")[0]
    found = list(release.disagreements(f"v{newest}", changelog, citation))
    assert [f for f in found if "Unreleased" not in f] == []
    monkeypatch.setattr("sys.argv", ["release.py", "newest"])
    assert release.main() == 1 and "looks like v1.2.3" in capsys.readouterr().out
