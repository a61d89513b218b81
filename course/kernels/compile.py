"""Turns a Python loop into machine code: one decorator, `kernel`, for every file in this folder."""

import functools
import hashlib
import logging
import sys
import warnings
from pathlib import Path

import numba
from numba.core import event

# The tutorial sets the root logger to DEBUG, where numba lists every instruction it compiles.
if logging.getLogger("numba").level == logging.NOTSET:
    logging.getLogger("numba").setLevel(logging.WARNING)

# What the compiler may change: the order of a sum, a·b + c in one instruction, 1/x for a division.
# Not "nnan" or "ninf": with them NaN and infinity could turn into plausible numbers unseen.
FAST = {"reassoc", "contract", "arcp", "nsz"}

# The optimizer's level; 3 is what numba takes by itself.
LEVEL = type(numba.config.OPT)(1)

# Only the loops that say `prange` are shared out; numba need not look for others.
PRANGE_ONLY = {
    "prange": True,
    **dict.fromkeys(("comprehension", "reduction", "inplace_binop", "setitem", "numpy"), False),
    **dict.fromkeys(("stencil", "fusion"), False),
}


class _Compilation(event.Listener):
    """What happens around the compilation of a kernel.

    Once in a process it is announced, so that nobody waits in the dark. And it runs at level 1 of
    the optimizer instead of 3: the first LeNet batch came after 7.6 instead of 10.6 s, and its
    machine code was no slower. Loops are vectorised at either level.
    """

    def __init__(self):
        self._announced = False
        self._levels = []  # of the compilations under way, one inside the other

    def on_start(self, event):
        self._levels.append(numba.config.OPT)
        module = event.data["dispatcher"].py_func.__module__  # None for what `exec` made
        if not (module or "").startswith("course.kernels"):
            return
        numba.config.OPT = min(LEVEL, numba.config.OPT)
        if not self._announced:
            self._announced = True
            message = "Compiling the kernels (some seconds, the first time only) ..."
            print(message, file=sys.stderr, flush=True)

    def on_end(self, event):
        numba.config.OPT = self._levels.pop()


event.register("numba:compile", _Compilation())


def _forget_outdated(folder: Path) -> None:
    """Delete the machine code in a folder of sources if any of these has changed.

    numba notices a change in a kernel's own file, but not in the file of another that it calls.
    """
    sources = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()
    cache = folder / "__pycache__"
    stamp = cache / "sources.sha256"
    try:
        if stamp.exists() and stamp.read_text() == digest:
            return
        cache.mkdir(exist_ok=True)
        for path in cache.glob("*.nb[ic]"):
            path.unlink(missing_ok=True)
        stamp.write_text(digest)
    except OSError:
        return  # sources that cannot be changed have no outdated machine code


_forget_outdated(Path(__file__).parent)


def kernel(function=None, *, parallel=False):
    """Compile a loop with numba on its first call with arrays of a new type.

    The machine code is kept on disk for the next process. It runs without Python's lock, so a
    kernel must touch nothing but its arrays. `parallel=True` shares a `prange` among the threads.
    """
    if function is None:
        return lambda function: kernel(function, parallel=parallel)
    options = {"nogil": True, "error_model": "numpy", "fastmath": FAST}
    options["no_cfunc_wrapper"] = True  # an entry for C programs, which costs 5 % of the wait
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
