import os
import sys
from pathlib import Path

from nnunet_uad.common.commands import executable, nnunet_environment
from nnunet_uad.common.nnunet import PLUGIN_FOLDER


def test_commands_are_those_of_this_environment():
    assert executable("nnUNetv2_train") == str(Path(sys.executable).with_name("nnUNetv2_train"))
    assert executable("no_such_command") == "no_such_command"


def test_the_plugin_is_added_once_and_folders_of_others_are_kept(monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join(["/others", str(PLUGIN_FOLDER)]))
    environment = nnunet_environment({"nnUNet_raw": "/raw"}, shared_cores=False)
    assert environment["nnUNet_extTrainer"].split(os.pathsep) == [str(PLUGIN_FOLDER), "/others"]
    assert environment["nnUNet_raw"] == "/raw" and "OMP_WAIT_POLICY" not in environment
    alone = nnunet_environment({}, shared_cores=False, keep_others=False)
    assert alone["nnUNet_extTrainer"] == str(PLUGIN_FOLDER)
    assert nnunet_environment({}, shared_cores=True)["OMP_WAIT_POLICY"] == "PASSIVE"
