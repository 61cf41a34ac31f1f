import contextlib
import shutil
import subprocess

import pytest

from nnunet_uad.cli.main import SUBCOMMANDS, main
from nnunet_uad.methods import PRETRAINERS


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The scripts of all shells, as files."""
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "tcsh"):
        with (folder / shell).open("w") as file, contextlib.redirect_stdout(file):
            assert main(["completion", shell]) == 0
    return folder


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_every_shell_knows_every_subcommand(scripts, shell):
    text = (scripts / shell).read_text()
    assert [name for name in SUBCOMMANDS if name not in text] == []
    if program := shutil.which(shell):
        subprocess.run([program, "-n", scripts / shell], check=True)


def completed(script, *words):
    """What bash offers for the last word."""
    line = " ".join(words)
    quoted = " ".join(f"'{w}'" for w in words)
    code = (
        f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; "
        f"COMP_POINT={len(line)}; _shtab_nnunet_uad; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True, cwd=script.parent)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nnunet_uad", "pre"], {"predict", "preprocess"}),
        (["nnunet_uad", "weights", "pu"], {"pull", "push"}),
        (["nnunet_uad", "predict", "--disable"], {"--disable_tta"}),
        (["nnunet_uad", "predict", "-tr", "nnUNetPretrainerD"], {p for p in PRETRAINERS if "rD" in p}),
        (["nnunet_uad", "check-checkpoint", "ba"], {"bash"}),
        (["nnunet_uad", "completion", "t"], {"tcsh"}),
    ],
)
def test_bash_completes(scripts, words, expected):
    assert set(completed(scripts / "bash", *words)) == expected
