"""Figures that need a fresh process each: how long a start takes, the tutorial's peak memory."""

import subprocess
import tempfile
from pathlib import Path

from environments import ROOT, python_of
from protocol import environment

HERE = Path(__file__).parent


def starts(envs: Path, turns: int, pytorch: bool) -> dict:
    """Seconds of `import` and up to the first trained LeNet batch: cold, warm, and PyTorch's."""
    found = {"import": {}, "to the first trained batch": {}}

    def run(label, name, cache):
        result = subprocess.run(
            [python_of(name, envs), str(HERE / "start.py"), name],
            env={**environment(), "NUMBA_CACHE_DIR": cache},
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        for task, seconds in zip(found, result.stdout.split(), strict=True):
            found[task].setdefault(label, []).append(float(seconds))

    for _ in range(turns):
        with tempfile.TemporaryDirectory() as cache:
            run("course, empty cache", "course", cache)
            run("course", "course", cache)
        if pytorch:
            run("PyTorch eager", "pytorch", "")
    return found


def tutorial_memory(envs: Path) -> float:
    """The peak memory of the whole tutorial, in megabytes."""
    code = (
        "import runpy, sys, protocol; sys.argv = ['x'];"
        f"runpy.run_path({str(ROOT / 'tests' / 'mnist_tutorial.py')!r});"
        "print(protocol.peak_megabytes(), file=sys.stderr)"
    )
    command = [python_of("course", envs), "-c", code]
    variables = {**environment(), "PYTHONPATH": str(HERE)}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return float(result.stderr.split()[-1])
