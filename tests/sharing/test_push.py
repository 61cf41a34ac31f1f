import json

import pytest
import torch
from safetensors.torch import save_file

from nnunet_uad.sharing.manifest import Manifest
from nnunet_uad.sharing.push import PushRequest, push
from nnunet_uad.weights.safe_file import read_pretrained

SAID = {"licence": "cc-by-4.0", "data_statement": "Scans of nobody,\n published by somebody."}


def test_weights_are_shared_with_what_is_said_of_them(weights, tmp_path):
    path, said = weights(contents={"a": ("raw:1",)}), []
    (path.parent / "validation").mkdir()
    summary = {"metric_per_case": [{"identifier": "a"}], "mean": {}, "anomaly": {"map AP": 0.5}}
    (path.parent / "validation" / "summary.json").write_text(json.dumps(summary))
    manifest = push(PushRequest(path, str(tmp_path / "shared"), **SAID), said.append)
    assert {p.name for p in (tmp_path / "shared").iterdir()} == {"pretrained.safetensors", "README.md", "weights.json"}
    assert Manifest.read((tmp_path / "shared" / "weights.json").read_bytes(), "x") == manifest
    manifest.check(tmp_path / "shared" / "pretrained.safetensors", "x")
    tensors, record = read_pretrained(tmp_path / "shared" / "pretrained.safetensors")
    assert (record.licence, record.metrics, record.validation_cases) == ("CC-BY-4.0", {"map AP": 0.5}, 1)
    assert record.data_statement == "Scans of nobody, published by somebody."
    assert torch.equal(tensors["encoder.weight"], read_pretrained(path)[0]["encoder.weight"])
    assert manifest.sha256 in said[0] and "license: cc-by-4.0" in (tmp_path / "shared" / "README.md").read_text()
    # What they say of themselves need not be said again, and the same weights may be pushed again.
    assert push(PushRequest(path, str(tmp_path / "shared"), **SAID), said.append) == manifest
    again = PushRequest(tmp_path / "shared" / "pretrained.safetensors", str(tmp_path / "elsewhere"))
    assert push(again, said.append) == manifest


def test_everything_that_is_missing_is_named_at_once(weights, tmp_path):
    path = weights(salt="", epochs_trained=1, contents={"a": ("raw:1",)})
    with pytest.raises(ValueError, match="is not shared yet") as refusal:
        push(PushRequest(path, str(tmp_path / "shared"), data_statement="secret"))
    for words in ("--licence CC-BY-4.0", "--data ", "--hash-names", "--keep-names", "1 of 2 epochs", "--unfinished"):
        assert words in str(refusal.value)
    with pytest.raises(ValueError, match="expects an SPDX identifier"):
        push(PushRequest(path, str(tmp_path / "shared"), licence="mine"))
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_names_in_clear_are_shared_only_if_somebody_says_so(weights, tmp_path, keep):
    path = weights(salt="", cases=("patient_x",), contents={"patient_x": ("raw:1",)}, epochs_trained=1)
    request = PushRequest(path, str(tmp_path / "shared"), **SAID, keep_names=keep, hash_names=not keep, unfinished=True)
    push(request, lambda text: None)
    shared = b"".join(p.read_bytes() for p in (tmp_path / "shared").iterdir())
    assert (b"patient_x" in shared) == keep


def test_other_weights_are_not_replaced_by_accident(weights, tmp_path):
    target, path = str(tmp_path / "shared"), weights()
    push(PushRequest(path, target, **SAID), lambda text: None)
    other = weights("fold_1", seed=8)
    with pytest.raises(ValueError, match="holds weights already.*--overwrite"):
        push(PushRequest(other, target, **SAID))
    (tmp_path / "shared" / "weights.json").write_text("{")
    with pytest.raises(ValueError, match="holds weights already"):
        push(PushRequest(other, target, **SAID))
    push(PushRequest(other, target, **SAID, overwrite=True), lambda text: None)
    assert read_pretrained(tmp_path / "shared" / "pretrained.safetensors")[1].seed == 8


@pytest.mark.parametrize("name", ["pretrained.safetensors", "README.md"])
@pytest.mark.parametrize("served", [True, False])
def test_files_of_others_without_a_manifest_stay(weights, server, tmp_path, name, served):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / name).write_text("of somebody")
    server.files[f"/w/{name}"] = b"of somebody"
    target = f"{server.address}/w" if served else str(folder)
    with pytest.raises(ValueError, match=f"or files of the same names: {name}. .*--overwrite"):
        push(PushRequest(weights(), target, **SAID))
    assert server.files == {f"/w/{name}": b"of somebody"} and [p.name for p in folder.iterdir()] == [name]
    push(PushRequest(weights(), target, **SAID, overwrite=True), lambda text: None)
    assert (server.files[f"/w/{name}"] if served else (folder / name).read_bytes()) != b"of somebody"


def test_a_push_that_was_killed_is_repeated(weights, tmp_path):
    request = PushRequest(weights(), str(tmp_path / "shared"), **SAID)
    manifest = push(request, lambda text: None)
    (tmp_path / "shared" / "weights.json").unlink()
    assert push(request, lambda text: None) == manifest


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_original_is_never_replaced(weights, tmp_path, overwrite):
    path = weights()
    (tmp_path / "link").symlink_to(path.parent)
    before = path.read_bytes()
    for target in (path.parent, tmp_path / "link"):
        with pytest.raises(ValueError, match="is the folder of .* would replace the original"):
            push(PushRequest(path, str(target), **SAID, overwrite=overwrite))
    assert [p.name for p in path.parent.iterdir()] == [path.name] and path.read_bytes() == before


@pytest.mark.parametrize("hash_names", [True, False])
def test_names_without_fingerprints_are_not_hashed_and_hashes_not_offered(weights, tmp_path, hash_names):
    path = weights(salt="", cases=("patient_x",))
    said = r"no fingerprints of the images .*: --keep-names shares the names. --hash-names cannot be used: "
    with pytest.raises(ValueError, match=said) as refusal:
        push(PushRequest(path, str(tmp_path / "shared"), **SAID, hash_names=hash_names))
    assert str(refusal.value).count("\n") == 1
    push(PushRequest(path, str(tmp_path / "shared"), **SAID, keep_names=True), lambda text: None)


def test_hashed_names_differ_each_time_and_that_is_said(weights, tmp_path):
    path = weights(salt="", cases=("patient_x",), contents={"patient_x": ("raw:1",)})
    request = PushRequest(path, str(tmp_path / "shared"), **SAID, hash_names=True)
    push(request, lambda text: None)
    with pytest.raises(ValueError, match="--overwrite. --hash-names draws a new salt for each push"):
        push(request)


def test_files_without_a_record_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match=r"has no record of a pretraining \(safetensors\)"):
        push(PushRequest(tmp_path / "x.safetensors", str(tmp_path / "shared"), **SAID))
