import importlib.util

import pytest

from nnunet_uad.dicom.names import require_libraries


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    require_libraries()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "highdicom" else name)
    with pytest.raises(RuntimeError, match=r"DICOM needs highdicom: pip install 'nnunet_uad\[dicom\]'"):
        require_libraries()
