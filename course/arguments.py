"""Checks of what callers hand in: each gives the value back, or raises a ValueError that names it.

numpy's numbers count as numbers, True and False do not.
"""

import math
import numbers
import sys

import numpy as np

MOST = 2**31 - 1  # sizes and counts: what MXNet's files can say, and no computer can do


def number(value, name: str, low=-math.inf, below=math.inf) -> float:
    """`value` as a float, if it is a number with low <= value < below."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if real and low <= value < below and abs(value) <= sys.float_info.max:
        return float(value)
    limits = [f"at least {low:g}"] * (low > -math.inf) + [f"below {below:g}"] * (below < math.inf)
    expected = " ".join(["a finite number", " and ".join(limits)]).strip()
    raise ValueError(f"{name} must be {expected}, got {value!r:.200}")


def whole_number(value, name: str, least: int = 0, most: int = MOST) -> int:
    """`value` as an int, if it is a whole number from `least` to `most`."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise ValueError(f"{name} must be a whole number from {least} on, got {value!r:.200}")
    if value > most:
        raise ValueError(f"{name} must be at most {most}, got {value!r:.200}")
    return int(value)


def pair(value, default: int, name: str, least: int) -> tuple[int, int]:
    """(rows, columns) from a pair of whole numbers from `least` on, a single one or None."""
    if value is None or (isinstance(value, tuple) and not value):
        return (default, default)
    both = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    whole = all(isinstance(v, numbers.Integral) and not isinstance(v, bool) for v in both)
    if len(both) != 2 or not whole or min(both) < least or max(both) > MOST:
        raise ValueError(
            f"{name} must be a pair (rows, columns) of whole numbers from {least} on, "
            f"got {value!r:.200}"
        )
    return (int(both[0]), int(both[1]))


def choice(value, name: str, allowed) -> str:
    """`value`, if it is one of the allowed texts."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r:.200}")
    return value


def flag(value, name: str) -> bool:
    """`value` as a bool, if it is True or False (or 1 or 0)."""
    if not isinstance(value, (numbers.Integral, np.bool_)) or value not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {value!r:.200}")
    return bool(value)


def numeric(value, name: str) -> np.ndarray:
    """`value` as an array of numbers. Raises TypeError for an array of anything else."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{name} must be an array of numbers: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers, got an array of {array.dtype}")
    return array


def given_name(value, what: str) -> str | None:
    """A name: text that is not empty, or None for an automatic one. Raises TypeError for others."""
    if value is not None and (not isinstance(value, str) or not value):
        raise TypeError(f"the name of a {what} must be text, got {value!r:.200}")
    return value
