import dataclasses
import json

import pytest
from weights_helpers import make_record

from nnunet_uad.weights.record import PretrainRecord


def test_round_trip():
    record = make_record()
    assert PretrainRecord.from_json(record.to_json()) == record
    assert record.dimension == 2


def test_unknown_fields_of_the_same_format_are_ignored():
    content = {**json.loads(make_record().to_json()), "later": 1}
    assert PretrainRecord.from_json(json.dumps(content)) == make_record()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "format"),
        (json.dumps({**dataclasses.asdict(make_record()), "format": 99}), "format 99"),
        ('{"method": "DAE", "format": 1}', "incomplete"),
    ],
)
def test_broken_records_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        PretrainRecord.from_json(text)


def test_values_of_a_wrong_type_are_refused():
    content = {**json.loads(make_record().to_json()), "spacing": ["wide"]}
    with pytest.raises(ValueError, match="damaged: record: spacing expects a number, found 'wide'"):
        PretrainRecord.from_json(json.dumps(content))
