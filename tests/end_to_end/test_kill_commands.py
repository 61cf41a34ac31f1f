"""``kill -9`` of ``preprocess`` and ``predict``, then the same command: the files are those of an undisturbed run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tiny
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2

from nnunet_uad.cli.main import main

COMMAND = str(Path(sys.executable).parent / "nnunet_uad")
CASES = 6


def start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen, pattern: str, folder: Path) -> int:
    """Kill once a file of ``pattern`` is there; returns how many there are then."""
    deadline = time.time() + 240
    while not list(folder.glob(pattern)):
        assert process.poll() is None and time.time() < deadline, process.stderr.read().decode()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(folder.glob(pattern)))


def finish(*arguments: str) -> None:
    """The same command, without the seconds that a process takes to start."""
    assert main([*arguments]) == 0


def test_killed_prediction_continues(dae_fold, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for path in (Path(os.environ["nnUNet_raw"]) / tiny.DATASET / "imagesTs").iterdir():
        for k in range(CASES):
            shutil.copy(path, images / path.name.replace("test", f"case{k:02d}"))
    trainer = dae_fold.parent.name.split("__")[0]
    flags = f"predict -i {images} -d {tiny.NUMBER} -c 2d_tiny -tr {trainer} -device cpu -npp 0 -nps 0".split()
    flags += ["--save", "map", "mask", "png", "-o"]
    done = kill_when(start(*flags, str(tmp_path / "killed")), "*_montage.png", tmp_path / "killed")
    assert 0 < done < CASES
    finish(*flags, str(tmp_path / "killed"))
    finish(*flags, str(tmp_path / "whole"))
    whole = {p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()}
    killed = {p.name: p.read_bytes() for p in (tmp_path / "killed").iterdir() if not p.name.startswith(".")}
    # Of every case three files; beside them the records of the model and of the images.
    assert len(whole) == 3 * CASES + 2 and killed == whole


def test_killed_preprocessing_continues(tiny_dataset, tmp_path, monkeypatch):
    raw = tmp_path / "raw" / "Dataset993_Unlabelled"
    (raw / "imagesTr").mkdir(parents=True)
    description = {"channel_names": {"0": "FLAIR"}, "labels": {"background": 0}, "file_ending": ".nii.gz"}
    (raw / "dataset.json").write_text(json.dumps(description))
    for k in range(CASES):
        tiny.write_image(tiny.tiny_case(k, False)[0][0], raw / "imagesTr" / f"u{k:02d}_0000.nii.gz")
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    flags = f"preprocess -d 993 --like {tiny.NUMBER} -c 2d_tiny --channels FLAIR -np 0".split()
    folders = {}
    for name in ("killed", "whole"):
        monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / name))
        (tmp_path / name).mkdir()
        (tmp_path / name / tiny.DATASET).symlink_to(tiny_dataset)
        folders[name] = tmp_path / name / raw.name
        data = folders[name] / "nnUNetPlans_2d_tiny"
        if name == "killed":
            assert kill_when(start(*flags), "*[0-9].b2nd", data) < CASES
        finish(*flags)
    one, two = (nnUNetDatasetBlosc2(str(f / "nnUNetPlans_2d_tiny")) for f in folders.values())
    assert sorted(one.identifiers) == sorted(two.identifiers) == [f"u{k:02d}" for k in range(CASES)]
    for case in one.identifiers:
        for a, b in zip(one.load_case(case)[:2], two.load_case(case)[:2], strict=True):
            assert np.array_equal(a[:], b[:])
    names = {p.name for p in folders["whole"].iterdir()}
    assert {p.name for p in folders["killed"].iterdir()} == names and "splits_final.json" in names
    assert (folders["killed"] / "splits_final.json").read_text() == (folders["whole"] / "splits_final.json").read_text()
