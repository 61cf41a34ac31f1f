import os
import subprocess
import sys
import time

import pytest
import torch
from weights_helpers import Malicious

from nnunet_uad.sharing.manifest import Manifest
from nnunet_uad.sharing.pull import PullRequest, pull
from nnunet_uad.sharing.push import PushRequest, push

SAID = {"licence": "MIT", "data_statement": "Scans of nobody, published by somebody."}


@pytest.fixture
def shared(weights, server):
    """Weights at an address; returns it with their manifest."""
    address = f"{server.address}/dae"
    manifest = push(PushRequest(weights(), address, **SAID), lambda text: None)
    server.asked.clear()
    return address, manifest


def files(folder):
    return {p.name for p in folder.rglob("*")}


def test_weights_are_fetched_checked_and_kept(shared, server, tmp_path):
    address, manifest = shared
    said, folder = [], tmp_path / "here"
    path, record = pull(PullRequest(address, folder, manifest.sha256.upper()), said.append)
    assert path == folder / "pretrained.safetensors" and record.licence == "MIT"
    assert files(folder) == {"pretrained.safetensors", "README.md", "weights.json"} and manifest.sha256 in said[0]
    asked = len(server.asked)
    assert pull(PullRequest(address, folder), said.append) == (path, record)
    assert "is there already" in said[1] and len(server.asked) == asked + 1


def test_other_weights_in_the_folder_stay(shared, weights, tmp_path):
    folder = weights("here", seed=9).parent
    with pytest.raises(ValueError, match="holds other weights.*--overwrite"):
        pull(PullRequest(shared[0], folder))
    assert pull(PullRequest(shared[0], folder, overwrite=True), lambda text: None)[1].seed == 7


@pytest.mark.parametrize("name", ["README.md", "weights.json"])
def test_other_texts_in_the_folder_stay(shared, server, tmp_path, name):
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / name).write_text("of somebody")
    with pytest.raises(ValueError, match=f"here holds another {name}. Choose another -o, .*--overwrite"):
        pull(PullRequest(shared[0], folder))
    assert files(folder) == {name} and (folder / name).read_text() == "of somebody"
    # The same content is no other.
    (folder / name).write_bytes(server.files[f"/dae/{name}"])
    pull(PullRequest(shared[0], folder), lambda text: None)
    (folder / "pretrained.safetensors").unlink()
    (folder / name).write_text("of somebody")
    pull(PullRequest(shared[0], folder, overwrite=True), lambda text: None)
    assert (folder / name).read_bytes() == server.files[f"/dae/{name}"]


def test_a_lost_connection_is_continued(shared, server, tmp_path):
    address, _ = shared
    # Answers are written in pieces of a MiB: less than one arrives.
    server.cut_after = 50_000
    with pytest.raises(ConnectionError, match="Run the same command again"):
        pull(PullRequest(address, tmp_path / "here"))
    assert [name for name in files(tmp_path / "here") if not name.startswith(".")] == []
    server.cut_after = 0
    pull(PullRequest(address, tmp_path / "here"), lambda text: None)
    assert files(tmp_path / "here") == {"pretrained.safetensors", "README.md", "weights.json"}


def test_damaged_weights_are_not_kept(shared, server, tmp_path):
    address, _ = shared
    content = server.files["/dae/pretrained.safetensors"]
    server.files["/dae/pretrained.safetensors"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(ValueError, match="is not what its weights.json says: .* SHA-256"):
        pull(PullRequest(address, tmp_path / "here"))
    assert not (tmp_path / "here").exists()
    with pytest.raises(ValueError, match="--sha256 expects 00"):
        pull(PullRequest(address, tmp_path / "here", "00"))


def test_a_pickle_is_never_run_whatever_it_is_called(shared, server, tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"network_weights": {"a": torch.ones(1)}, "x": Malicious(tmp_path / "ran")}, path)
    for content in (path.read_bytes(), b"\x80\x04nothing"):
        (tmp_path / "evil").write_bytes(content)
        server.files["/dae/pretrained.safetensors"] = content
        named = Manifest.of(tmp_path / "evil")
        text = named.to_text().replace('"evil"', '"pretrained.safetensors"')
        server.files["/dae/weights.json"] = text.encode()
        with pytest.raises(ValueError, match="safetensors file"):
            pull(PullRequest(shared[0], tmp_path / "here"))
    assert not (tmp_path / "ran").exists() and not (tmp_path / "here").exists()


def test_nothing_there_a_damaged_manifest_and_offline(shared, server, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds nothing that nnunet_uad weights push put there"):
        pull(PullRequest(f"{server.address}/none", tmp_path / "here"))
    with pytest.raises(FileNotFoundError, match="There is no .*weights.json"):
        pull(PullRequest(str(tmp_path / "nowhere"), tmp_path / "here"))
    server.files["/dae/weights.json"] = b"{"
    with pytest.raises(ValueError, match="weights.json of .*/dae is damaged"):
        pull(PullRequest(shared[0], tmp_path / "here"))
    server.shutdown()
    server.server_close()
    with pytest.raises(ConnectionError, match="offline"):
        pull(PullRequest(shared[0], tmp_path / "here"))
    assert not (tmp_path / "here").exists()


@pytest.mark.slow
def test_a_killed_pull_goes_on(shared, server, tmp_path):
    """Killed while the server holds back the rest."""
    address, _ = shared
    folder, content = tmp_path / "here", server.files["/dae/pretrained.safetensors"]
    server.hold_back = 60_000
    command = [sys.executable, "-m", "nnunet_uad", "weights", "pull", address, "-o", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
    deadline = time.time() + 60
    while time.time() < deadline and not server.held.is_set():
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (folder / "pretrained.safetensors").exists()
    server.hold_back = 0
    server.release.set()
    pull(PullRequest(address, folder), lambda text: None)
    assert (folder / "pretrained.safetensors").read_bytes() == content
    assert files(folder) == {"pretrained.safetensors", "README.md", "weights.json"}
