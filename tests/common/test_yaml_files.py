import pytest

from nnunet_uad.common.yaml_files import read_yaml


def bomb():
    text = "&a [" + ",".join("x" * 10) + "]"
    for i in range(9):
        text = f"&{chr(98 + i)} [{text},{','.join(['*' + chr(97 + i)] * 9)}]"
    return f"title: {text}\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bomb().encode(), "means more than 100000 values"),
        (b"a: &a [*a]", "alias of itself"),
        (b"a: 1\nb: 2\na: 3\n", "key 'a' stands there twice, in lines 1 and 3"),
        (b"a: {b: 1, b: 2}\n", "key 'b' stands there twice"),
        ("a: 1\ntitle: Schädel\n".encode("latin-1"), "line 2 is no UTF-8 text"),
        (b"a: " + b"[" * 100 + b"]" * 100, "nested too deeply"),
        (b"[" * 20000, "nested too deeply"),
        (b"- 1\n" * 30000, "holds more than 25000 values, the last in line 2"),
        (b"a: [1,", "is not valid YAML"),
        (b"a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (b"a: 2020-99-99", "is not valid YAML"),
        (b"a: " + b"1" * 5000, "is not valid YAML"),
        (b"\x00\x01", "is not valid YAML"),
        (b"a: b\n" * 10**6, "at most 1000000 bytes"),
    ],
)
def test_what_nobody_writes_by_hand_is_refused_by_name(tmp_path, content, said):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"study\.yaml.*{said}") as refused:
        read_yaml(path)
    assert len(str(refused.value)) < 2000


def test_aliases_that_save_typing_are_read(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("a: &a {b: [1, 2]}\nc: *a\nd: {<<: *a, e: ä}\n", encoding="utf-8")
    assert read_yaml(path) == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": {"b": [1, 2], "e": "ä"}}
    path.write_text("")
    assert read_yaml(path) is None
