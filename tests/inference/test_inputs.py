import pytest

from nnunet_uad.inference.inputs import InputImages, images_hash


def test_other_images_and_unknown_ones_count_as_changed(tmp_path):
    image, record = tmp_path / "a_0000.nii.gz", tmp_path / "out" / "input_images.json"
    record.parent.mkdir()
    image.write_bytes(b"1")
    inputs = InputImages(record)
    assert inputs.changed("a", [image])
    inputs.add("a", images_hash([image]))
    again = InputImages(record)
    assert not again.changed("a", [image]) and again.changed("b", [image])
    image.write_bytes(b"2")
    assert again.changed("a", [image])
    image.unlink()
    assert again.changed("a", [image])


def test_the_order_of_channels_counts(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    assert images_hash([tmp_path / "a", tmp_path / "b"]) != images_hash([tmp_path / "b", tmp_path / "a"])


@pytest.mark.parametrize("content", ["[1]", "{", "3"])
def test_what_is_no_record_is_named(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(ValueError, match=r"r.json"):
        InputImages(tmp_path / "r.json")
