"""Real processes: what is forked does what a new one does, and ends when the one that asked for it ends."""

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import tiny
import torch
from matplotlib.image import imread
from safetensors.torch import load_file

from nnunet_uad.common.lock import file_lock
from nnunet_uad.common.trainer_names import VALIDATION_VARIABLE
from nnunet_uad.study.running import warm as warm_module
from nnunet_uad.study.running.warm import PRELOADED, warm_processes
from nnunet_uad.study.running.warm_client import run_warm
from nnunet_uad.study.running.warm_names import ADDRESS_VARIABLE, JOB, TRAINING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every job imports for itself"),
]
CLIENT = [sys.executable, "-m", "nnunet_uad.study.running.start"]


@pytest.fixture(scope="module", autouse=True)
def warm():
    with warm_processes():
        yield


def children(process: int) -> list[int]:
    """Processes that a process has started."""
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.fixture
def own_server(tmp_path, monkeypatch):
    """A server that knows what tests want to run."""
    monkeypatch.setitem(warm_module.ENTRIES, "left", ("warm_entries", "leave_a_worker"))
    monkeypatch.setitem(warm_module.ENTRIES, "goodbye", ("warm_entries", "say_goodbye"))
    monkeypatch.setattr(warm_module, "_PATIENCE", 0.5)
    address = tempfile.mkdtemp() + "/warm"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        server = multiprocessing.get_context("fork").Process(target=warm_module.serve, args=(listener,))
        server.start()
        monkeypatch.setenv(ADDRESS_VARIABLE, address)
        yield server
        server.terminate()
        server.join(10)
        assert server.exitcode == 0


def is_alive(process: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_workers_of_a_training_that_was_killed_hold_nobody_up_and_end_too(own_server, capfd):
    assert run_warm("left", ["left"], os.environ) == -signal.SIGKILL
    worker = int(capfd.readouterr().out)
    wait_for(lambda: not is_alive(worker), 10)


def test_one_that_says_nothing_does_not_stop_the_others(own_server, capfd):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(os.environ[ADDRESS_VARIABLE])
        assert run_warm("goodbye", ["goodbye"], os.environ) == 0
    assert capfd.readouterr().out == "goodbye\n", "what was to be done at the end was done"


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_a_job_has_the_words_environment_and_output_of_the_one_that_asks(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status = run_warm(JOB, ["job", "study", "train", "scratch/fold0"], {**os.environ, "HOME": "/here"})
    output, errors = capfd.readouterr()
    assert status == 1 and errors.startswith("train scratch/fold0: ") and f"{tmp_path}/study" in errors + output
    assert (tmp_path / "study" / "locks").is_dir(), "in the folder of the one that asks"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_ends_with_the_one_that_asked_for_it(tmp_path, number):
    lock = tmp_path / "locks" / "train__scratch__fold0"
    lock.parent.mkdir()
    with file_lock(lock, "held by the test"), (tmp_path / "log").open("wb") as log:
        asking = subprocess.Popen([*CLIENT, tmp_path, "train", "scratch/fold0"], stdout=log, stderr=log)
        wait_for(lambda: b"is being done" in (tmp_path / "log").read_bytes() or asking.poll() is not None)
        (server,) = [p for p in children(os.getpid()) if b"running.warm\0" in Path(f"/proc/{p}/cmdline").read_bytes()]
        assert len(children(server)) == 1
        asking.send_signal(number)
        assert asking.wait(30) == (128 + number if number == signal.SIGTERM else -number)
        wait_for(lambda: not children(server), 30)
    said = (tmp_path / "log").read_text()
    assert ("train scratch/fold0: ended by SIGTERM. The same command again" in said) == (number == signal.SIGTERM)


def test_a_training_is_that_of_a_new_process_bit_for_bit(tiny_dataset, tmp_path):
    words = [
        "nnUNetv2_train",
        tiny.NUMBER,
        "2d_tiny",
        "0",
        "-tr",
        "nnUNetPretrainerDAE_1epochs_2iters",
        "-device",
        "cpu",
    ]
    new = [sys.executable, "-c", "from nnunetv2.run.run_training import run_training_entry; run_training_entry()"]
    (tmp_path / "rc").write_text("figure.dpi: 7\n")
    weights, pictures = [], []
    for name in ("warm", "new"):
        (tmp_path / name).mkdir()
        settings = {"nnUNet_results": str(tmp_path / name), "nnUNet_uad_settings": "seed=3", VALIDATION_VARIABLE: "no"}
        settings["MATPLOTLIBRC"] = str(tmp_path / "rc")
        environment = {**os.environ, **settings}
        if name == "warm":
            assert run_warm(TRAINING, words, environment) == 0
        else:
            subprocess.run([*new, *words[1:]], env=environment, check=True, stdout=subprocess.DEVNULL)
        weights.append(load_file(next((tmp_path / name).rglob("pretrained.safetensors"))))
        pictures.append(imread(next((tmp_path / name).rglob("progress.png"))).shape)
    assert pictures[0] == pictures[1]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[1])


def test_what_is_preloaded_is_nearly_all_that_a_training_imports_and_not_nnunet():
    imports = "; ".join(f"import {name}" for name in PRELOADED)
    plugin = "import nnunetv2.run.run_training, nnunet_uad.plugin.nnunet_uad_trainers"
    program = f"import sys; {imports}; nnunet = 'nnunetv2' in sys.modules; before = set(sys.modules); {plugin}"
    program += "; later = {n for n in set(sys.modules) - before if not n.startswith(('nnunetv2', 'nnunet_uad'))}"
    asked = [sys.executable, "-c", f"{program}; print(nnunet, len(later), len(sys.modules))"]
    nnunet, later, all_of_them = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    # nnU-Net reads its folders when it is imported, and every training has its own.
    assert nnunet == "False" and int(later) < int(all_of_them) / 50, (later, all_of_them)
