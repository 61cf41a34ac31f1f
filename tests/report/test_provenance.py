import json

import studies
from reports import report

from nnunet_uad.report.collect import collect
from nnunet_uad.report.provenance import NNUNET, SNAKEMAKE, STATISTICS, citations, provenance


def test_versions_machines_and_hours_are_those_of_the_jobs(finished):
    layout = studies.Layout(finished.folder / "study")
    path = layout.trained(next(iter(layout.cells)))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"device": "one GPU", "versions": content["versions"] | {"torch": "3"}}))
    table = provenance(collect(layout))
    assert table["computed on"] == "2 CPU cores, one GPU" and table["torch"] == "2, 3"
    assert table["git revision of nnunet_uad"] == "abc" and table["nnunetv2"] == "2.8"
    assert table["time, training"] == f"{60 * len(layout.cells) / 3600:.2f} h"
    assert table["seed"] == str(layout.plan["seed"])


def test_methods_are_cited_beside_nnunet_and_the_statistics(finished):
    cited = citations(collect(studies.Layout(finished.folder / "study")))
    assert cited == [NNUNET, "Somebody: A method. 2020.", SNAKEMAKE, *STATISTICS]
    folder, _ = report(finished)
    assert "Somebody: A method. 2020." in (folder / "index.html").read_text()
