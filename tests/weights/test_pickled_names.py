import pickle

import pytest
import torch
from weights_helpers import Malicious

from nnunet_uad.weights.pickled_names import foreign_names


@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saves_has_none_and_what_it_would_call_is_named(tmp_path, legacy):
    path = tmp_path / "c.pth"
    content = {"w": torch.nn.Parameter(torch.ones(2)), "half": torch.ones(1).half(), "device": torch.device("cpu")}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    assert foreign_names(path) == []
    torch.save({**content, "x": Malicious(tmp_path / "ran")}, path, _use_new_zipfile_serialization=not legacy)
    assert foreign_names(path) == ["posix.mkdir"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_bare_pickles_whole_or_cut(tmp_path, protocol):
    content = pickle.dumps([Malicious(tmp_path / "ran"), "x" * 100], protocol)
    for kept in (len(content), len(content) - 50):
        (tmp_path / "p").write_bytes(content[:kept])
        assert foreign_names(tmp_path / "p") == ["posix.mkdir"]
    assert not (tmp_path / "ran").exists()
