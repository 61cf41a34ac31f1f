"""Reports as tests read them: what a page holds, rows of its CSV files."""

import csv
from html.parser import HTMLParser

from nnunet_uad.cli.main import main


class Page(HTMLParser):
    """Collects what a browser would fetch, identifiers, links within the page, pictures' texts, tables."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.ids, self.anchors, self.alts, self.headings, self.stack = [], [], [], [], [], []
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in ("meta", "link", "img", "br", "use", "path", "rect", "input"):
            self.stack.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag in ("img", "script", "iframe", "link", "source") or values.get("src"):
            self.fetched.append(values.get("src") or values.get("href") or "")
        if tag == "a" and values["href"].startswith("#"):
            self.anchors.append(values["href"][1:])
        if tag == "img":
            self.alts.append(values["alt"])
        if tag == "svg":
            self.alts.append(values["aria-label"])
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
    """Write a study's report by the command; returns its folder and what the page holds."""
    path = workplace.write(**changes)
    folder = workplace.folder / "report"
    assert main(["report", str(path), "-o", str(folder)]) == 0
    return folder, Page((folder / "index.html").read_text())


def table(folder, name):
    """Rows of one of the report's CSV files."""
    with (folder / f"{name}.csv").open() as handle:
        return list(csv.DictReader(handle))
