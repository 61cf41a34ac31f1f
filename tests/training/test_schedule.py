import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnunet_uad.training.schedule import WarmupPolySchedule, warmup_poly


def test_by_hand():
    assert warmup_poly(0.05, 0.1) == pytest.approx(0.5)
    assert warmup_poly(0.1, 0.1) == 1.0
    assert warmup_poly(0.55, 0.1) == pytest.approx(0.5**0.9)
    assert warmup_poly(1.0, 0.1) == 0.0


def test_without_warmup_it_is_nnunets_schedule():
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    theirs = PolyLRScheduler(optimizer, 0.3, 20)
    for epoch in range(20):
        theirs.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3 * warmup_poly(epoch / 20, 0.0))


@given(st.floats(0, 1), st.floats(0, 0.99))
def test_factor_stays_between_0_and_1(progress, warmup):
    assert 0 <= warmup_poly(progress, warmup) <= 1


def test_groups_keep_their_own_peak_and_freeze():
    groups = [
        {"params": [torch.zeros(1, requires_grad=True)], "peak_lr": 1.0},
        {"params": [torch.zeros(1, requires_grad=True)], "peak_lr": 0.1, "frozen_until": 3},
    ]
    schedule = WarmupPolySchedule(torch.optim.SGD(groups, 1.0), 10, 0.2)
    schedule.step(2.0)
    assert schedule.get_last_lr() == [1.0, 0.0]
    schedule.step(3.0)
    assert schedule.get_last_lr()[1] == pytest.approx(0.1 * schedule.get_last_lr()[0])
    schedule.step(0.5)
    assert schedule.get_last_lr()[0] == pytest.approx(0.25)
