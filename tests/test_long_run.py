"""A short version of tests/benchmarks/long_run.py."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_memory_and_speed_stay_as_they_were():
    # In a process of its own: what other tests leave behind is not measured.
    result = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.long_run", "--epochs=40", "--source=sample"],
        capture_output=True, text=True, cwd=ROOT, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["epochs"] == 40
    assert found["accuracy"] > 0.9
    assert found["threads"] == 1
    # One batch is 0.3 MB: were one kept in each epoch, it would be 10 MB more.
    assert found["memory at the end, MB"] - found["memory after the warm-up, MB"] < 3
    # Generous, for machines that others use as well; a list gone through again would show.
    first, last = found["first third, median s an epoch"], found["last third, median s an epoch"]
    assert last < 3 * first
