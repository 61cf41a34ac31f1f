import os

from nnunet_uad.common.nnunet import PLUGIN_FOLDER
from nnunet_uad.common.trainer_folders import (
    defined_elsewhere,
    other_folders,
    others_hold_modules,
    plugin_first,
    plugin_last,
)


def test_the_plugin_comes_first_and_others_keep_their_order():
    value = os.pathsep.join([str(PLUGIN_FOLDER), "/b", "/a"])
    assert plugin_first(os.pathsep.join(["/b", f"{PLUGIN_FOLDER}/", "", "/a", "/b"])) == value
    assert plugin_first(value) == value and plugin_first("") == str(PLUGIN_FOLDER)
    assert plugin_last(value) == value and plugin_last("") == str(PLUGIN_FOLDER)
    assert plugin_last("/b") == os.pathsep.join(["/b", str(PLUGIN_FOLDER)])


def test_classes_of_others_are_found_by_the_text_of_their_files(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "mine.py"
    file.write_bytes(b"import nothing_like_this  # \xff\nclass nnUNetTrainerMine(object):\n    pass\n")
    monkeypatch.setenv("nnUNet_extTrainer", plugin_first(os.pathsep.join(["/nowhere", str(tmp_path)])))
    assert other_folders() == ["/nowhere", str(tmp_path)]
    assert others_hold_modules() and defined_elsewhere("nnUNetTrainerMine") == file
    assert defined_elsewhere("nnUNetTrainerMin") is None and defined_elsewhere("nnUNetPretrainerDAE") is None
