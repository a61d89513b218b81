"""What every check is made of: call the student's function, compare, say what to try.

A check is a function that compares and raises `Wrong` with a hint; `exercise` turns it into one
that prints one line and returns True or False.
"""

import _thread
import functools
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable

import numpy as np


class Wrong(Exception):
    """The answer is not right; the message is a hint."""


def exercise(title: str):
    """Decorator: the check prints `title` with the verdict, and returns a plain bool.

    Nothing that a student's code does ends in a traceback, except an interrupt.
    """

    def decorate(check: Callable):
        @functools.wraps(check)
        def run(*args, **settings) -> bool:
            try:
                check(*args, **settings)
            except Wrong as hint:
                complain(title, hint)
                return False
            print(f"✓ {title}: right.")
            return True

        return run

    return decorate


def complain(title: str, hint: object) -> None:
    """Print that it is not right yet, and why.

    nbgrader's Validate shows of a failed cell only what went to stderr, so there it goes then.
    """
    validating = "NBGRADER_VALIDATING" in os.environ
    print(f"✗ {title}: {hint}", file=sys.stderr if validating else sys.stdout)


def call(function: Callable, *args, **settings):
    """What the student's function returns for copies of these arguments.

    Raises Wrong if it raises, is not finished, returns nothing, writes into its arguments, or is
    still running after `time_limit()`. Warnings are not shown: nbgrader gives no points to a cell
    that writes to stderr.
    """
    return call_within(time_limit(), function, *args, **settings)


def call_within(seconds: float, function: Callable, *args, **settings):
    """`call` with another limit of time."""
    if not callable(function):
        raise Wrong(
            f"expected a function, got {type(function).__name__}; give its name without brackets"
        )
    given, given_settings = _copy(args), _copy(settings)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = _interruptible(seconds, function, given, given_settings)
    except Wrong:
        raise
    except NotImplementedError:
        raise Wrong("not yet written; put your code in place of the last line") from None
    except (Exception, SystemExit) as error:
        raise Wrong(f"your code raised {type(error).__name__}: {error}{_where(error)}") from None
    if result is None:
        raise Wrong("it returned None; does the function end in `return`?")
    if not _same((args, settings), (given, given_settings)):
        raise Wrong("it changed the array that it was given; compute a new one instead")
    return result


def time_limit() -> float:
    """How many seconds a student's function may run: `COURSE_CHECK_SECONDS`, or 20."""
    return float(os.environ.get("COURSE_CHECK_SECONDS", 20))


def _interruptible(seconds, function, args, settings):
    """function(*args, **settings), interrupted after some seconds.

    Only in the main thread, since Python interrupts no other; and a loop that numba compiled hears
    nothing of it, so a check runs such a function uncompiled first.
    """
    if threading.current_thread() is not threading.main_thread():
        return function(*args, **settings)
    too_long = threading.Event()

    def interrupt():
        too_long.set()
        _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    # A command that a shell runs in the background ignores Ctrl-C, and so would ignore the timer.
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        try:
            return function(*args, **settings)
        finally:
            timer.cancel()
            timer.join()  # an interrupt that came too late strikes here, not in the check
    except KeyboardInterrupt:
        if not too_long.is_set():
            raise
        raise Wrong(f"it was not finished after {seconds:g} s; does each loop end?") from None
    finally:
        if ignored:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def expect_shape(got, shape: tuple, what: str = "the result") -> np.ndarray:
    """`got` as an array, if it has this shape and holds finite numbers."""
    try:
        array = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be an array of numbers, got {type(got).__name__}") from None
    if array.shape != tuple(shape):
        if not shape:
            raise Wrong(f"{what} should be one number, got an array of shape {array.shape}")
        raise Wrong(f"{what} should have the shape {tuple(shape)}, got {array.shape}")
    if not np.isfinite(array).all():
        raise Wrong(f"{what} holds NaN or infinity; is something divided by 0, or exp too large?")
    return array


def expect_parts(got, names: tuple[str, ...]) -> tuple:
    """`got` as a tuple, if it has one part for each name."""
    several = isinstance(got, (tuple, list)) or np.ndim(got) > 0
    if not several or len(got) != len(names):
        what = f"{len(got)} parts" if several else type(got).__name__
        raise Wrong(f"it should return {', '.join(names)}, got {what}")
    return tuple(got)


def expect_close(
    got,
    right,
    what: str = "the result",
    mistakes: dict[str, object] | None = None,
    tolerance: float = 1e-5,
    hint: str = "",
) -> None:
    """The result is `right`, up to `tolerance` of its largest number.

    mistakes: hint -> what a usual mistake would have given; the one that fits is told.
    """
    right = np.asarray(right, dtype=np.float64) + 0.0  # -0 would only puzzle
    array = expect_shape(got, right.shape, what)
    if _close(array, right, tolerance):
        return
    for mistake, value in (mistakes or {}).items():
        value = np.asarray(value, dtype=np.float64)
        if value.shape == right.shape and _close(array, value, tolerance):
            raise Wrong(mistake)
    if right.ndim == 0:
        raise Wrong(f"{what} should be {right:.6g}, got {array:.6g}. {hint}".strip())
    worst = np.unravel_index(np.abs(array - right).argmax(), right.shape)
    place = ", ".join(map(str, worst))
    raise Wrong(
        f"{what} at [{place}] should be {right[worst]:.6g}, got {array[worst]:.6g}. {hint}".strip()
    )


def numeric_gradient(function: Callable, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """d function / d at by central differences; `function` gives one number."""
    at = np.array(at, dtype=np.float64)
    gradient = np.empty_like(at)
    for place in np.ndindex(at.shape):
        kept = at[place]
        at[place] = kept + step
        above = function(at)
        at[place] = kept - step
        gradient[place] = (above - function(at)) / (2 * step)
        at[place] = kept
    return gradient


def _close(a, b, tolerance):
    return bool(np.abs(a - b).max(initial=0) <= tolerance * max(1.0, np.abs(b).max(initial=0)))


def _where(error):
    """The line of the student's code that it came from, not one deep in numpy."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and frame.filename != __file__
    ]
    if not frames:  # the call itself failed: the arguments do not fit
        return ""
    return f" (line {frames[-1].lineno}: {frames[-1].line})"


def _copy(value):
    """Arrays are copied, also those in lists, tuples and dicts; all else is as it was."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    if type(value) is dict:
        return {key: _copy(part) for key, part in value.items()}
    return value


def _same(before, after):
    """Whether all arrays hold what they held."""
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
    if type(before) in (list, tuple):
        return len(before) == len(after) and all(map(_same, before, after))
    if type(before) is dict:
        return before.keys() == after.keys() and all(_same(before[k], after[k]) for k in before)
    return True
