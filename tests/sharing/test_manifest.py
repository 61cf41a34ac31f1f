import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.sharing.manifest import Manifest

GOOD = {"sha256": 64 * "0", "size": 3, "file": "pretrained.safetensors", "card": True, "format": 1}


def test_a_manifest_knows_its_file(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"abc")
    manifest = Manifest.of(path)
    assert Manifest.read(manifest.to_text().encode(), "here") == manifest
    manifest.check(path, "here")
    path.write_bytes(b"abd")
    with pytest.raises(ValueError, match="w.safetensors of here is not what its weights.json says"):
        manifest.check(path, "here")


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "00"},
        {"sha256": None},
        {"size": 0},
        {"size": "3"},
        {"file": "../x.safetensors"},
        {"file": "/x.safetensors"},
        {"file": ".x.safetensors"},
        {"file": "checkpoint_final.pth"},
        {"card": "yes"},
        {"format": "x"},
    ],
)
def test_a_damaged_manifest_is_refused(changes):
    with pytest.raises(ValueError, match="weights.json of here is damaged: .* push them again"):
        Manifest.read(json.dumps({**GOOD, **changes}).encode(), "here")


@given(st.binary(max_size=60))
def test_whatever_lies_there_ends_in_words(content):
    with pytest.raises(ValueError, match="weights.json of here is damaged"):
        Manifest.read(content, "here")


def test_a_newer_manifest_asks_for_an_update():
    with pytest.raises(ValueError, match="has format 2; .* pip install -U"):
        Manifest.read(json.dumps({**GOOD, "format": 2}).encode(), "here")
