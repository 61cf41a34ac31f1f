import numpy as np
import pytest

from nnunet_uad.training.checks import check_finite, check_free_space, check_preprocessed, check_results_folder


class _Dataset:
    def load_case(self, key):
        data = np.zeros((1, 2, 2, 2), np.float32)
        if key.startswith("bad"):
            data[0, 0, 0, 0] = np.nan if key == "bad1" else np.inf
        return data, None, None, {}


def test_nan_and_infinity_are_named():
    check_finite(_Dataset(), ["a", "b"])
    with pytest.raises(ValueError, match=r"2 case\(s\) hold NaN or infinite values: bad1, bad2"):
        check_finite(_Dataset(), ["a", "bad1", "bad2"])


def test_a_configuration_that_is_not_preprocessed_is_refused_with_the_command(tmp_path):
    check_preprocessed(tmp_path, "Dataset901_Tumour", "2d", "nnUNetPlans")
    with pytest.raises(FileNotFoundError, match="planned, not preprocessed.* -d 901 -c 2d -plans_name P"):
        check_preprocessed(tmp_path / "P_2d", "Dataset901_Tumour", "2d", "P")


def test_full_disk_is_refused(tmp_path):
    check_free_space(tmp_path, 1)
    with pytest.raises(RuntimeError, match="GB free"):
        check_free_space(tmp_path, 10**18)


def test_results_folder_must_be_set_and_writable(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "new"))
    check_results_folder()
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="cannot be written"):
        check_results_folder()
    for value in (f'"{tmp_path}"', "~/results"):
        monkeypatch.setenv("nnUNet_results", value)
        with pytest.raises(RuntimeError, match="is no part of a path"):
            check_results_folder()
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(RuntimeError, match="nnUNet_results is not set.*export nnUNet_results"):
        check_results_folder()
