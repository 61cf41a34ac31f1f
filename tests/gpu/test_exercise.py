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
CASES = [*((SMALL, name) for name in NAMES), *((size, name) for size, names in FULL_SIZE.items() for name in names)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(what_is_missing()), reason=what_is_missing() or "everything is there"),
]
every_trainer = pytest.mark.parametrize(("configuration", "name"), CASES)


@pytest.fixture(scope="module")
def measured():
    """Configuration → trainer → outcome."""
    wanted = {SMALL: NAMES, **FULL_SIZE}
    return fake_device.measure({size: [STOCK_TRAINER, *names] for size, names in wanted.items()})


def times(stage, kind):
    return sum(event["times"] for event in stage["events"] if event["kind"] == kind)


def test_the_imitation_sees_what_stock_nnunet_is_known_to_do(measured):
    """The bars below mean something: stock waits for its loss, and copies images and targets without waiting."""
    for found in measured.values():
        stock = found[STOCK_TRAINER]
        assert not stock["error"]
        where = [event["where"] for event in stock["stages"]["train"]["events"] if event["kind"] == "wait"]
        assert where and all("nnUNetTrainer.py" in place or "grad_scaler.py" in place for place in where)
        assert times(stock["stages"]["train"], "copy") >= 2
    for configuration in FULL_SIZE:
        step = measured[configuration][STOCK_TRAINER]["stages"]["train"]
        assert step["flops"] > 3.5e12 and step["peak"] > 3 * 2**30


@every_trainer
def test_nothing_fails_and_no_tensor_is_on_the_wrong_device(measured, configuration, name):
    outcome = measured[configuration][name]
    assert outcome["error"] == ""
    assert {"train", "validation", "train end", "validation end", "inference"} <= set(outcome["stages"])


@every_trainer
@pytest.mark.parametrize("stage", ["train", "validation"])
def test_the_host_waits_for_the_device_no_more_often_than_in_stock(measured, configuration, name, stage):
    ours, stock = (measured[configuration][n]["stages"][stage] for n in (name, STOCK_TRAINER))
    assert times(ours, "wait") <= times(stock, "wait"), [e for e in ours["events"] if e["kind"] == "wait"]


@every_trainer
def test_nothing_is_drawn_on_the_host_and_copied_in_a_step(measured, configuration, name):
    """What is copied are images and targets: two tensors of a pretrainer, as many as in stock of the others."""
    step, stock = (measured[configuration][n]["stages"]["train"] for n in (name, STOCK_TRAINER))
    copies = [event for event in step["events"] if event["kind"] == "copy"]
    most = 2 if name.startswith(PRETRAINER_PREFIX) else times(stock, "copy")
    assert sum(event["times"] for event in copies) <= most, copies


@pytest.mark.parametrize(("configuration", "name"), [case for case in CASES if case[0] in FULL_SIZE])
def test_memory_and_modelled_time_of_a_step_at_full_size(measured, configuration, name):
    ours, stock = (measured[configuration][n]["stages"]["train"] for n in (name, STOCK_TRAINER))
    assert ours["peak"] <= MOST_MEMORY * stock["peak"]
    if name in TRAINERS and TRAINERS[name].restorer:
        most = MOST_TIME_OF_PASSES if TRAINERS[name].restorer == "MAE" else MOST_TIME
        assert ours["seconds"] <= most * stock["seconds"]


def test_a_machine_that_cannot_imitate_a_gpu_says_why(monkeypatch):
    monkeypatch.setattr(fake_device.shutil, "which", lambda tool: None)
    assert what_is_missing() == "imitating a GPU needs gcc and nm to build a stub of its driver"
