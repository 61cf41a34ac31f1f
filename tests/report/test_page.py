"""The page: what it says, that it stands alone, and that gaps stay gaps."""

import json
import re

from reports import report, table


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


def test_robustness_is_shown_if_it_was_run(finished):
    folder = finished.folder / "study" / "robustness"
    folder.mkdir()
    entry = {"clean": {"Dice": 0.7, "AP": 0.6}, "mean corruption error": 1.25, "interval_95": [1.1, 1.4]}
    content = {"reference": "scratch", "cases": 4, "trainers": {"scratch": entry | {"interval_95": None}, "DAE": entry}}
    (folder / "robustness.json").write_text(json.dumps(content))
    _, page = report(finished)
    assert ["DAE", "0.700", "1.250", "1.100 to 1.400"] in page.rows and "Robustness to artefacts" in page.headings


def test_a_forecast_or_the_reason_why_there_is_none(finished):
    folder, page = report(finished)
    assert "Forecast" in page.headings and "forecast" in page.anchors
    reason = "a curve takes at least three budgets of different numbers of cases"
    assert f"No forecast for scratch, DAE: {reason}." in (folder / "index.html").read_text()
    rows = table(folder, "forecast")
    assert [row["trainer"] for row in rows] == ["scratch", "DAE"] and rows[0]["budgets"] == "1 3"
    assert {row["gain_withheld"] for row in rows} == {"fewer than three budgets in cases"}


def test_the_same_results_give_the_same_page(finished):
    first, _ = report(finished)
    before = (first / "index.html").read_bytes()
    assert report(finished)[0] == first and (first / "index.html").read_bytes() == before
