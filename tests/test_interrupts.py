"""Ctrl-C at any moment: a hundred random interrupts, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mnist_server import MnistServer

ROOT = Path(__file__).parents[1]

# What the processes below have in common. `press_during(work, seconds)` runs `work` and presses
# Ctrl-C once (or more often) at a random moment within so many seconds.
BEGIN = """
import _thread, json, random, signal, sys, threading, time
import numba, numpy as np, threadpoolctl
import course as mx

dice = random.Random(int(sys.argv[1]))
live = False

def on_ctrl_c(number, frame):
    global live
    if live:  # a press that comes too late must not stop the test itself
        live = False
        raise KeyboardInterrupt

signal.signal(signal.SIGINT, on_ctrl_c)

def press_during(work, seconds, presses=1):
    global live
    begin, ended = threading.Event(), threading.Event()
    def press():
        begin.wait()
        for _ in range(presses):
            if ended.wait(dice.random() * seconds):
                return
            _thread.interrupt_main()
    presser = threading.Thread(target=press)
    presser.start()
    stopped = False
    try:
        live = True
        begin.set()
        work()
    except KeyboardInterrupt:
        stopped = True
    live = False
    ended.set()
    presser.join()
    return stopped

def settings():
    blas = [p["num_threads"] for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"]
    return blas, numba.get_num_threads(), signal.getsignal(signal.SIGINT)

def works_in_another_thread(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()), daemon=True)
    thread.start()
    thread.join(20)
    assert results, "the kernels are still held"
    return results[0]
"""

TRAIN = """
from tests.networks import blobs

def network():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=16, name="fc1")
    net = mx.sym.BatchNorm(net, fix_gamma=False, name="bn")
    net = mx.sym.FullyConnected(mx.sym.Activation(net, act_type="tanh"), num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")

def numbers(module):
    arrays = [a for part in module.get_params() for _, a in sorted(part.items())]
    return b"".join(array.tobytes() for array in arrays)

data, label = blobs(240, np.random.default_rng(0))
batches = mx.io.NDArrayIter(data, label, 20)
mx.random.seed(0)
module, other = mx.mod.Module(network()), mx.mod.Module(network())
for one in (module, other):
    one.bind(batches.provide_data, batches.provide_label)
    one.init_params(mx.init.Xavier())
start = module.get_params()
momentum = {"optimizer_params": {"learning_rate": 0.1, "momentum": 0.9}}

def fit(callback=None):
    module.fit(batches, eval_data=batches, num_epoch=6, eval_metric=["acc", "ce"],
               batch_end_callback=callback, **momentum)

states = {numbers(module)}
fit(lambda param: states.add(numbers(module)))
assert len(states) == 1 + 6 * 12  # every step changes something
before = settings()

def seconds_of(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin

def check():
    assert settings() == before, (settings(), before)
    assert threading.enumerate() == [threading.main_thread()]
    assert numbers(module) in states, "the parameters are those of no finished batch"
    other.set_params(*module.get_params())
    expected = other.predict(data)
    assert np.array_equal(module.predict(data), expected)
    assert np.array_equal(works_in_another_thread(lambda: module.predict(data)), expected)

works = {
    "fit": fit,
    "score": lambda: [module.score(batches, ["acc", "ce"]) for _ in range(20)],
    "predict": lambda: [module.predict(data) for _ in range(20)],
}
duration = {
    name: min(seconds_of(work) for _ in range(3)) for name, work in works.items()
}
stopped = dict.fromkeys(works, 0)
for name, count in (("fit", 45), ("score", 15), ("predict", 15)):
    for round in range(count):
        module.set_params(*start)
        module.init_optimizer(force_init=True, **momentum)
        stopped[name] += press_during(works[name], duration[name], 1 + round % 3)
        check()
print(json.dumps(stopped))
"""

COMPILE = """
from course.kernels import interrupts

# Ctrl-C waits for the compiler, even for those who have no patience.
stopped = [0, 0]
for impatient in (False, True):
    interrupts.PATIENCE = 0 if impatient else 1000
    dtype = np.float64 if impatient else np.float32
    data = np.array([[-2.0, -0.5, 0.0, 1.5]], dtype)
    curves = {
        "relu": np.maximum(data, 0), "sigmoid": 1 / (1 + np.exp(-data)), "tanh": np.tanh(data),
        "softrelu": np.log1p(np.exp(data)), "softsign": data / (1 + abs(data)),
    }
    for name, expected in curves.items():
        layer = mx.layers.Activation(name)
        def both_ways():
            layer.forward(data)
            layer.backward(data)
        stopped[impatient] += press_during(both_ways, 0.15, 4 if impatient else 1)
        np.testing.assert_allclose(layer.forward(data), expected, rtol=1e-6)
        np.testing.assert_allclose(works_in_another_thread(lambda: layer.forward(data)), expected,
                                   rtol=1e-6)
        assert layer.backward(data).shape == data.shape
        assert threading.enumerate() == [threading.main_thread()]
print(json.dumps(stopped))
"""

DOWNLOAD = """
import os, shutil, tempfile
import platformdirs
from course.datasets import download, mnist
from tests.mnist_server import ARRAYS, FILES

os.environ.pop("COURSE_DATA_DIR", None)  # it would be read instead of a mirror
platformdirs.user_cache_dir = lambda name: sys.argv[2] + "/" + name
download.READ_SECONDS = 0.5
stopped = 0
for round in range(15):
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    os.environ["COURSE_MNIST_MIRRORS"] = sys.argv[3 + round % 3]
    def load():
        try:
            mnist.load("full", FILES)
        except download.DownloadError:
            pass  # the mirror that falls silent, where the press came too late
    stopped += press_during(load, 0.1)
    os.environ["COURSE_MNIST_MIRRORS"] = sys.argv[3]
    data = mnist.load("full", FILES)
    assert (data["test_label"] == ARRAYS["test_label"]).all()
    assert ((data["train_data"][:, 0] * 255).round() == ARRAYS["train_data"]).all()
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(5)  # one that asked a mirror that does not answer: until its time is over
            assert not thread.is_alive()
print(json.dumps(stopped))
"""


def run(code, *arguments, **environment):
    result = subprocess.run(
        [sys.executable, "-c", BEGIN + code, *map(str, arguments)], cwd=ROOT, text=True,
        env={**os.environ, **environment}, capture_output=True, timeout=120,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_interrupts_in_fit_score_and_predict_leave_a_finished_batch_and_a_module_that_works():
    stopped = run(TRAIN, 1)
    # A press may come when the call is over already; most must not.
    assert stopped["fit"] >= 15
    assert stopped["score"] >= 5
    assert stopped["predict"] >= 5


def test_interrupts_while_kernels_are_compiled_leave_kernels_that_are_right(tmp_path):
    once, again_and_again = run(COMPILE, 1, NUMBA_CACHE_DIR=str(tmp_path))
    assert once >= 3
    assert again_and_again >= 3


def test_interrupts_in_a_download_leave_one_that_can_be_gone_on_with(tmp_path):
    server = MnistServer()
    try:
        mirrors = [server.mirror(way) for way in ("good", "half_then_silent", "silent")]
        assert run(DOWNLOAD, 1, tmp_path / "cache", *mirrors) > 2
    finally:
        server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process")
def test_an_ignored_ctrl_c_stays_ignored():
    code = """
import os
signal.signal(signal.SIGINT, signal.SIG_IGN)
layer = mx.layers.Activation("relu")
os.kill(os.getpid(), signal.SIGINT)
layer.forward(np.ones(3))
print(json.dumps(signal.getsignal(signal.SIGINT) == signal.SIG_IGN))
"""
    assert run(code, 1) is True
