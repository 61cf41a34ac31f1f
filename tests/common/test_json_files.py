import json
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from nnunet_uad.common.json_files import read_as, read_json, read_mapping


@dataclass(frozen=True)
class Form:
    number: int
    names: list[str]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not valid JSON: it is empty"),
        (b'{"a": ', "is not valid JSON: Expecting value"),
        (b"\x00\xff", "is not valid JSON: 'utf-8' codec"),
        (b"[" * 9000, "nested too deeply"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        (b"[1]", r"expects names with values, \{…\}, found a list: \[1\]"),
        (b"null", "found null"),
        (b"5", "found a number: 5"),
        (b'"x"', "found text: 'x'"),
        (b"true", "found true or false: True"),
        (b'{"a": 1}', "lacks number, names"),
        (b'{"number": "x", "names": []}', "number expects a whole number, found 'x'"),
        (b'{"number": 1, "names": "x"}', "names expects a list, found 'x'"),
    ],
)
def test_what_is_no_such_file_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "some.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"some\.json.*{said}.* Make it anew\.$"):
        read_mapping(path, "Make it anew.", Form)


def test_a_file_of_the_form_is_read_as_it_is_written(tmp_path):
    path = tmp_path / "some.json"
    path.write_text('{"number": 1, "names": ["a"], "later": {"b": NaN}}')
    assert read_as(Form, path) == Form(1, ["a"])
    assert read_mapping(path, form=Form)["later"].keys() == {"b"}
    with pytest.raises(FileNotFoundError, match="gone.json does not exist. Make it anew."):
        read_json(tmp_path / "gone.json", "Make it anew.")


_VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@given(content=_VALUES | some.binary(), cut=some.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_any_content_is_read_or_refused_by_name(tmp_path_factory, content, cut):
    path = tmp_path_factory.getbasetemp() / "any.json"
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data[: len(data) - cut] if cut < 3 else data)
    try:
        made = read_mapping(path, form=Form)
    except ValueError as error:
        assert "any.json" in str(error) and len(str(error)) < 1000
    else:
        assert isinstance(made["number"], int)
