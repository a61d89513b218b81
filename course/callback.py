"""Functions that `fit` calls after each batch or epoch, to report or to save."""

import math
import time
from collections import namedtuple

from course import log, model

BatchEndParam = namedtuple("BatchEndParam", ["epoch", "nbatch", "eval_metric", "locals"])


class Speedometer:
    """After each `frequent` batches logs the speed and the training metric.

    The first call of an epoch only starts the clock. With `auto_reset` each line is of its own
    window of batches; else of the epoch so far.
    """

    def __init__(self, batch_size, frequent=50, auto_reset=True):
        if frequent < 1:
            raise ValueError(f"frequent must be at least 1, got {frequent!r}")
        self.batch_size = batch_size
        self.frequent = frequent
        self.auto_reset = auto_reset
        self._start = None
        self._last = (0, 0)

    def __call__(self, param: BatchEndParam) -> None:
        """Called after each batch."""
        epoch, nbatch = self._last
        if param.epoch != epoch or param.nbatch < nbatch:
            self._start = None  # a new epoch
        self._last = (param.epoch, param.nbatch)
        if self._start is None:
            self._start = time.perf_counter()
            return
        if param.nbatch % self.frequent:
            return
        seconds = time.perf_counter() - self._start
        speed = self.frequent * self.batch_size / seconds if seconds else math.inf
        if param.eval_metric is None:
            message = "Iter[%d] Batch [%d]\tSpeed: %.2f samples/sec"
            log.info(message, param.epoch, param.nbatch, speed)
        else:
            pairs = param.eval_metric.get_name_value()
            first = param.nbatch - self.frequent if self.auto_reset else 0
            if self.auto_reset:
                param.eval_metric.reset_local()
            message = "Epoch[%d] Batch [%d-%d]\tSpeed: %.2f samples/sec" + "\t%s=%f" * len(pairs)
            values = [part for pair in pairs for part in pair]
            log.info(message, param.epoch, first, param.nbatch, speed, *values)
        self._start = time.perf_counter()


class ProgressBar:
    """Logs a bar of `length` characters that is full after `total` batches."""

    def __init__(self, total, length=80):
        if total < 1:
            raise ValueError(f"total must be at least 1, got {total!r}")
        self.total = total
        self.length = length

    def __call__(self, param: BatchEndParam) -> None:
        """Called after each batch, whose number counts from 0."""
        part = min(1.0, (param.nbatch + 1) / self.total)
        filled = round(self.length * part)
        bar = "=" * filled + "-" * (self.length - filled)
        log.info("[%s] %s%s\r", bar, math.ceil(100 * part), "%")


class LogValidationMetricsCallback:
    """As `eval_end_callback`: logs the validation metric."""

    def __call__(self, param: BatchEndParam) -> None:
        """Called after the validation."""
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            log.info("Epoch[%d] Validation-%s=%f", param.epoch, name, value)


def do_checkpoint(prefix, period=1):
    """An `epoch_end_callback` that saves the parameters after each `period` epochs.

    After the first epoch (number 0) it writes `prefix-0001.params`. To go on training from there
    as if it had never stopped, use `module_checkpoint`, which can save the optimizer's state too.
    """
    period = max(1, int(period))

    def callback(epoch, symbol, arg_params, aux_params):
        if (epoch + 1) % period == 0:
            model.save_checkpoint(prefix, epoch + 1, symbol, arg_params, aux_params)

    return callback


def module_checkpoint(mod, prefix, period=1, save_optimizer_states=False):
    """The same; if asked with the optimizer's state and that of the random numbers.

    After epoch 3, say, `Module.load(prefix, 3, load_optimizer_states=True)` and then the same call
    of `fit` with `begin_epoch=3` give what the uninterrupted run would have given, bit for bit.
    """
    period = max(1, int(period))

    def callback(epoch, symbol=None, arg_params=None, aux_params=None):
        if (epoch + 1) % period == 0:
            mod.save_checkpoint(prefix, epoch + 1, save_optimizer_states)

    return callback


def log_train_metric(period, auto_reset=False):
    """A `batch_end_callback` that logs the training metric after each `period` batches."""

    def callback(param):
        if param.nbatch % period == 0 and param.eval_metric is not None:
            for name, value in param.eval_metric.get_name_value():
                log.info("Iter[%d] Batch[%d] Train-%s=%f", param.epoch, param.nbatch, name, value)
            if auto_reset:
                param.eval_metric.reset_local()

    return callback
