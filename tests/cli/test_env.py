import os
import subprocess
import sys

import pytest

from nnunet_uad.cli.env import export_line
from nnunet_uad.common.nnunet import PLUGIN_FOLDER


def test_other_folders_are_kept_and_ours_is_named_once():
    assert export_line("bash", "") == f'export nnUNet_extTrainer="{PLUGIN_FOLDER}"'
    both = os.pathsep.join(["/mine", str(PLUGIN_FOLDER)])
    assert export_line("bash", "/mine") == f'export nnUNet_extTrainer="{both}"'
    assert export_line("bash", both) == f'export nnUNet_extTrainer="{both}"'


@pytest.mark.parametrize(
    ("shell", "start"), [("fish", "set -gx nnUNet_extTrainer "), ("powershell", "$Env:nnUNet_extTrainer = ")]
)
def test_other_shells(shell, start):
    assert export_line(shell, "").startswith(start)


def test_eval_in_a_shell_sets_the_variable():
    line = f'eval "$({sys.executable} -m nnunet_uad env)"; printf %s "$nnUNet_extTrainer"'
    environment = {**os.environ, "nnUNet_extTrainer": "/mine"}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == os.pathsep.join(["/mine", str(PLUGIN_FOLDER)])
    assert done.stderr == ""
