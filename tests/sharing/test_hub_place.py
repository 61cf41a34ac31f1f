import builtins
import time

import pytest

from nnunet_uad.sharing.hub_place import HubPlace
from nnunet_uad.sharing.place import AbsentError
from nnunet_uad.sharing.places import place_of

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", "hf_nobody")
    return server


def test_files_are_put_in_one_commit_and_fetched(hub, tmp_path):
    place = place_of("hf://someone/weights")
    for name in ("a.safetensors", "weights.json"):
        (tmp_path / name).write_text(name)
    place.publish(tmp_path, ["a.safetensors", "weights.json"])
    assert [path for method, path, _ in hub.asked if "/commit/" in path] == ["/api/models/someone/weights/commit/main"]
    assert place.read("weights.json") == b"weights.json"
    place.fetch("a.safetensors", tmp_path / "partial", 13)
    assert (tmp_path / "partial").read_text() == "a.safetensors"
    assert place.others(tmp_path, ["a.safetensors", "b"]) == ["a.safetensors"]
    assert HubPlace("someone/other").others(tmp_path, ["a.safetensors"]) == []
    with pytest.raises(AbsentError, match="There is no b in hf://someone/weights"):
        place.read("b")
    with pytest.raises(AbsentError, match="is not there, or is private"):
        HubPlace("someone/other").read("weights.json")
    assert HubPlace("someone/weights@v1").read("weights.json") and "/resolve/v1/" in hub.asked[-1][1]
    with pytest.raises(ValueError, match="names a version; push to hf://someone/weights"):
        HubPlace("someone/weights@v1").publish(tmp_path, ["weights.json"])


@pytest.mark.parametrize("text", ["", "weights", "a/b/c", "a/b@", "../x/y"])
def test_names_of_another_form_are_refused(text):
    with pytest.raises(ValueError, match="is named hf://OWNER/NAME"):
        HubPlace(text)


def test_who_may_not_is_told_how(hub, tmp_path):
    hub.status = 403
    (tmp_path / "a").write_text("a")
    with pytest.raises(PermissionError, match="hf auth login"):
        HubPlace("someone/weights").publish(tmp_path, ["a"])
    with pytest.raises(PermissionError, match=r"does not let this machine in \(403\).*HF_TOKEN"):
        HubPlace("someone/weights").read("a")


def test_offline_is_said(hub, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(ConnectionError, match="cannot be reached .*HF_HUB_OFFLINE"):
            HubPlace("someone/weights").read("weights.json")
    hub.shutdown()
    hub.server_close()
    (tmp_path / "a").write_text("a")
    # The library tries again and again, and waits in between.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    for act in (lambda p: p.read("weights.json"), lambda p: p.publish(tmp_path, ["a"])):
        with pytest.raises(ConnectionError, match="cannot be reached .*offline"):
            act(HubPlace("someone/weights"))


def test_without_its_library_the_command_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "huggingface_hub":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RuntimeError, match=r"pip install 'nnunet_uad\[hub\]'"):
        HubPlace("a/b")
