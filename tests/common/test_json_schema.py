"""The schema refuses what the reader refuses, as far as a schema can say it, and takes what the reader takes."""

import json

import pytest
import yaml
from floors import ROOT
from jsonschema import Draft202012Validator

from nnunet_uad.cli.main import main
from nnunet_uad.common.json_schema import json_schema
from nnunet_uad.study.study_file import Study, read_study

SCHEMA = json_schema(Study)
EXAMPLE = ROOT / "nnunet_uad" / "study" / "example.yaml"
FILES = [EXAMPLE, *sorted((ROOT / "benchmarks" / "studies").glob("*.yaml"))]


def complaints(content):
    """What an editor would underline."""
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(content)]


def test_it_is_a_schema_and_what_the_command_prints(capsys):
    Draft202012Validator.check_schema(SCHEMA)
    assert main(["study", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(SCHEMA))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_studies_of_ours_pass_both(path):
    read_study(path)
    assert complaints(yaml.safe_load(path.read_text())) == []


def test_the_example_names_its_schema_in_the_first_line():
    assert EXAMPLE.read_text().splitlines()[0] == "# yaml-language-server: $schema=study.schema.json"


@pytest.mark.parametrize(
    "changed",
    [
        {"drws": 3},
        {"draws": 0},
        {"draws": "three"},
        {"trainers": {"a": {"trainr": "nnUNetTrainer"}}},
        {"fine_tuning": {"epoch": 3}},
        {"folds": [True]},
        {"mirroring": 1},
        {"pool": {"drw": 3}},
        {"small_plan": {"base": "2d"}},
    ],
    ids=str,
)
def test_what_the_reader_refuses_is_underlined(changed, tmp_path):
    content = {**yaml.safe_load(EXAMPLE.read_text()), **changed}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=r"study\.yaml"):
        read_study(tmp_path / "study.yaml")
    assert complaints(content)


def test_keys_say_what_they_mean_and_what_they_may_be():
    seed = SCHEMA["properties"]["seed"]
    assert (seed["type"], seed["minimum"], seed["maximum"], seed["default"]) == ("integer", 0, 2**31 - 1, 0)
    assert seed["description"] == "Seed of everything that is drawn."
    assert SCHEMA["properties"]["dataset"]["type"] == ["string", "integer"]
    assert SCHEMA["required"] == ["dataset", "configuration", "trainers"]
    # Names, an expression, or keys.
    assert {"type": ["string", "array"]} in SCHEMA["properties"]["pool"]["anyOf"]
    choice = SCHEMA["$defs"]["Choice"]["properties"]
    assert list(choice) == ["names", "matching", "draw", "by"] and choice["draw"]["anyOf"][0]["minimum"] == 1
    # What a class has from its parent is explained there.
    pretraining = SCHEMA["$defs"]["Pretraining"]
    assert pretraining["properties"]["epochs"]["description"].startswith("Number of epochs")
    assert pretraining["description"] == "Stage one." and pretraining["additionalProperties"] is False
