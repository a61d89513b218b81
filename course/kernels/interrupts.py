"""Ctrl-C waits while arrays are half written.

Python runs a signal's handler between any two steps of a program, so the KeyboardInterrupt of
Ctrl-C (or of a notebook's stop button) could come in the middle of an update, or between taking a
lock and noting that it is taken.
"""

import signal
import threading
import time

from numba.core import event
from numba.core.compiler_lock import global_compiler_lock

PATIENCE = 10.0  # seconds; pressed again after so long, Ctrl-C stops at once, unless it compiles


class _Uninterrupted:
    """A block that Ctrl-C does not break off: the interrupt comes when the outermost one ends.

    Only the main thread gets signals, so in other threads there is nothing to do.
    """

    def __init__(self):
        self._depth = 0  # of the main thread's blocks
        self._usual = None
        self._pressed = None

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return
        if self._depth == 0:
            self._pressed = None
            self._usual = signal.getsignal(signal.SIGINT)
            if callable(self._usual):  # else it is ignored, or handled outside Python
                signal.signal(signal.SIGINT, self._note)
        self._depth += 1

    def __exit__(self, *exception):
        if threading.current_thread() is not threading.main_thread():
            return
        self._depth -= 1
        if self._depth == 0 and callable(self._usual):
            signal.signal(signal.SIGINT, self._usual)  # before the look: what comes now is not lost
            if self._pressed is not None:
                self._pressed = None
                self._usual(signal.SIGINT, None)

    def _note(self, number, frame):
        if self._pressed is None:
            self._pressed = time.monotonic()
        elif time.monotonic() - self._pressed > PATIENCE and not global_compiler_lock.is_locked():
            self._usual(number, frame)


class _WhileCompiling(event.Listener):
    """numba's compiler is not broken off: the function could never be called again."""

    def on_start(self, event):
        uninterrupted.__enter__()

    def on_end(self, event):
        uninterrupted.__exit__()


uninterrupted = _Uninterrupted()
event.register("numba:compiler_lock", _WhileCompiling())
