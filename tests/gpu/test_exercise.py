"""Every trainer on a GPU that is not there; bars for waits, copies, random numbers, memory and modelled time."""

import fake_device
import pytest
from fake_device import what_is_missing

from nnunet_uad.methods import NAMES, PRETRAINER_PREFIX, STOCK_TRAINER, TRAINERS

#: Trainers whose full-size costs are held against bars: one of each kind, most expensive first. All are in docs/gpu.md.
FULL_SIZE = {
    "2d": ("nnUNetPretrainerDDPM", "nnUNetTrainerMAEResidual", "nnUNetTrainerDiffusionResidual"),
    "3d": ("nnUNetPretrainerPatchGAN", "nnUNetTrainerDAEResidual"),
}
SMALL = "2d_small"
#: Peak memory of a step as a multiple of stock's.
MOST_MEMORY = 2.5
#: Modelled time of a step of a trainer with a frozen restorer as a multiple of stock's. Masked autoencoders reconstruct
#: in three passes, a whole network each.
MOST_TIME, MOST_TIME_OF_PASSES = 1.6, 1.75
#: Trainers of stage two that differ from another only in the pretraining whose weights they start from, or whose frozen
#: restorer reconstructs as another's does.
SAME_STEP = {name for name in TRAINERS if name.endswith("Pretrained") and name != "nnUNetTrainerDAEPretrained"}
SAME_RESTORATION = {
    "nnUNetTrainerAEResidual",
    "nnUNetTrainerAnoVAEGANResidual",
    "nnUNetTrainerDAEPretrainedDiffusionResidual",
    "nnUNetTrainerDAEPretrainedLesionBank",
    "nnUNetTrainerGenesisResidual",
    "nnUNetTrainerTAEPretrainedAuxReconstruction",
}
ONE_OF_EACH = {SMALL: tuple(name for name in NAMES if name not in SAME_STEP | SAME_RESTORATION)}
EVERY = {SMALL: NAMES}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "everything is there"),
]


def times(stage, kind):
    return sum(event["times"] for event in stage["events"] if event["kind"] == kind)


def check_stock(stock, full_size):
    """The bars below mean something: stock waits for its loss, and copies images and targets without waiting."""
    assert not stock["error"]
    step = stock["stages"]["train"]
    where = [event["where"] for event in step["events"] if event["kind"] == "wait"]
    assert where and all("nnUNetTrainer.py" in place or "grad_scaler.py" in place for place in where)
    assert times(step, "copy") >= 2
    if full_size:
        assert step["flops"] > 3.5e12 and step["peak"] > 3 * 2**30


def broken_bars(name, outcome, stock, full_size):
    """What is wrong with a trainer, in words."""
    stages, theirs = outcome["stages"], stock["stages"]
    if outcome["error"] or not {"train", "validation", "train end", "validation end", "inference"} <= set(stages):
        return [f"failed: {outcome['error']}; stages: {', '.join(stages)}"]
    step, events = stages["train"], {}
    for stage in ("train", "validation"):
        events[f"{stage}: waits"] = (
            times(stages[stage], "wait"),
            times(theirs[stage], "wait"),
            stages[stage]["events"],
        )
    # What is copied are images and targets: two tensors of a pretrainer, as many as in stock of the others.
    copies = 2 if name.startswith(PRETRAINER_PREFIX) else times(theirs["train"], "copy")
    events["copies of a step"] = (times(step, "copy"), copies, step["events"])
    problems = [f"{what}: {ours} > {most}: {events}" for what, (ours, most, events) in events.items() if ours > most]
    if full_size:
        bars = {"peak": MOST_MEMORY}
        if name in TRAINERS and TRAINERS[name].restorer:
            bars["seconds"] = MOST_TIME_OF_PASSES if TRAINERS[name].restorer == "MAE" else MOST_TIME
        ratios = {what: step[what] / theirs["train"][what] for what in bars}
        problems += [f"{what}: {ratios[what]:.2f} of stock > {bar}" for what, bar in bars.items() if ratios[what] > bar]
    return problems


@pytest.mark.parametrize(
    "wanted",
    [
        ONE_OF_EACH,
        pytest.param(EVERY, marks=pytest.mark.thorough),
        pytest.param(FULL_SIZE, marks=pytest.mark.thorough),
    ],
    ids=["one of each", "every", "full"],
)
def test_no_trainer_fails_waits_or_copies_more_than_stock_or_takes_more_than_its_bars(wanted):
    """All at once: the measurement is made in one process, which tests in several workers would make several times."""
    measured = fake_device.measure({size: [STOCK_TRAINER, *names] for size, names in wanted.items()})
    assert {size: set(found) for size, found in measured.items()} == {
        size: {STOCK_TRAINER, *names} for size, names in wanted.items()
    }
    problems = {}
    for size, found in measured.items():
        check_stock(found[STOCK_TRAINER], size in FULL_SIZE)
        for name in wanted[size]:
            broken = broken_bars(name, found[name], found[STOCK_TRAINER], size in FULL_SIZE)
            problems |= {f"{size} {name}": broken} if broken else {}
    assert problems == {}


def test_a_bar_that_is_broken_is_named():
    """The test above can fail: a step that waits and takes twice the time, and one that fails."""
    stage = {"events": [], "seconds": 1.0, "peak": 1.0, "flops": 1.0}
    names = ("train", "validation", "train end", "validation end", "inference")
    stock = {"error": "", "stages": dict.fromkeys(names, stage)}
    waiting = {**stage, "seconds": 2.0, "events": [{"kind": "wait", "times": 1, "where": "here"}]}
    slow = {"error": "", "stages": {**stock["stages"], "train": waiting}}
    found = broken_bars("nnUNetTrainerDAEResidual", slow, stock, True)
    assert [f.split(" > ")[0] for f in found] == ["train: waits: 1", "seconds: 2.00 of stock"]
    assert broken_bars("x", {"error": "boom", "stages": {}}, stock, False) == ["failed: boom; stages: "]


def test_a_machine_that_cannot_imitate_a_gpu_says_why(monkeypatch):
    monkeypatch.setattr(fake_device.shutil, "which", lambda tool: None)
    assert what_is_missing() == "imitating a GPU needs gcc and nm to build a stub of its driver"
