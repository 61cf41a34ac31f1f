import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_uad.training.schedule import FIRST, Course, RateSchedule

SHARES = st.floats(0, 0.99)
COURSES = st.builds(Course.warmup, SHARES) | st.builds(Course.sawtooth, SHARES, SHARES, st.booleans())


def group(peak, **more):
    return {"params": [torch.zeros(1, requires_grad=True)], "peak_lr": peak, **more}


def test_the_warm_up_by_hand():
    course = Course.warmup(0.1)
    assert course(0.05) == pytest.approx(0.5)
    assert course(0.1) == 1.0
    assert course(0.55) == pytest.approx(0.5**0.9)
    assert course(1.0) == 0.0


def test_a_course_that_ends_early_is_the_whole_one_in_less_time():
    whole, early = Course.warmup(0.1), Course.warmup(0.1, end=0.5)
    at = [0.02, 0.05, 0.1, 0.3, 0.49]
    assert [early(progress) for progress in at] == pytest.approx([whole(2 * progress) for progress in at])
    assert [early(progress) for progress in (0.5, 0.7, 1.0)] == [0, 0, 0]


def test_the_sawtooth_by_hand():
    """At the defaults 2.5 % of a training up, 2.5 % down, 5 % up."""
    first, waiting = (Course.sawtooth(0.1, 0.5, waits) for waits in (False, True))
    at = [0.0125, 0.025, 0.0375, 0.05, 0.075, 0.1, 0.55, 1.0]
    together = [FIRST, 0.5, 1.0, 0.5**0.9, 0.0]
    assert list(map(first, at)) == pytest.approx([0.5, 1.0, 0.5, *together])
    assert list(map(waiting, at)) == pytest.approx([0.0, 0.0, 0.0, *together])
    assert (first.still, waiting.still, Course.warmup(0.1).still) == (0, 0.05, 0)


def test_without_a_warm_up_it_is_nnunets_schedule():
    from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.3)
    theirs = PolyLRScheduler(optimizer, 0.3, 20)
    for epoch in range(20):
        theirs.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3 * Course.warmup(0.0)(epoch / 20))


@settings(deadline=None)
@given(st.floats(0, 1), SHARES)
def test_the_warm_up_is_what_it_always_was(progress, warmup):
    """Bit for bit: continued trainings and published results rest on it."""
    before = (
        max(progress / warmup, 1e-3) if progress < warmup else max(0, 1 - (progress - warmup) / (1 - warmup)) ** 0.9
    )
    assert Course.warmup(warmup)(progress) == before


@settings(deadline=None)
@given(COURSES, st.floats(0, 1))
def test_a_rate_stays_between_0_and_its_peak_and_ends_at_0(course, progress):
    assert 0 <= course(progress) <= 1
    assert course(1) == 0 and course(course.points[-1][0]) == 1
    assert (course(progress) == 0) >= (progress < course.still)


@settings(deadline=None)
@given(COURSES)
def test_a_rate_has_no_jumps_and_goes_one_way_between_its_points(course):
    ends = [end for end, _ in course.points] + [1.0]
    for start, end in itertools.pairwise(ends):
        # The end of a piece belongs to the next one.
        inside = [start + (end - start) * step / 8 for step in range(8)] + [math.nextafter(end, 0)]
        rates = [course(progress) for progress in inside if start <= progress < end]
        assert rates == sorted(rates) or rates == sorted(rates, reverse=True)
        if end - start > 1e-6 and end < 1:
            assert course(math.nextafter(end, 0)) == pytest.approx(course(end), abs=2 * FIRST)


@settings(deadline=None)
@given(SHARES, SHARES, st.floats(0, 1))
def test_after_the_tooth_both_parts_have_one_rate(warmup, alone, progress):
    first, waiting = (Course.sawtooth(warmup, alone, waits) for waits in (False, True))
    if progress >= waiting.still:
        assert first(progress) == waiting(progress)
    else:
        assert waiting(progress) == 0


def test_groups_keep_their_own_peak_course_and_freeze():
    groups = [group(1.0, name="decoder"), group(0.1, name="encoder", frozen_until=3), group(0.5)]
    courses = {"decoder": Course.warmup(0.2), "encoder": Course.warmup(0.2), "": Course.warmup(0.0)}
    schedule = RateSchedule(torch.optim.SGD(groups, 1.0), 10, courses.__getitem__)
    assert schedule.get_last_lr() == [FIRST, 0.0, 0.5]
    schedule.step(2.0)
    assert schedule.get_last_lr()[:2] == [1.0, 0.0]
    schedule.step(3.0)
    assert schedule.get_last_lr()[1] == pytest.approx(0.1 * schedule.get_last_lr()[0])
    schedule.step(0.5)
    assert schedule.get_last_lr()[0] == pytest.approx(0.25)
