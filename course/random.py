"""The one source of chance: initial weights, shuffling and dropout all draw from here."""

import copy
import json
import threading
from contextlib import contextmanager

import numpy as np

_generator = np.random.default_rng()
_here = threading.local()  # `generator`: that of a thread inside `kept`


def seed(seed_state: int) -> None:
    """Start the random numbers anew: the same seed gives the same training, bit for bit.

    Holds on one machine with one number of threads. Raises ValueError if `seed_state` is not
    a non-negative integer.
    """
    if isinstance(seed_state, bool) or not isinstance(seed_state, (int, np.integer)):
        raise ValueError(f"seed_state must be int, got {seed_state!r}")
    if seed_state < 0:
        raise ValueError(f"seed_state must not be negative, got {seed_state}")
    _use(np.random.default_rng(int(seed_state)))


def generator() -> np.random.Generator:
    """The numpy generator in use; ask for it anew each time, since `seed` replaces it."""
    return getattr(_here, "generator", None) or _generator


def _use(new: np.random.Generator) -> None:
    global _generator
    if getattr(_here, "generator", None):
        _here.generator = new
    else:
        _generator = new


def get_state() -> str:
    """Where the random numbers stand, as text that `set_state` takes back."""
    return json.dumps(generator().bit_generator.state)


def set_state(state: str) -> None:
    """Go on with the random numbers from where `get_state` was called.

    Raises ValueError if `state` is no text of `get_state`; then nothing changes.
    """
    new = np.random.default_rng(0)
    try:
        new.bit_generator.state = json.loads(state)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"this is no state of the random numbers ({error!r})") from error
    _use(new)


@contextmanager
def kept():
    """What this thread draws or seeds inside changes nothing of what is drawn afterwards.

    For looking at a network in between: training goes on as if nobody had looked.
    """
    outer = getattr(_here, "generator", None)
    _here.generator = copy.deepcopy(generator())
    try:
        yield
    finally:
        _here.generator = outer
