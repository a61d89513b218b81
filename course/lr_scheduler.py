"""Learning rate schedulers: functions from the number of updates to the learning rate.

Give one to an optimizer: `optimizer_params={"learning_rate": 0.1, "lr_scheduler": scheduler}`.
The rate is a function of `num_update` alone, so training that is taken up again goes on as if it
had never stopped.
"""

import math
import numbers
import sys

from course import log


def _whole(name, value, low):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < low:
        raise ValueError(f"{name} must be a whole number of updates, at least {low}, got {value!r}")
    return int(value)


def _rate(name, value):
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not 0 <= value <= sys.float_info.max:
        raise ValueError(f"{name} must be a finite number and not negative, got {value!r}")
    return float(value)


class LRScheduler:
    """A constant rate, and what all schedulers share: a warm-up over the first updates.

    During the first `warmup_steps` updates the rate grows from `warmup_begin_lr` to `base_lr` on
    a straight line ('linear'), or stays at `warmup_begin_lr` ('constant'). An optimizer that is
    given a learning rate sets `base_lr` to it. Raises ValueError for values that make no sense.
    """

    def __init__(
        self,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ):
        if not isinstance(warmup_mode, str) or warmup_mode not in ("linear", "constant"):
            raise ValueError(f"warmup_mode must be 'linear' or 'constant', got {warmup_mode!r}")
        self.warmup_steps = _whole("warmup_steps", warmup_steps, 0)
        self.warmup_begin_lr = _rate("warmup_begin_lr", warmup_begin_lr)
        self.warmup_mode = warmup_mode
        self.base_lr = base_lr

    @property
    def base_lr(self) -> float:
        """The rate after the warm-up, from which the schedule starts."""
        return self._base_lr

    @base_lr.setter
    def base_lr(self, value: float) -> None:
        value = _rate("base_lr", value)
        if value < self.warmup_begin_lr:
            raise ValueError(
                f"warmup_begin_lr {self.warmup_begin_lr:g} must not be above base_lr {value:g}"
            )
        self._base_lr = value

    def __call__(self, num_update: int) -> float:
        """The learning rate of update `num_update`, the first of which is 1."""
        if num_update < self.warmup_steps:
            if self.warmup_mode == "constant":
                return self.warmup_begin_lr
            share = num_update / self.warmup_steps
            return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * share
        return self.rate(num_update)

    def rate(self, num_update: int) -> float:
        """The learning rate after the warm-up: what each scheduler defines."""
        return self.base_lr


class _StepScheduler(LRScheduler):
    """A rate that falls in steps and says so in the log."""

    def __init__(self, factor, base_lr, **warmup):
        super().__init__(base_lr, **warmup)
        if not isinstance(factor, numbers.Real) or not 0 < factor <= 1:
            raise ValueError(f"factor must be above 0 and no more than 1, got {factor!r}")
        self.factor = float(factor)
        self._logged = None

    def _log(self, num_update, rate, message="Update[%d]: Change learning rate to %0.5e"):
        if rate not in (self._logged, self.base_lr):
            log.info(message, num_update, rate)
        self._logged = rate
        return rate


class FactorScheduler(_StepScheduler):
    """Multiplies the rate by `factor` after every `step` updates: base_lr · factor^⌊(n - 1)/step⌋.

    The rate never falls below `stop_factor_lr`. Each change is logged, the last one with the
    remark that no other follows.
    """

    def __init__(
        self,
        step: int,
        factor: float = 1.0,
        stop_factor_lr: float = 1e-8,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ):
        super().__init__(
            factor,
            base_lr,
            warmup_steps=warmup_steps,
            warmup_begin_lr=warmup_begin_lr,
            warmup_mode=warmup_mode,
        )
        self.step = _whole("step", step, 1)
        self.stop_factor_lr = _rate("stop_factor_lr", stop_factor_lr)

    def rate(self, num_update: int) -> float:
        """The learning rate after the warm-up."""
        falls = max(0, num_update - 1) // self.step
        rate = self.base_lr * self.factor**falls
        if falls and rate < self.stop_factor_lr:
            message = (
                "Update[%d]: now learning rate arrived at %0.5e, will not change in the future"
            )
            return self._log(num_update, self.stop_factor_lr, message)
        return self._log(num_update, rate)


class MultiFactorScheduler(_StepScheduler):
    """Multiplies the rate by `factor` after each of the numbers of updates in the list `step`.

    The numbers must grow. Each change is logged.
    """

    def __init__(
        self,
        step: list[int],
        factor: float = 1.0,
        base_lr: float = 0.01,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ):
        super().__init__(
            factor,
            base_lr,
            warmup_steps=warmup_steps,
            warmup_begin_lr=warmup_begin_lr,
            warmup_mode=warmup_mode,
        )
        if not isinstance(step, (list, tuple)) or not step:
            raise ValueError(f"step must be a list of numbers of updates, got {step!r}")
        self.step = [_whole("each step", number, 1) for number in step]
        if any(later <= earlier for earlier, later in zip(self.step, self.step[1:], strict=False)):
            raise ValueError(f"step must be a list of growing numbers, got {step!r}")

    def rate(self, num_update: int) -> float:
        """The learning rate after the warm-up."""
        falls = sum(num_update > step for step in self.step)
        return self._log(num_update, self.base_lr * self.factor**falls)


class _CurveScheduler(LRScheduler):
    """A rate that falls along a curve from base_lr to final_lr."""

    def __init__(self, max_update, final_lr, base_lr, **warmup):
        super().__init__(base_lr, **warmup)
        self.max_update = _whole("max_update", max_update, 1)
        self.final_lr = _rate("final_lr", final_lr)
        if self.max_update <= self.warmup_steps:
            raise ValueError(
                f"max_update {max_update} must be above warmup_steps {self.warmup_steps}"
            )

    def rate(self, num_update):
        """The learning rate after the warm-up."""
        if num_update >= self.max_update:
            return self.final_lr
        done = (num_update - self.warmup_steps) / (self.max_update - self.warmup_steps)
        return self.final_lr + (self.base_lr - self.final_lr) * self.curve(done)


class PolyScheduler(_CurveScheduler):
    """Falls from base_lr to final_lr as (1 - n / max_update)^pwr; then stays.

    n counts from the end of the warm-up, as does max_update here.
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        pwr: float = 2,
        final_lr: float = 0.0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ):
        super().__init__(
            max_update,
            final_lr,
            base_lr,
            warmup_steps=warmup_steps,
            warmup_begin_lr=warmup_begin_lr,
            warmup_mode=warmup_mode,
        )
        self.power = _rate("pwr", pwr)

    def curve(self, done: float) -> float:
        """What is left of the way from base_lr to final_lr when `done` of the updates are made."""
        return (1 - done) ** self.power


class CosineScheduler(_CurveScheduler):
    """Falls from base_lr to final_lr as (1 + cos(π n / max_update)) / 2; then stays.

    n counts from the end of the warm-up, as does max_update here. Loshchilov and Hutter, "SGDR:
    stochastic gradient descent with warm restarts" (2017), equation 5, without the restarts.
    """

    def __init__(
        self,
        max_update: int,
        base_lr: float = 0.01,
        final_lr: float = 0.0,
        warmup_steps: int = 0,
        warmup_begin_lr: float = 0.0,
        warmup_mode: str = "linear",
    ):
        super().__init__(
            max_update,
            final_lr,
            base_lr,
            warmup_steps=warmup_steps,
            warmup_begin_lr=warmup_begin_lr,
            warmup_mode=warmup_mode,
        )

    def curve(self, done: float) -> float:
        """What is left of the way from base_lr to final_lr when `done` of the updates are made."""
        return (1 + math.cos(math.pi * done)) / 2
