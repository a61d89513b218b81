"""The classic tutorial, as it was published but for the import line, run as a program."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).with_name("mnist_tutorial.py")


@pytest.mark.usefixtures("full_mnist")
def test_the_tutorial_runs_as_it_stands():
    result = subprocess.run(
        [sys.executable, "-W", "error", str(TUTORIAL)],
        capture_output=True, text=True, timeout=900,
        env={**os.environ, "PYTHONPATH": str(TUTORIAL.parents[1])},
    )  # fmt: skip

    assert result.returncode == 0, result.stderr[-2000:]
    mlp, lenet = map(float, re.findall(r"EvalMetric: \{'accuracy': ([\d.]+)\}", result.stdout))
    assert mlp > 0.96
    assert lenet > 0.98
    speed = re.compile(
        r"Epoch\[0\] Batch \[0-100\]\tSpeed: \d+\.\d\d samples/sec\taccuracy=0\.\d{6}\n"
    )
    assert speed.search(result.stderr)
    validation = re.findall(r"Epoch\[\d\] Validation-accuracy=([\d.]+)", result.stderr)
    assert len(validation) == 20
    # LeNet's first epoch stays on the plateau of the tiny first weights, in the original too.
    assert float(validation[10]) < 0.5 < float(validation[11])
