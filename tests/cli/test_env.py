import os
import shutil
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


AWKWARD = [
    "/a b/$(touch ran)/`touch ran`",
    '/"quoted"/back\\slash\\',
    "/$HOME/${x}/!!/#'",
    "/“smart”/{a,b}/*?~",
    "/new\nline",
]


@pytest.mark.parametrize("shell", [s for s in ("sh", "bash", "zsh", "dash", "fish") if shutil.which(s)])
@pytest.mark.parametrize("folder", AWKWARD)
def test_every_character_reaches_the_variable_and_nothing_runs(tmp_path, shell, folder):
    (tmp_path / "line").write_text(export_line("fish" if shell == "fish" else "bash", folder), encoding="utf-8")
    script = '. ./line; printf %s "$nnUNet_extTrainer"'
    done = subprocess.run([shell, "-c", script], capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout.decode() == os.pathsep.join([folder, str(PLUGIN_FOLDER)]) and done.stderr == b""
    assert not (tmp_path / "ran").exists()


def test_powershell_quotes_its_own_way():
    line = export_line("powershell", '/a$(b)`c"d“e\nf')
    assert line.startswith('$Env:nnUNet_extTrainer = "/a`$(b)``c`"d`“e`nf') and line.count("\n") == 0


def test_eval_in_a_shell_sets_the_variable():
    line = f'eval "$({sys.executable} -m nnunet_uad env)"; printf %s "$nnUNet_extTrainer"'
    environment = {**os.environ, "nnUNet_extTrainer": "/mine"}
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == os.pathsep.join(["/mine", str(PLUGIN_FOLDER)])
    assert done.stderr == ""
