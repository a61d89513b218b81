import json
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import threadpoolctl

import course as mx
from course.kernels.threads import available_cpus, computing

COUNT = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def in_new_process(code, **environment):
    """Run code in a process whose environment has these variables; its last line as JSON."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("NUMBA_", "COURSE_NUM", "COV_"))
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def groups(tmp_path: Path, membership: str, files: dict[str, str]):
    """A faked /proc/self and /sys/fs/cgroup."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cgroup").write_text(membership)
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available_cpus(tmp_path / "sys", tmp_path / "proc")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/", {"cpu.max": "max 100000\n"}, COUNT),
        ("0::/pod/box", {"cpu.max": "max 100000", "pod/cpu.max": "50000 100000"}, 1),
        ("4:cpu,cpuacct:/", {"cpu,cpuacct/cpu.cfs_quota_us": "90000",
                             "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 1),
        ("4:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, COUNT),
        ("0::/", {"cpu.max": "nonsense"}, COUNT),
        ("0::/", {}, COUNT),
    ],
)  # fmt: skip
def test_the_cpu_quota_bounds_the_number_of_threads(tmp_path, membership, files, expected):
    assert groups(tmp_path, membership, files) == expected


@pytest.mark.skipif(COUNT < 2, reason="needs two CPUs to tell a quota from the affinity mask")
def test_a_quota_of_one_and_a_half_cores_is_two_threads(tmp_path):
    assert groups(tmp_path, "0::/", {"cpu.max": "150000 100000"}) == 2


REPORT = (
    "import json, course as mx, numba;"
    "print(json.dumps([mx.get_num_threads(), numba.config.NUMBA_NUM_THREADS]))"
)


def test_one_setting_changes_the_number_before_numba_starts():
    assert in_new_process(REPORT) == [COUNT, COUNT]
    assert in_new_process(REPORT, COURSE_NUM_THREADS="3") == [3, 3]
    assert in_new_process(REPORT, COURSE_NUM_THREADS="1") == [1, 1]
    assert in_new_process(REPORT, NUMBA_NUM_THREADS="1") == [1, 1]
    assert in_new_process("import numba;" + REPORT, COURSE_NUM_THREADS="1")[0] == 1


@pytest.mark.parametrize("wrong", [0, -1, 10_000, 1.5, True])
def test_an_impossible_number_of_threads_is_refused(wrong):
    with pytest.raises(ValueError, match="COURSE_NUM_THREADS before Python starts"):
        mx.set_num_threads(wrong)


def test_nonsense_in_the_setting_is_named():
    code = "import json\ntry:\n import course\nexcept ValueError as e:\n print(json.dumps(str(e)))"
    assert "COURSE_NUM_THREADS must be" in in_new_process(code, COURSE_NUM_THREADS="many")


def blas_threads():
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info()
            if pool["user_api"] == "blas"]  # fmt: skip


def test_the_users_settings_of_blas_and_numba_are_put_back():
    layer = mx.layers.Convolution((2, 2), 3)
    layer.forward(np.ones((2, 1, 4, 4)))
    before = blas_threads(), numba.get_num_threads()

    with computing, computing:
        inside = blas_threads(), numba.get_num_threads()
    with pytest.raises(ZeroDivisionError), computing:
        _ = 1 / 0

    assert set(inside[0]) == {1}
    assert inside[1] == mx.get_num_threads()
    assert (blas_threads(), numba.get_num_threads()) == before


@pytest.mark.parametrize("layer", ["tbb", "omp", "workqueue"])
def test_two_threads_compute_at_once_on_every_threading_layer(layer):
    # Under the work queue, two launches at once would end the process.
    code = """
import json, threading, numpy as np, numba, course as mx
from tests.networks import lenet
data = np.random.default_rng(0).random((8, 1, 28, 28), np.float32)
mx.random.seed(0)
def work(results):
    module = mx.mod.Module(lenet(filters=(3, 4), hidden=8))
    module.bind([("data", data.shape)], [("softmax_label", (8,))])
    module.set_params(*params)
    for _ in range(100):
        module.forward_backward(mx.io.DataBatch([data], [np.arange(8)]))
    results.append(module.predict(data).tolist())
first = mx.mod.Module(lenet(filters=(3, 4), hidden=8))
first.bind([("data", data.shape)], [("softmax_label", (8,))])
first.init_params(mx.init.Xavier())
params = first.get_params()
results = []
threads = [threading.Thread(target=work, args=(results,)) for _ in range(3)]
[t.start() for t in threads]
[t.join() for t in threads]
same = all(r == first.predict(data).tolist() for r in results)
print(json.dumps([numba.threading_layer(), len(results), same]))
"""
    try:
        found = in_new_process(code, NUMBA_THREADING_LAYER=layer)
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"numba has no {layer} layer here")
        raise
    assert found == [layer, 3, True]
