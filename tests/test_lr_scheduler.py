import logging
import math

import pytest

import course as mx
from course.lr_scheduler import (
    CosineScheduler,
    FactorScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PolyScheduler,
)


def table(scheduler, count):
    return [scheduler(n) for n in range(1, count + 1)]


def test_factor_scheduler_multiplies_after_every_step():
    rate, expected = 1.0, []
    for n in range(1, 31):
        if n > 1 and (n - 1) % 7 == 0:
            rate *= 0.5
        expected.append(rate)
    assert table(FactorScheduler(7, 0.5, base_lr=1.0), 30) == pytest.approx(expected)


def test_factor_scheduler_stops_at_its_floor():
    rates = table(FactorScheduler(1, 0.1, stop_factor_lr=0.005, base_lr=1.0), 5)
    assert rates == pytest.approx([1, 0.1, 0.01, 0.005, 0.005])


def test_multi_factor_scheduler_multiplies_after_each_listed_update():
    rates = table(MultiFactorScheduler([2, 5], 0.1, base_lr=1.0), 7)
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("warmup", [0, 3])
def test_poly_scheduler_follows_its_formula(warmup):
    scheduler = PolyScheduler(10, base_lr=0.5, pwr=3, final_lr=0.1, warmup_steps=warmup)
    expected = [0.1 + 0.4 * (1 - (n - warmup) / (10 - warmup)) ** 3 for n in range(warmup, 11)]
    assert [scheduler(n) for n in range(warmup, 11)] == pytest.approx(expected)
    assert scheduler(50) == 0.1


@pytest.mark.parametrize("warmup", [0, 3])
def test_cosine_scheduler_follows_its_formula(warmup):
    scheduler = CosineScheduler(10, base_lr=0.5, final_lr=0.1, warmup_steps=warmup)
    angles = [math.pi * (n - warmup) / (10 - warmup) for n in range(warmup, 11)]
    expected = [0.1 + 0.4 * (1 + math.cos(angle)) / 2 for angle in angles]
    assert [scheduler(n) for n in range(warmup, 11)] == pytest.approx(expected)
    assert scheduler(50) == 0.1


@pytest.mark.parametrize(
    "make",
    [
        LRScheduler,
        lambda **kw: FactorScheduler(10, 0.5, **kw),
        lambda **kw: MultiFactorScheduler([10], 0.5, **kw),
        lambda **kw: PolyScheduler(10, **kw),
        lambda **kw: CosineScheduler(10, **kw),
    ],
)
def test_warm_up_in_both_modes(make):
    linear = make(base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.2)
    assert table(linear, 4) == pytest.approx([0.4, 0.6, 0.8, 1.0])
    constant = make(base_lr=1.0, warmup_steps=4, warmup_begin_lr=0.2, warmup_mode="constant")
    assert table(constant, 4) == pytest.approx([0.2, 0.2, 0.2, 1.0])


def test_a_rate_set_later_is_the_one_that_falls():
    for scheduler in (PolyScheduler(10), CosineScheduler(10), FactorScheduler(10, 0.5)):
        scheduler.base_lr = 1.0
        assert scheduler(0) == 1.0


def test_the_rate_does_not_depend_on_what_was_asked_before():
    scheduler = FactorScheduler(10, 0.5, base_lr=1.0)
    assert [scheduler(n) for n in (25, 5, 25)] == [0.25, 1.0, 0.25]


def test_changes_are_logged_once(caplog):
    caplog.set_level(logging.INFO)
    table(FactorScheduler(2, 0.1, stop_factor_lr=0.005, base_lr=0.1), 9)
    assert caplog.messages == [
        "Update[3]: Change learning rate to 1.00000e-02",
        "Update[5]: now learning rate arrived at 5.00000e-03, will not change in the future",
    ]


def test_changes_of_the_multi_factor_scheduler_are_logged(caplog):
    caplog.set_level(logging.INFO)
    table(MultiFactorScheduler([1, 3], 0.5, base_lr=0.1), 5)
    assert caplog.messages == [
        "Update[2]: Change learning rate to 5.00000e-02",
        "Update[4]: Change learning rate to 2.50000e-02",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FactorScheduler(0), "step must be a whole number of updates, at least 1, got 0"),
        (lambda: FactorScheduler(2.5), "step must be a whole number"),
        (lambda: FactorScheduler(5, 1.5), "factor must be above 0 and no more than 1, got 1.5"),
        (lambda: MultiFactorScheduler([]), "step must be a list"),
        (lambda: MultiFactorScheduler(5), "step must be a list"),
        (lambda: MultiFactorScheduler([5, 5]), "list of growing numbers"),
        (lambda: PolyScheduler(0), "max_update must be"),
        (lambda: PolyScheduler(10, pwr=-1), "pwr must be"),
        (lambda: CosineScheduler(5, warmup_steps=5), "max_update 5 must be above warmup_steps 5"),
        (lambda: CosineScheduler(5, final_lr=math.nan), "final_lr must be"),
        (lambda: LRScheduler(-1), "base_lr must be"),
        (lambda: LRScheduler(warmup_steps=-1), "warmup_steps must be"),
        (lambda: LRScheduler(0.1, 5, 0.2), "warmup_begin_lr 0.2 must not be above base_lr 0.1"),
        (lambda: LRScheduler(warmup_mode="cosine"), "must be 'linear' or 'constant', got 'cosine'"),
    ],
)
def test_values_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_schedulers_are_found_under_their_module():
    assert mx.lr_scheduler.FactorScheduler is FactorScheduler
