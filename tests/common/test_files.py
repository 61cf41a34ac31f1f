import json

import pytest

from nnunet_uad.common.files import atomic_path, write_json


def test_success_replaces_and_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError, match="broken"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("broken")
    assert json.loads(path.read_text()) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_suffix_can_stay_last(tmp_path):
    with atomic_path(tmp_path / "a.nii.gz", keep_suffix=True) as temporary:
        assert temporary.name.endswith(".a.nii.gz")
        temporary.write_text("x")
    assert (tmp_path / "a.nii.gz").read_text() == "x"
