import csv
import json

import pytest

from nnunet_uad.robustness.summary import summarise, table, write_summary


def row(trainer, artefact, severity, case, dice, ap=0.5):
    return {
        "trainer": trainer,
        "fold": "0",
        "artefact": artefact,
        "severity": severity,
        "case": case,
        "Dice": dice,
        "AP": ap,
    }


@pytest.fixture
def rows():
    made = []
    for case in ("a", "b"):
        made += [row("A", "clean", 0, case, 0.9), row("B", "clean", 0, case, 0.8)]
        for severity in (1, 2):
            made += [row("A", "noise", severity, case, 0.6), row("B", "noise", severity, case, 0.8)]
            made += [row("A", "blur", severity, case, 0.5), row("B", "blur", severity, case, 0.25)]
    return made


def test_mean_corruption_error_against_hand_worked_values(rows):
    """B: noise 0.2 / 0.4 = 0.5, blur 0.75 / 0.5 = 1.5, mean 1."""
    summary = summarise(rows, ["A", "B"])
    assert summary["trainers"]["A"]["mean corruption error"] == pytest.approx(1)
    entry = summary["trainers"]["B"]
    assert entry["artefacts"]["noise"]["corruption error"] == pytest.approx(0.5)
    assert entry["artefacts"]["blur"]["corruption error"] == pytest.approx(1.5)
    assert entry["mean corruption error"] == pytest.approx(1)
    assert entry["interval_95"] == pytest.approx((1, 1))
    assert entry["clean"]["Dice"] == pytest.approx(0.8) and summary["cases"] == 2


def test_cases_without_a_dice_are_left_out(rows):
    rows += [row(t, a, s, "healthy", None, None) for t in "AB" for a, s in (("clean", 0), ("noise", 1))]
    assert summarise(rows, ["A", "B"])["cases"] == 2


def test_one_case_has_no_interval(rows):
    first = [r for r in rows if r["case"] == "a"]
    summary = summarise(first, ["A", "B"])
    assert summary["trainers"]["B"]["interval_95"] is None and "one case" in table(summary)


def test_the_files(rows, tmp_path):
    write_summary(summarise(rows, ["A", "B"]), rows, tmp_path)
    with (tmp_path / "robustness.csv").open() as handle:
        lines = list(csv.DictReader(handle))
    assert len(lines) == len(rows) and float(lines[0]["Dice"]) == 0.9
    assert json.loads((tmp_path / "robustness.json").read_text())["reference"] == "A"
    assert (tmp_path / "robustness.png").stat().st_size > 5000
    assert (tmp_path / "robustness.md").read_text().count("\n| ") == 2
