import importlib
import os
import subprocess
import sys

import pytest

from nnunet_uad.cli.main import SUBCOMMANDS, main


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help(name, capsys):
    with pytest.raises(SystemExit, match="^0$"):
        main([name, "--help"])
    module = importlib.import_module(f"nnunet_uad.cli.{SUBCOMMANDS[name]}")
    assert module.__doc__.splitlines()[0] in capsys.readouterr().out


def test_errors_are_one_message_without_a_traceback(capsys, monkeypatch):
    monkeypatch.delenv("nnUNet_preprocessed")
    assert (
        main(
            [
                "small-plan",
                "-d",
                "1",
                "-c",
                "2d",
                "--spacing",
                "2",
                "--patch",
                "8",
                "8",
                "--features",
                "4",
                "--batch",
                "1",
                "--name",
                "x",
            ]
        )
        == 1
    )
    _out, err = capsys.readouterr()
    assert err.startswith("nnunet_uad small-plan: The environment variable nnUNet_preprocessed is not set")
    assert "Traceback" not in err


def test_output_that_nobody_reads_ends_the_command_in_silence():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "nnunet_uad", "env"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_workers_broken_pipe_is_an_error(capsys, monkeypatch):
    def run(_arguments):
        raise BrokenPipeError("worker")

    monkeypatch.setattr("nnunet_uad.cli.env.run", run)
    assert main(["env"]) == 1
    assert "worker" in capsys.readouterr().err
