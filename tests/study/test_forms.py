import json

import pytest

from nnunet_uad.study.layout import Layout


def broken(layout, name, change):
    path = layout.folder / name
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **change(content)}))
    return Layout(layout.folder)


def test_damaged_plans_and_requests_are_refused_by_name(workplace):
    layout = workplace.plan(budgets=[1], draws=1)
    plan, request = ((layout.folder / name).read_text() for name in ("study.json", "request.json"))
    assert Layout(layout.folder).plan["seed"] == 0 and Layout(layout.folder).study.seed == 0
    for change, said in [
        (lambda c: {"seed": -1}, "seed expects a number in"),
        (lambda c: {"folds": [{**c["folds"][0], "index": "x"}]}, "index expects a whole number, found 'x'"),
        (lambda c: {"folds": None}, "folds expects a list, found None"),
        (lambda c: {"needs": []}, "needs expects names with values"),
        (lambda c: {"format": 99}, "has format 99"),
        (lambda c: {"format": True}, "has format True"),
        (lambda c: {"folds": [{**c["folds"][0], "id": "../x"}]}, "id expects a name of letters"),
        (lambda c: {"pretrainings": {"p": {"trainer": "t"}}}, "pretrainings: p lacks dataset, fold, settings"),
        (lambda c: {"tests": [{"dataset": "D", "labels": {}, "classes": {"background": True}}]}, "background expects"),
    ]:
        with pytest.raises(ValueError, match=rf"study\.json.*{said}"):
            broken(layout, "study.json", change).plan  # noqa: B018
        (layout.folder / "study.json").write_text(plan)
    for change, said in [
        (lambda c: {"study": 5}, "study expects names with values, found 5"),
        (lambda c: {"paths": {}}, "paths lacks nnUNet_raw, nnUNet_preprocessed"),
        (lambda c: {"study": {**c["study"], "seed": -5}}, "seed expects a number in"),
        (lambda c: {"study": {**c["study"], "configuration": -1}}, "configuration expects a name of at most"),
    ]:
        with pytest.raises(ValueError, match=rf"request\.json.*{said}"):
            broken(layout, "request.json", change).study  # noqa: B018
        (layout.folder / "request.json").write_text(request)
