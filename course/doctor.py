"""`python -m course doctor`: what is installed, what the machine gives, and what is wrong.

Its text is made to be pasted into an issue: no names of users, no passwords in addresses.
"""

import importlib.metadata
import importlib.util
import math
import os
import platform
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numba
import numpy as np

import course
from course import layers
from course.datasets import download, mnist
from course.kernels import pooling, threads

DISTRIBUTION = "neural-network-course"
OK, NOTE, FAULT = "ok", "note", "fault"
# What the whole tutorial takes at its peak, and what is comfortable beside a notebook.
LEAST_MEMORY, ENOUGH_MEMORY = 450e6, 1e9
SETTINGS = re.compile(
    r"COURSE_(?!MNIST_MIRRORS)\w+|NUMBA_\w+|\w+_NUM_THREADS|OPENBLAS_\w+|JUPYTER_PLATFORM_DIRS"
)


@dataclass(frozen=True)
class Finding:
    """One line of the report: its topic, its state (OK, NOTE, FAULT), what is, what to do."""

    topic: str
    state: str
    text: str
    advice: str = ""


def examine() -> list[Finding]:
    """All findings, topic by topic. Asks the mirrors, which takes ten seconds at most."""
    return [
        finding
        for check in (machine, packages, kernels, data, notebooks)
        for finding in _complete(check)
    ]


def report(findings: list[Finding]) -> str:
    """The findings as text, with the home folder as ~ and one line at the end that sums up."""
    lines = [f"{DISTRIBUTION} {course.__version__}"]
    topic = None
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            lines += ["", topic]
        lines.append(f"  {finding.state:6}{finding.text}")
        if finding.advice:
            lines.append(f"        what to do: {finding.advice}")
    faults = sum(finding.state == FAULT for finding in findings)
    counted = {0: "No fault found.", 1: "1 fault found."}.get(faults, f"{faults} faults found.")
    return _without_home("\n".join([*lines, "", counted]))


def _complete(check: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings of a check; if it breaks off, that is a fault too, and the others go on."""
    try:
        return check()
    except Exception as error:  # whatever is broken on this machine, the report must come
        text = f"could not be examined: {type(error).__name__}: {error}"
        advice = "paste this text into an issue"
        return [Finding(check.__name__.capitalize(), FAULT, text, advice)]


def _without_home(text: str) -> str:
    try:
        home = Path.home()
    except RuntimeError:  # an account without one
        return text
    for folder in {home, home.resolve()}:
        if len(folder.parts) > 1:
            text = re.sub(re.escape(str(folder)) + r"(?![\w.-])", "~", text)
    return text


def machine() -> list[Finding]:
    """Python, the cores and the memory that this process may really use, the settings."""
    topic = "Machine"
    version = f"{platform.python_implementation()} {platform.python_version()}"
    found = [
        Finding(topic, OK, f"{version}, {platform.system()} {platform.machine()}, {sys.prefix}"),
        Finding(topic, OK, f"cores: {threads.available_cpus()} of {os.cpu_count()} may be used"),
        _memory(topic),
    ]
    settings = {key: os.environ[key] for key in sorted(os.environ) if SETTINGS.fullmatch(key)}
    if settings.get("NUMBA_NUM_THREADS") == str(threads.get_num_threads()):
        del settings["NUMBA_NUM_THREADS"]  # set by the course itself
    if settings:
        text = " ".join(f"{key}={value}" for key, value in settings.items())
        found.append(Finding(topic, OK, f"settings: {text}"))
    return found


def _memory(topic):
    import psutil

    limit = memory_limit()
    total = psutil.virtual_memory().total
    if limit < total:
        text = f"memory: {_size(limit)} for this process's group, of the machine's {_size(total)}"
    else:
        text = f"memory: {_size(total)}, {_size(psutil.virtual_memory().available)} of it free"
    memory = min(limit, total)
    if memory < LEAST_MEMORY:
        advice = "use less data: get_mnist('sample'), or python -m course --data sample"
        return Finding(topic, FAULT, text, advice)
    if memory < ENOUGH_MEMORY:
        advice = "close the notebooks that you do not need: each keeps its data in memory"
        return Finding(topic, NOTE, text, advice)
    return Finding(topic, OK, text)


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup"), process: Path = Path("/proc/self")):
    """Bytes that the control groups (versions 1 and 2) grant this process; infinity if no limit."""
    try:
        memberships = (process / "cgroup").read_text().splitlines()
    except OSError:
        memberships = []
    limit = math.inf
    for line in [*memberships, "0::/"]:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = cgroup, "memory.max"
        elif "memory" in controllers.split(","):
            base, name = cgroup / "memory", "memory.limit_in_bytes"
        else:
            continue
        # A group is bound by its own limit and by those of all groups around it.
        group = Path(path.lstrip("/"))
        for folder in [group, *group.parents]:
            try:
                limit = min(limit, int((base / folder / name).read_text()))
            except (OSError, ValueError):  # no such file, or the word "max"
                continue
    return limit


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def packages() -> list[Finding]:
    """The course's own version and place, and each package that it requires."""
    from packaging.requirements import Requirement

    topic = "Packages"
    place = Path(course.__file__).parent
    again = f"{_python()} -m pip install {DISTRIBUTION}, or in a clone: pip install ."
    try:
        version = importlib.metadata.version(DISTRIBUTION)
        requirements = [Requirement(text) for text in importlib.metadata.requires(DISTRIBUTION)]
    except importlib.metadata.PackageNotFoundError:
        return [Finding(topic, FAULT, f"course from {place}: not installed by pip", again)]
    found = [Finding(topic, OK, f"course from {place}")]
    if version != course.__version__:
        text = f"pip installed {version}, but this source is {course.__version__}"
        found.append(Finding(topic, FAULT, text, again))
    fine = []
    for requirement in requirements:
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = _installed(requirement.name)
        if installed and requirement.specifier.contains(installed, prereleases=True):
            fine.append(f"{requirement.name} {installed}")
            continue
        text = f"{requirement.name}: {installed or 'not installed'}"
        text += f", needed {requirement.specifier or 'in any version'}"
        advice = f'{_python()} -m pip install "{requirement.name}{requirement.specifier}"'
        found.append(Finding(topic, FAULT, text, advice))
    found.append(Finding(topic, OK, ", ".join(fine)))
    return found


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python() -> str:
    """This Python, as one types it."""
    return f'"{sys.executable}"' if " " in sys.executable else sys.executable


def kernels() -> list[Finding]:
    """The compiler: its threads, its cache, the BLAS that its matrix products call."""
    topic = "Kernels"
    layer = layers.Pooling(kernel=(2, 2), stride=(2, 2), pool_type="max")
    layer.forward(np.zeros((2, 1, 4, 4), np.float32))  # numba starts its threads now
    count = threads.get_num_threads()
    found = []
    if numba.config.DISABLE_JIT:
        text = "the loops are not compiled: NUMBA_DISABLE_JIT is set"
        return [Finding(topic, NOTE, text, "unset NUMBA_DISABLE_JIT, or training takes hours")]
    name = numba.threading_layer()
    text = f"threading layer: {name}, {count} thread{'s'[: count > 1]}"
    if name == "workqueue" and _tbb_exists():
        advice = f"{_python()} -m pip install tbb: threads that wait then take no time of others"
        found.append(Finding(topic, NOTE, text, advice))
    else:
        found.append(Finding(topic, OK, text))
    if count > threads.available_cpus():
        text = f"{count} threads on {threads.available_cpus()} cores: they wait for each other"
        found.append(Finding(topic, FAULT, text, "unset COURSE_NUM_THREADS and NUMBA_NUM_THREADS"))
    return [*found, _blas(topic), _cache(topic)]


def _tbb_exists() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64") and platform.system() != "Darwin"


def _blas(topic):
    import scipy.linalg.cython_blas  # loads the BLAS that numba calls
    import threadpoolctl

    folder = str(Path(scipy.__file__).parent)  # its libraries lie in scipy/ or scipy.libs/
    for library in threadpoolctl.threadpool_info():
        if library["user_api"] == "blas" and library["filepath"].startswith(folder):
            kernel = library.get("architecture", "of unknown kind")
            text = f"BLAS: {library['internal_api']} {library['version']}, kernel {kernel}"
            if "OPENBLAS_CORETYPE" not in os.environ:
                return Finding(topic, OK, text)
            text += ", chosen by OPENBLAS_CORETYPE"
            return Finding(topic, NOTE, text, "unset it, unless your processor needs it")
    return Finding(topic, OK, "BLAS: of a kind that threadpoolctl does not know")


def _cache(topic):
    folder = getattr(pooling.max_pool_2x2.stats, "cache_path", None)
    advice = "set NUMBA_CACHE_DIR to a folder that you may write to"
    if folder is None:
        text = "compiled kernels are not kept: each process compiles them anew"
        return Finding(topic, NOTE, text, advice)
    kept = [path.stat().st_size for path in Path(folder).glob("*.nb[ic]")]
    text = f"compiled kernels: {len(kept)} files, {_size(sum(kept))}, in {folder}"
    if not _writable(folder):
        return Finding(topic, NOTE, text + ", which cannot be written to", advice)
    return Finding(topic, OK, text)


def _writable(folder) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def data() -> list[Finding]:
    """MNIST: in COURSE_DATA_DIR, in the cache, in the package; whether the mirrors answer."""
    topic = "Data"
    found = []
    complete = False
    given = os.environ.get("COURSE_DATA_DIR")
    if given:
        finding = _given(topic, Path(given))
        complete = finding.state == OK
        found.append(finding)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = mnist.cache_folder()
    if caught:
        folder.rmdir()  # the temporary one
        advice = "make that folder yours, or set COURSE_DATA_DIR to a folder with the four files"
        found.append(Finding(topic, FAULT, str(caught[0].message), advice))
    else:
        there = [file.is_at(folder / file.name) for file in mnist.FILES.values()]
        complete = complete or all(there)
        text = f"cache: {sum(there)} of {len(there)} files of MNIST in {folder}"
        found.append(Finding(topic, OK, text))
    digits = mnist.load("sample")
    count = len(digits["train_label"]) + len(digits["test_label"])
    found.append(Finding(topic, OK, f"sample in the package: {count:,} digits"))
    return found + _mirrors(topic, complete)


def _given(topic, folder):
    damaged, there = [], 0
    for file in mnist.FILES.values():
        packed = folder / file.name
        if packed.exists() and not file.is_at(packed):
            damaged.append(file.name)
        there += packed.exists() or packed.with_suffix("").exists()
    text = f"COURSE_DATA_DIR: {there} of {len(mnist.FILES)} files of MNIST in {folder}"
    if damaged:
        text += f"; not as they were published: {', '.join(damaged)}"
        return Finding(topic, FAULT, text, "remove these files, or unset COURSE_DATA_DIR")
    if there < len(mnist.FILES):
        advice = "put all four files there, or unset it: the cache is used then"
        return Finding(topic, NOTE, text, advice)
    return Finding(topic, OK, text)


def _mirrors(topic, complete):
    smallest = min(mnist.FILES.values(), key=lambda file: file.size)
    answers = download.answering(mnist.mirrors(), smallest)
    found = []
    for address, reason in answers.items():
        text = f"mirror {_without_secrets(address)}: {reason or 'answers'}"
        found.append(Finding(topic, NOTE if reason else OK, text))
    if not complete and None not in answers.values():
        text = "MNIST is neither here nor to be had: the course uses the sample"
        advice = (
            "connect to the network and run python -m course prefetch, or put the four files "
            "into a folder and set COURSE_DATA_DIR to it"
        )
        found.append(Finding(topic, FAULT, text, advice))
    return found


def _without_secrets(address: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(address)
    try:
        host = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    except ValueError:
        return "(no valid address)"
    return f"{parts.scheme}://{host}{parts.path}"


def notebooks() -> list[Finding]:
    """JupyterLab, its widgets, and which Python its notebooks start."""
    topic = "Notebooks"
    found = []
    versions = {name: _installed(name) for name in ("jupyterlab", "ipykernel", "ipywidgets")}
    there = [f"{name} {version}" for name, version in versions.items() if version]
    missing = [name for name, version in versions.items() if not version]
    if there:
        found.append(Finding(topic, OK, ", ".join(there)))
    if missing:
        advice = f"{_python()} -m pip install {' '.join(missing)}"
        found.append(Finding(topic, FAULT, f"not installed: {', '.join(missing)}", advice))
    if versions["ipykernel"] and not _passes_on_clicks(versions["ipykernel"]):
        wanted = ">=7.4" if sys.version_info >= (3, 11) else ">=6.31,<7"
        text = f"ipykernel {versions['ipykernel']}: buttons may not work while a network trains"
        advice = f'{_python()} -m pip install "ipykernel{wanted}", then restart the notebook'
        found.append(Finding(topic, FAULT, text, advice))
    if versions["ipykernel"]:
        found.append(_kernel(topic))
    return found


def _kernel(topic):
    """Which Python the kernel "python3" starts, the one that the lessons ask for."""
    from jupyter_client.kernelspec import KernelSpecManager

    command = KernelSpecManager().get_kernel_spec("python3").argv[0]
    # A bare "python" is taken for the Python that JupyterLab itself runs on.
    if os.path.isabs(command) and Path(command).parent != Path(sys.executable).parent:
        text = f"notebooks start {command}, not {sys.executable}"
        advice = f"{_python()} -m ipykernel install --sys-prefix"
        return Finding(topic, FAULT, text, advice)
    return Finding(topic, OK, f"notebooks start {sys.executable}")


def _passes_on_clicks(version: str) -> bool:
    """Whether this ipykernel brings clicks and news to and from a thread that trains.

    From 7.0 to 7.3 it called widgets from another thread, or lost what they were told.
    """
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return release >= (7, 4) or (6, 31) <= release < (7, 0)
