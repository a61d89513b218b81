"""Turns a Python loop into machine code: one decorator, `kernel`, for every file in this folder."""

import functools
import logging
import sys
import warnings

import numba
from numba.core import event

# The tutorial sets the root logger to DEBUG, where numba lists every instruction it compiles.
if logging.getLogger("numba").level == logging.NOTSET:
    logging.getLogger("numba").setLevel(logging.WARNING)

# What the compiler may change: the order of a sum, a·b + c in one instruction, 1/x for a division.
# Not "nnan" or "ninf": with them NaN and infinity could turn into plausible numbers unseen.
FAST = {"reassoc", "contract", "arcp", "nsz"}

# Only the loops that say `prange` are shared out; numba need not look for others.
PRANGE_ONLY = {
    "prange": True,
    **dict.fromkeys(("comprehension", "reduction", "inplace_binop", "setitem", "numpy"), False),
    **dict.fromkeys(("stencil", "fusion"), False),
}


class _Announcer(event.Listener):
    """Says once in a process that kernels are being compiled, so that nobody waits in the dark."""

    said = False

    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if not self.said and function.__module__.startswith("course.kernels"):
            type(self).said = True
            print(
                "Compiling the kernels (some seconds, the first time only) ...",
                file=sys.stderr,
                flush=True,
            )

    def on_end(self, event):
        """Nothing to say: the training that follows speaks for itself."""


event.register("numba:compile", _Announcer())


def kernel(function=None, *, parallel=False):
    """Compile a loop with numba on its first call with arrays of a new type.

    The machine code is kept on disk for the next process. It runs without Python's lock, so a
    kernel must touch nothing but its arrays. `parallel=True` shares a `prange` among the threads.
    """
    if function is None:
        return lambda function: kernel(function, parallel=parallel)
    options = {"nogil": True, "error_model": "numpy", "fastmath": FAST}
    options["parallel"] = PRANGE_ONLY if parallel else False
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError as error:  # numba found no folder that it may write to
        if "cannot cache" not in str(error):
            raise
        _warn_about_cache()
        return numba.njit(**options)(function)


@functools.cache  # once is enough
def _warn_about_cache():
    message = (
        "no folder to keep compiled kernels in: they are compiled anew in each process. "
        "Set NUMBA_CACHE_DIR to a folder that you may write to."
    )
    warnings.warn(message, stacklevel=2)
