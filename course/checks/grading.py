"""For the test cells of the assignments: the checks as they were installed, and points.

A test cell begins with

    from importlib import reload

    from course.checks import grading

    checks = reload(grading).checks("network")

so that it judges with what is installed, whatever the notebook has done to `course.checks`. This
catches accidents and simple tricks, not a determined cheat: his code runs in the same process.
"""

import importlib
import os
import sys
import zlib

import numpy as np

PACKAGE = "course.checks"

# numpy's functions that the checks rely on, with an answer that never changes.
KNOWN_ANSWERS = (
    ("abs", lambda: np.abs(-2.0), 2.0),
    ("array_equal", lambda: np.array_equal([1.0], [2.0]), False),
    ("asarray", lambda: np.asarray([3.0])[0], 3.0),
    ("argmax", lambda: np.argmax([1.0, 5.0, 2.0]), 1),
    ("einsum", lambda: np.einsum("i,i", [1.0, 2.0], [3.0, 4.0]), 11.0),
    ("exp", lambda: np.exp(0.0) + np.exp(-700.0), 1.0),
    ("isfinite", lambda: np.isfinite(float("nan")), False),
    ("log", lambda: np.log(1.0), 0.0),
    ("maximum", lambda: np.maximum(-1.0, 4.0), 4.0),
    ("mean", lambda: np.mean([1.0, 3.0]), 2.0),
    ("sqrt", lambda: np.sqrt(16.0), 4.0),
    ("sum", lambda: np.sum([1.0, 3.0]), 4.0),
    ("where", lambda: np.where(True, 1.0, 2.0), 1.0),
    ("zeros", lambda: np.zeros(2)[1], 0.0),
    ("random.default_rng", lambda: _draw(1) != _draw(2) and _draw(1) == _draw(1), True),
)


def checks(name: str):
    """The module `course.checks.<name>`, read anew from its file.

    Raises RuntimeError if a function of numpy that the checks rely on has been overwritten.
    """
    for function, compute, right in KNOWN_ANSWERS:
        try:
            intact = bool(compute() == right)
        except Exception:
            intact = False
        if not intact:
            raise RuntimeError(
                f"np.{function} no longer does what it should: the notebook has overwritten it; "
                "rename your own function, restart the kernel and run all cells"
            )
    for loaded in [key for key in sys.modules if key.startswith(PACKAGE + ".")]:
        if loaded != __name__:
            del sys.modules[loaded]
    return importlib.import_module(f"{PACKAGE}.{name}")


def points(total: float, passed: list[bool]) -> float:
    """`total` times the share of checks that were passed: the last line of a test cell."""
    return round(total * sum(result is True for result in passed) / len(passed), 2)


def seed(number: int) -> int:
    """A seed for a hidden test: other digits for each number and each `COURSE_GRADING_SEED`."""
    return zlib.crc32(f"{os.environ.get('COURSE_GRADING_SEED', '')}/{number}".encode())


def _draw(number):
    return float(np.random.default_rng(number).random())
