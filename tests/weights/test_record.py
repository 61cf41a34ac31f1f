import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weights_helpers import make_record

from nnunet_uad.methods import settings_classes
from nnunet_uad.weights.record import PATH_SETTINGS, BaseWeights, PretrainRecord


def test_round_trip():
    record = make_record()
    assert PretrainRecord.from_json(record.to_json()) == record
    assert record.dimension == 2 and record.batch_size == 0
    assert make_record(plan={"configuration": {"batch_size": 12}}).batch_size == 12
    assert make_record(plan={"configuration": {"batch_size": "many"}}).batch_size == 0


def test_folders_that_earlier_versions_kept_are_left_out_of_all_that_it_goes_back_to():
    given = {"init": "/mine/w.pth", "lesion_masks": "/data/masks/", "score": "a/b", "noise_std": [1.0]}
    base = make_record(settings=given, format=1)
    bases = (BaseWeights("b", "0", "nnunet_uad", base), BaseWeights("c", "0", "nnssl"))
    record = PretrainRecord.from_json(make_record(settings=given, bases=bases).to_json())
    assert "/mine" not in record.to_json() and "/data" not in record.to_json()
    kept = {"init": "w.pth", "lesion_masks": "masks", "score": "a/b", "noise_std": [1.0]}
    assert record.settings == record.bases[0].record.settings == kept and record.bases[1].record is None


def test_every_setting_that_names_a_file_is_known_to_the_record():
    parents = {parent for cls in settings_classes().values() for parent in cls.__mro__}
    paths = {name for parent in parents for name in vars(parent).get("paths", ())}
    assert paths == set(PATH_SETTINGS)


def test_unknown_fields_of_the_same_format_are_ignored():
    content = {**json.loads(make_record().to_json()), "later": 1}
    assert PretrainRecord.from_json(json.dumps(content)) == make_record()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "format"),
        ("", "not valid JSON"),
        ("[" * 100_000 + "]" * 100_000, "not valid JSON"),
        ('{"format": NaN}', "NaN is no number"),
        ('{"format": "x"}', "a format"),
        (json.dumps({**dataclasses.asdict(make_record()), "format": 99}), "format 99"),
        ('{"method": "DAE", "format": 1}', "incomplete"),
    ],
)
def test_broken_records_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        PretrainRecord.from_json(text)


WRONG: dict[str, list[Any]] = {
    "method": [None, 5, ["DAE"]],
    "cases": [None, "a", [1], {"a": 1}],
    "channel_names": [None, [1, 2], [], [""] * 2, ["FLAIR"]],
    "normalization": [7, ["a"], [None, None]],
    "spacing": [["a", "b"], [0, 0], [-1.0, 1.0], [1e400, 1.0], [1.0], [[1.0], [1.0]], None],
    "patch_size": [[0, 32], [32.5, 32], [32], [32] * 4, "32"],
    "architecture": [5, None],
    "architecture_kwargs": [None, [], "x"],
    "architecture_requires_import": [[1], "conv_op"],
    "num_epochs": [0, -1, 1.5, "2", True, None],
    "epochs_trained": [-1, "2"],
    "iterations_per_epoch": [0, None],
    "seed": ["7", None, 1.5],
    "settings": [None, []],
    "versions": [None, {"torch": 2}],
    "restorer": [None, [], "x"],
    "bases": [
        None,
        {},
        "x",
        [1],
        [{"file": "x"}],
        [{"file": "x", "sha256": "1", "kind": "x", "record": {"method": "x"}}],
    ],
    "salt": [None, "x", "0" * 31, 5],
    "plan": [None, []],
    "licence": [None, 5],
    "data_statement": [None, ["x"]],
    "metrics": [None, {"AP": "good"}, {"AP": 1e400}],
    "validation_cases": [-1, None, 1.5],
    "format": [None, "x", 1.5, [1], True],
}


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in WRONG.items() for v in values])
def test_no_field_takes_what_it_is_not(field, value):
    content = {**json.loads(make_record().to_json()), field: value}
    with pytest.raises(ValueError, match="pretraining record") as refusal:
        PretrainRecord.from_json(json.dumps(content))
    assert len(str(refusal.value)) < 600


@settings(max_examples=60, deadline=None)
@given(
    field=st.sampled_from(sorted(WRONG)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_whatever_stands_in_a_field_ends_in_words_or_in_a_record(field, value):
    content = {**json.loads(make_record().to_json()), field: value}
    try:
        record = PretrainRecord.from_json(json.dumps(content))
    except ValueError as error:
        assert "pretraining record" in str(error)
    else:
        assert PretrainRecord.from_json(record.to_json()) == record


def test_records_of_the_first_format_are_read_as_before():
    content = json.loads(make_record(contents={"a": ("raw:1",)}).to_json())
    later = ("salt", "bases", "plan", "licence", "data_statement", "metrics", "validation_cases")
    first = {**{key: value for key, value in content.items() if key not in later}, "format": 1}
    record = PretrainRecord.from_json(json.dumps(first))
    assert record.cases == ("a", "b") and record.names_in_clear and record.seen.find("A") == "a"
    assert record.with_hidden_names("0" * 32).format == 2


def test_names_are_hidden_once_and_nothing_else_changes():
    record = make_record(contents={"a": ("raw:1",), "b": ("raw:2",)})
    hidden = record.with_hidden_names("0" * 32)
    assert not {"a", "b"} & {*hidden.cases, *hidden.contents} and set(hidden.contents) == set(hidden.cases)
    assert sorted(hidden.contents.values()) == [("raw:1",), ("raw:2",)]
    assert hidden.with_hidden_names("1" * 32) == hidden and not hidden.names_in_clear
    assert dataclasses.replace(hidden, cases=record.cases, contents=record.contents, salt="") == record


def test_names_beside_a_salt_are_refused():
    content = {**json.loads(make_record().to_json()), "salt": "0" * 32}
    with pytest.raises(ValueError, match="expects hashes of 32 hexadecimal digits"):
        PretrainRecord.from_json(json.dumps(content))


def test_values_of_a_wrong_type_are_refused():
    content = {**json.loads(make_record().to_json()), "spacing": ["wide"]}
    with pytest.raises(ValueError, match="damaged: record: spacing expects a number, found 'wide'"):
        PretrainRecord.from_json(json.dumps(content))


def test_a_record_keeps_all_that_its_weights_go_back_to_the_newest_first():
    record = make_record(cases=("first",), restorer={"large": 1})
    for number in range(60):
        bases = BaseWeights.chain("pretrained.safetensors", f"{number}", "nnunet_uad", record)
        record = make_record(cases=(f"case_{number}",), bases=bases)
    read = PretrainRecord.from_json(record.to_json())
    assert read == record and len(read.lineage) == 61 and not read.strangers
    assert [base.sha256 for base in read.bases] == [str(number) for number in range(59, -1, -1)]
    assert read.lineage[0] is read and read.lineage[-1].cases == ("first",) and not read.lineage[-1].restorer


def test_weights_without_a_record_are_strangers():
    record = make_record(bases=BaseWeights.chain("openmind.pth", "1", "nnssl", None))
    further = make_record(bases=BaseWeights.chain("pretrained.safetensors", "2", "nnunet_uad", record))
    read = PretrainRecord.from_json(further.to_json())
    assert [base.file for base in read.strangers] == ["openmind.pth"] and len(read.lineage) == 2
