"""The page: what it says, that it stands alone, and that gaps stay gaps."""

import csv
import math
import re
from html.parser import HTMLParser

import pytest
import studies
import tiny

from nnunet_uad.cli.main import main
from nnunet_uad.report.analysis import analyse
from nnunet_uad.report.collect import collect
from nnunet_uad.report.words import answer
from nnunet_uad.study.layout import Layout


class Page(HTMLParser):
    """Collects what a browser would fetch, identifiers, links within the page, pictures' texts, tables."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.ids, self.anchors, self.alts, self.headings, self.stack = [], [], [], [], [], []
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag not in ("meta", "link", "img", "br", "use", "path", "rect", "input"):
            self.stack.append(tag)
        if "id" in found:
            self.ids.append(found["id"])
        if tag in ("img", "script", "iframe", "link", "source") or found.get("src"):
            self.fetched.append(found.get("src") or found.get("href") or "")
        if tag == "a" and found["href"].startswith("#"):
            self.anchors.append(found["href"][1:])
        if tag == "img":
            self.alts.append(found["alt"])
        if tag == "svg":
            self.alts.append(found["aria-label"])
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        if self.stack and self.stack[-1] == tag:
            self.stack.pop()

    def handle_data(self, data):
        if self.stack and self.stack[-1] in ("td", "th") and self.rows:
            self.rows[-1].append(data)
        if self.stack and self.stack[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


def report(workplace, **changes):
    path = workplace.write(**changes)
    folder = workplace.folder / "report"
    assert main(["report", str(path), "-o", str(folder)]) == 0
    return folder, Page((folder / "index.html").read_text())


def table(folder, name):
    with (folder / f"{name}.csv").open() as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def finished(workplace):
    layout = workplace.plan()
    studies.finish(layout)
    return workplace


def test_the_page_stands_alone_and_can_be_read_by_machines(finished):
    folder, page = report(finished)
    assert all(address.startswith("data:") for address in page.fetched)
    assert len(page.ids) == len(set(page.ids)) and set(page.anchors) <= set(page.ids)
    assert page.alts and all(page.alts)
    text = (folder / "index.html").read_text()
    # Namespaces of SVG are names, not addresses that anybody asks for.
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", text))
    assert all(a.startswith(("http://www.w3.org/", "http://purl.org", "http://creativecommons")) for a in addresses)
    assert 'lang="en"' in text and "prefers-color-scheme: dark" in text and "@media print" in text
    assert "#010203" not in text
    assert page.headings[0] == "Dataset991_Tiny, 2d_tiny"


def test_the_answer_comes_first_and_says_what_is_not_known(finished):
    layout = Layout(finished.folder / "study")
    results = collect(layout)
    lines = answer(results, analyse(results))
    assert lines[0].startswith("scratch reaches a mean Dice of 0.4") and "with 2 slices" in lines[0]
    # Two test cases: however large the difference, no test can be significant.
    assert lines[1].startswith("No arm differs clearly from scratch") and "+0.1" in lines[1]
    assert any("no rank test can reach 5 %" in line for line in lines)
    assert any("With 2 trainings per cell" in line for line in lines)


def test_numbers_are_those_of_the_rows(finished):
    folder, page = report(finished)
    rows = table(folder, "cases")
    assert len(rows) == 2 * 6 * 2  # arms, folds, cases
    mine = [float(r["dice"]) for r in rows if (r["budget"], r["trainer"]) == ("3", "DAE")]
    base = [float(r["dice"]) for r in rows if (r["budget"], r["trainer"]) == ("3", "scratch")]
    (score,) = [r for r in table(folder, "scores_Dataset991_Tiny") if (r["budget"], r["trainer"]) == ("3", "DAE")]
    assert float(score["dice"]) == pytest.approx(sum(mine) / 4) and score["trainings"] == "2" == score["cases"]
    assert float(score["lesion_recall"]) == 0.5 and float(score["false_positives_per_scan"]) == 2
    assert float(score["low_95"]) < float(score["dice"]) < float(score["high_95"])
    (difference,) = [r for r in table(folder, "differences_Dataset991_Tiny") if r["budget"] == "3"]
    assert float(difference["difference"]) == pytest.approx((sum(mine) - sum(base)) / 4)
    assert f"{float(score['dice']):.3f}" in str(page.rows)
    transfer = {r["trainer"]: r for r in table(folder, "transfer")}
    assert transfer["DAE"]["decoder"] == "0.5" and transfer["scratch"]["encoder"] == ""
    saving = table(folder, "label_saving")
    assert {r["budget"] for r in saving} == {"2s", "1", "3"} and all(float(r["factor"]) > 1 for r in saving)
    reliability = table(folder, "reliability")
    assert {r["budget"] for r in reliability} == {"2s", "1", "3"}


def test_gaps_are_gaps(workplace):
    layout = workplace.plan()
    gone = [i for i in layout.cells if "_3_" in i and i.startswith("DAE")]
    studies.finish(layout, leave=(*gone, "scratch/fold0_1_draw1"))
    folder, _ = report(workplace)
    rows = {(r["budget"], r["trainer"]): r for r in table(folder, "scores_Dataset991_Tiny")}
    assert rows["3", "DAE"]["dice"] == "" and rows["3", "DAE"]["trainings"] == "0"
    assert rows["1", "scratch"]["trainings"] == "1" and rows["1", "scratch"]["planned"] == "2"
    # Compared on the one draw that both have.
    differences = {r["budget"]: r for r in table(folder, "differences_Dataset991_Tiny")}
    assert differences["3"]["difference"] == "" and differences["1"]["trainings"] == "1"
    text = (folder / "index.html").read_text()
    assert "3 of 12 trainings are not finished" in text and gone[0] in text and "not finished</td>" in text
    assert not any(r["dice"] == "0" for r in rows.values())


def test_undefined_scores_are_left_out(workplace):
    import json

    layout = workplace.plan(budgets=[1, 3])
    studies.finish(layout)
    for identifier in layout.cells:
        path = layout.scores(identifier, tiny.DATASET)
        content = json.loads(path.read_text())
        content["rows"][0] |= {"Dice": None, "AP": None}
        path.write_text(json.dumps(content))
    folder, _ = report(workplace, budgets=[1, 3])
    rows = table(folder, "scores_Dataset991_Tiny")
    assert all(r["cases"] == "1" and not math.isnan(float(r["dice"])) for r in rows)


def test_other_datasets_have_their_own_tables(workplace, tmp_path, monkeypatch):
    import json
    import os
    import shutil

    raw = tmp_path / "raw"
    shutil.copytree(os.environ["nnUNet_raw"] + "/" + tiny.DATASET, raw / tiny.DATASET)
    shutil.copytree(raw / tiny.DATASET, raw / "Dataset992_Other")
    description = json.loads((raw / "Dataset992_Other" / "dataset.json").read_text())
    description["channel_names"] = {"0": "T1", "1": "FLAIR"}
    (raw / "Dataset992_Other" / "dataset.json").write_text(json.dumps(description))
    for case in tiny.HEALTHY:
        for path in (raw / "Dataset992_Other").rglob(f"{case}*"):
            path.unlink()
    workplace.raw = raw
    monkeypatch.setenv("nnUNet_raw", str(raw))
    changes = {"test": [992], "budgets": [1, 3], "draws": 1}
    layout = workplace.plan(**changes)
    # Channels in the model's order, whatever the order of the other dataset.
    link = layout.images("Dataset992_Other") / f"{tiny.LESION[0]}_0000.nii.gz"
    assert link.resolve().name == f"{tiny.LESION[0]}_0001.nii.gz"
    studies.finish(layout)
    folder, page = report(workplace, **changes)
    assert {r["trainer"] for r in table(folder, "scores_Dataset992_Other")} == {"scratch", "DAE"}
    assert "Dataset992_Other_dice" in table(folder, "pathologies")[0]
    assert "Dataset992_Other: never trained on" in page.headings
    assert sum(a.startswith("Dataset992_Other, ") for a in page.alts) == 2


def test_robustness_is_shown_if_it_was_run(finished):
    import json

    folder = finished.folder / "study" / "robustness"
    folder.mkdir()
    entry = {"clean": {"Dice": 0.7, "AP": 0.6}, "mean corruption error": 1.25, "interval_95": [1.1, 1.4]}
    content = {"reference": "scratch", "cases": 4, "trainers": {"scratch": entry | {"interval_95": None}, "DAE": entry}}
    (folder / "robustness.json").write_text(json.dumps(content))
    _, page = report(finished)
    assert ["DAE", "0.700", "1.250", "1.100 to 1.400"] in page.rows and "Robustness to artefacts" in page.headings


def test_nothing_to_report(workplace, capsys):
    path = workplace.write()
    assert main(["report", str(path), "-o", str(workplace.folder / "r")]) == 1
    assert "holds no planned study" in capsys.readouterr().err
    workplace.plan()
    assert main(["report", str(path), "-o", str(workplace.folder / "r")]) == 1
    assert "No cell of the study" in capsys.readouterr().err and not (workplace.folder / "r").exists()


def test_the_same_results_give_the_same_page(finished):
    first, _ = report(finished)
    before = (first / "index.html").read_bytes()
    assert report(finished)[0] == first and (first / "index.html").read_bytes() == before
