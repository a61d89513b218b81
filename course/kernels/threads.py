"""How many cores the kernels use, and how they share them with BLAS and with other threads.

Cores that one sees are not cores that one has: a container may show 32 and grant the time of
one. The default is what the affinity mask and the CPU quota give. `COURSE_NUM_THREADS` (read
once, at import) or `set_num_threads` changes it.
"""

import ctypes
import importlib.metadata
import math
import os
import sys
import threading
from pathlib import Path


def available_cpus(
    cgroup: Path = Path("/sys/fs/cgroup"), process: Path = Path("/proc/self")
) -> int:
    """Number of CPUs this process may really use, at least 1.

    The smaller of the affinity mask and the CPU quota of the control group (versions 1 and 2,
    see cpu.max in the Linux kernel's admin guide), the latter rounded up. Where a system has
    neither, all CPUs.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _cgroup_quota(cgroup, process)
    return max(1, math.ceil(min(count, quota)))


def _cgroup_quota(root: Path, process: Path) -> float:
    """The CPU quota in cores; infinity if there is none."""
    try:
        memberships = (process / "cgroup").read_text().splitlines()
    except OSError:
        memberships = []
    quota = math.inf
    for line in [*memberships, "0::/"]:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, read = root, _read_cpu_max
        elif "cpu" in controllers.split(","):
            base, read = root / controllers, _read_cfs_quota
            if not base.exists():
                base = root / "cpu"
        else:
            continue
        # A group is bound by its own quota and by those of all groups around it.
        group = Path(path.lstrip("/"))
        for folder in [group, *group.parents]:
            quota = min(quota, read(base / folder))
    return quota


def _read_cpu_max(folder: Path) -> float:
    """Version 2: one file, "quota period" in microseconds, or "max period"."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _read_cfs_quota(folder: Path) -> float:
    """Version 1: two files; a quota of -1 means none."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _wanted_threads() -> int:
    """What `COURSE_NUM_THREADS` asks for, else what the machine gives."""
    text = os.environ.get("COURSE_NUM_THREADS", "")
    if not text:
        return available_cpus()
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"COURSE_NUM_THREADS must be a whole number from 1 on, got {text!r}")
    return int(text)


def _load_tbb() -> None:
    """Load the TBB library of the PyPI package `tbb`, which numba does not find by itself.

    Of numba's three threading layers, TBB neither spins while it waits (OpenMP does: six times
    slower when a neighbour takes a core) nor aborts when two threads launch kernels at once
    (the work queue does). Without it numba takes the next best.
    """
    try:
        files = importlib.metadata.files("tbb") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name in ("libtbb.so.12", "tbb12.dll"):
            try:
                ctypes.CDLL(str(file.locate()), mode=getattr(ctypes, "RTLD_GLOBAL", 0))
            except OSError:
                return


_threads = _wanted_threads()
_load_tbb()
if "numba" not in sys.modules and (
    "NUMBA_NUM_THREADS" not in os.environ or os.environ.get("COURSE_NUM_THREADS")
):
    # numba starts this many threads, and never more, when the first kernel runs.
    os.environ["NUMBA_NUM_THREADS"] = str(_threads)

import numba  # noqa: E402  (reads NUMBA_NUM_THREADS when it is imported)

from course.kernels.interrupts import uninterrupted  # noqa: E402

_threads = min(_threads, numba.config.NUMBA_NUM_THREADS)


def get_num_threads() -> int:
    """How many threads the kernels use."""
    return _threads


def set_num_threads(count: int) -> None:
    """Use `count` threads from now on, in every kernel.

    Raises ValueError if it is below 1 or above the number numba started with.
    """
    global _threads
    most = numba.config.NUMBA_NUM_THREADS
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ValueError(
            f"the number of threads must be between 1 and {most}, got {count!r}; for more, set "
            "the environment variable COURSE_NUM_THREADS before Python starts"
        )
    _threads = count


class _BlasOnOneThread:
    """Holds BLAS to one thread while any block of this kind is running, in any thread.

    numba alone goes parallel, over images. If the BLAS inside the kernels used its own threads
    too, the two pools would fight (a LeNet epoch took 150 s instead of 5). The user's setting is
    put back when the last block ends.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self._blocks = 0
        self._libraries = None

    def __enter__(self):
        with self.lock:
            if self._blocks == 0:
                self._limit = self._find_libraries().limit(limits=1)
            self._blocks += 1

    def __exit__(self, *exception):
        with self.lock:
            self._blocks -= 1
            if self._blocks == 0:
                self._limit.restore_original_limits()

    def _find_libraries(self):
        """The loaded BLAS libraries; scipy's is the one that numba's matrix products call."""
        if self._libraries is None:
            import scipy.linalg.cython_blas  # noqa: F401
            import threadpoolctl

            self._libraries = threadpoolctl.ThreadpoolController().select(user_api="blas")
        return self._libraries


class _Computing:
    """Holds the kernels for one Python thread, with their number of threads. Ctrl-C waits.

    One at a time: under numba's work queue two would end the process. Who has waited gets them
    next, so that a picture that asks for one prediction need not wait until training ends. numba's
    setting is put back when the outermost block ends.

    A fork waits too, so that the child finds no kernel half way. Raises RuntimeError in a child
    that could not go on.
    """

    def __init__(self):
        self._lock = threading.RLock()
        self._next = threading.Lock()
        self._holder = None
        self._depth = 0
        self._orphaned = False

    def __enter__(self):
        if self._orphaned:
            raise RuntimeError(ORPHANED)
        uninterrupted.__enter__()
        self._take()
        if self._depth == 0:
            blas_on_one_thread.__enter__()
            self._numba_threads = numba.get_num_threads()
            if self._numba_threads != _threads:
                numba.set_num_threads(_threads)
        self._depth += 1

    def __exit__(self, *exception):
        self._depth -= 1
        if self._depth == 0:
            if self._numba_threads != _threads:
                numba.set_num_threads(self._numba_threads)
            blas_on_one_thread.__exit__()
        self._give()
        uninterrupted.__exit__()

    def _take(self):
        if self._holder == threading.get_ident():
            self._lock.acquire()
        else:
            # Whoever waits for the kernels holds `_next`: who has just left them queues behind.
            with self._next:
                self._lock.acquire()
            self._holder = threading.get_ident()

    def _give(self):
        if self._depth == 0:
            self._holder = None
        self._lock.release()

    def before_fork(self):
        """No other thread is in a kernel, or holds a lock, when the process is copied."""
        self._take()
        blas_on_one_thread.lock.acquire()

    def after_fork_in_parent(self):
        """Go on."""
        blas_on_one_thread.lock.release()
        self._give()

    def after_fork_in_child(self):
        """Forget the other threads, which have no copy here."""
        self._next = threading.Lock()
        blas_on_one_thread.lock.release()
        self._give()
        self._orphaned = _uses_gnu_openmp()


def _uses_gnu_openmp() -> bool:
    try:
        return sys.platform == "linux" and numba.threading_layer() == "omp"
    except ValueError:  # no parallel kernel has run yet
        return False


ORPHANED = (
    "this process is a fork of one in which kernels had run, and OpenMP, which numba uses here, "
    "cannot go on in a fork: start the workers with multiprocessing.get_context('spawn'), or set "
    "NUMBA_THREADING_LAYER=workqueue before Python starts"
)

blas_on_one_thread = _BlasOnOneThread()
computing = _Computing()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=computing.before_fork,
        after_in_parent=computing.after_fork_in_parent,
        after_in_child=computing.after_fork_in_child,
    )
