"""What every check is made of: call the student's function, compare, say what to try.

A check is a function that compares and raises `Wrong` with a hint; `exercise` turns it into one
that prints one line and returns True or False.
"""

import functools
import traceback
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
                print(f"✗ {title}: {hint}")
                return False
            print(f"✓ {title}: right.")
            return True

        return run

    return decorate


def call(function: Callable, *args, **settings):
    """What the student's function returns for copies of these arguments.

    Raises Wrong if it raises, is not finished, returns nothing, or writes into its arguments.
    """
    if not callable(function):
        raise Wrong(
            f"expected a function, got {type(function).__name__}; give its name without brackets"
        )
    given = [_copy(value) for value in args]
    try:
        result = function(*given, **{key: _copy(value) for key, value in settings.items()})
    except NotImplementedError:
        raise Wrong("not yet written; put your code in place of the last line") from None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise Wrong(
            f"your code raised {type(error).__name__}: {error} (line {where.lineno}: {where.line})"
        ) from None
    if result is None:
        raise Wrong("it returned None; does the function end in `return`?")
    for before, after in zip(args, given, strict=True):
        if isinstance(before, np.ndarray) and not np.array_equal(before, after, equal_nan=True):
            raise Wrong("it changed the array that it was given; compute a new one instead")
    return result


def expect_shape(got, shape: tuple, what: str = "the result") -> np.ndarray:
    """`got` as an array, if it has this shape and holds finite numbers."""
    try:
        array = np.asarray(got, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be an array of numbers, got {type(got).__name__}") from None
    if array.shape != tuple(shape):
        raise Wrong(f"{what} should have the shape {tuple(shape)}, got {array.shape}")
    if not np.isfinite(array).all():
        raise Wrong(f"{what} holds NaN or infinity; is something divided by 0, or exp too large?")
    return array


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
    right = np.asarray(right, dtype=np.float64)
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


def _copy(value):
    return value.copy() if isinstance(value, np.ndarray) else value
