from nnunet_uad.quality.findings import Finding
from nnunet_uad.quality.page import write_page


def test_the_worst_scans_come_first_and_names_are_escaped(tmp_path):
    findings = {"a": [Finding("noise", "ok", value=1.0)], "<b>": [Finding("file", "unfit", sentence="Cut.")]}
    page = write_page(tmp_path, "Fit?", "At most 5 %.", findings, {"a": "data:x"}, {"c": "gone"}).read_text()
    assert page.index("&lt;b&gt;: ") < page.index("a: <span") and "<b>" not in page
    assert '1 unfit</span>, <span class="unusual">0 unusual</span>' in page and "1 could not be checked" in page
    assert "--ink" in page and 'src="data:x"' in page and "c: gone" in page
