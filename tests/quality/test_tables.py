import csv

from nnunet_uad.quality.findings import Finding
from nnunet_uad.quality.tables import screen_lines, write_table

FINDINGS = {
    "b": [Finding("noise", "unfit", "FLAIR: noise", 0.51234, None, 0.25, "", 2.0, "=It is noisy: " + "word " * 40)],
    "a": [Finding("noise", "ok", "FLAIR: noise", 0.1, None, 0.25, "", 0.4)],
}


def test_the_csv_has_every_check(tmp_path):
    path = write_table(tmp_path, FINDINGS, {"c": "the disk is gone"})
    rows = list(csv.DictReader(path.open()))
    assert [(row["scan"], row["verdict"]) for row in rows] == [("a", "ok"), ("b", "unfit"), ("c", "failed")]
    assert rows[1]["value"] == "0.5123" and rows[1]["low"] == "" and rows[1]["sentence"].startswith("'=")


def test_the_screen_shows_what_is_wrong():
    lines = list(screen_lines(FINDINGS))
    assert lines[1] == "a     ok       1 checks"
    assert lines[2] == "b     unfit    noise        FLAIR: noise: 0.512 (up to 0.25)"
    assert len(lines) > 4 and max(map(len, lines)) <= 120
