"""Looks at the numbers inside a network while it trains."""

import re
from functools import partial

import numpy as np

from course import log
from course.arguments import flag, whole_number


class Monitor:
    """Every `interval` batches logs a statistic of each layer's output, input and parameter.

    stat_func: a function of an array; the root mean square unless given. pattern: a regular
    expression that the names must match. sort: by name. With `monitor_all` the gradients too.
    """

    def __init__(self, interval, stat_func=None, pattern=".*", sort=False, monitor_all=False):
        self.interval = whole_number(interval, "interval", 1)
        if stat_func is not None and not callable(stat_func):
            raise TypeError(f"stat_func must be a function of an array, got {stat_func!r}")
        if not isinstance(pattern, str):
            raise TypeError(f"pattern must be a regular expression, got {pattern!r}")
        self.stat_func = stat_func or root_mean_square
        self.sort = flag(sort, "sort")
        self.monitor_all = flag(monitor_all, "monitor_all")
        self.step = 0
        self._pattern = re.compile(pattern)
        self._active = False
        self._queue = []
        self._ran = {}

    def install(self, executor) -> None:
        """Watch the layers of an executor."""
        executor.set_monitor_callback(partial(self._see, executor))

    def _see(self, executor, name, array):
        self._ran[id(executor)] = executor
        self._note(name, array)

    def _note(self, name, array):
        if self._active and self._pattern.match(name):
            self._queue.append((self.step, name, self.stat_func(array)))

    def tic(self) -> None:
        """Before a batch: begin to watch if it is its turn."""
        if self.step % self.interval == 0:
            self._queue = []
            self._ran = {}
            self._active = True
        self.step += 1

    def toc(self) -> list[tuple[int, str, object]]:
        """After a batch: [(batch, name, statistic)], empty if it was not its turn."""
        if not self._active:
            return []
        # A module has an executor for each batch size: only those that ran have this batch's data.
        for executor in self._ran.values():
            for name, array in [*executor.arg_dict.items(), *executor.aux_dict.items()]:
                self._note(name, array)
            if self.monitor_all:
                for name, array in executor.grad_dict.items():
                    self._note(f"{name}_grad", array)
        self._active = False
        found, self._queue = self._queue, []
        return sorted(found, key=lambda entry: entry[1]) if self.sort else found

    def toc_print(self) -> None:
        """After a batch: log what `toc` gives."""
        for step, name, statistic in self.toc():
            text = f"{statistic:g}" if np.ndim(statistic) == 0 else str(statistic)
            log.info("Batch: %7d %-30s %s", step, name, text)


def root_mean_square(array: np.ndarray) -> float:
    """√(mean of the squares): the size of a typical number."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))
