"""Threads that train and predict at once, and worker processes, under each threading layer."""

import os
import sys

import numpy as np
import pytest

import course as mx
from tests.networks import lenet
from tests.test_threads import in_new_process

LAYERS = ["tbb", "omp", "workqueue"]
SECONDS = float(os.environ.get("COURSE_CONCURRENCY_SECONDS", "4"))


def on_layer(code, layer, **environment):
    """Run code in a process with this threading layer; skip where numba has not got it."""
    try:
        return in_new_process(code, NUMBA_THREADING_LAYER=layer, **environment)
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"numba has no {layer} layer here")
        raise


def digits(count):
    rng = np.random.default_rng(0)
    return rng.random((count, 1, 28, 28), np.float32), np.arange(count) % 10


def ready():
    """A module that is the same each time, whichever other thread draws random numbers."""
    rng = np.random.default_rng(1)
    module = mx.mod.Module(lenet(filters=(3, 4), hidden=8))
    module.bind([("data", (20, 1, 28, 28))], [("softmax_label", (20,))])
    shapes, *_ = module.symbol.infer_shape(data=(20, 1, 28, 28))
    shapes = dict(zip(module.symbol.list_arguments(), shapes, strict=True))
    params = {name: rng.uniform(-0.3, 0.3, shapes[name]) for name in module.param_names}
    module.set_params(params, {})
    return module


def train(module, seen=None):
    """Two epochs of six batches; the outcome in full."""
    metric = mx.metric.create("ce")
    module.fit(
        mx.io.NDArrayIter(*digits(120), 20), num_epoch=2, eval_metric=metric,
        optimizer_params={"learning_rate": 0.1, "momentum": 0.9},
        batch_end_callback=None if seen is None else lambda param: seen(module),
    )  # fmt: skip
    params = module.get_params()[0]
    return b"".join(params[name].tobytes() for name in sorted(params)), metric.get()


def work_in_a_process(images):
    """What a worker does: a few steps of training, and a prediction."""
    module = ready()
    before = module.predict(images)
    module.forward_backward(mx.io.DataBatch([images], [np.arange(len(images)) % 10]))
    return before


# One thread trains a module over and over; two predict with it, and with one of their own. Each
# prediction must be that of the parameters after some finished batch, to the last bit.
ONE_TRAINS_TWO_PREDICT = """
import json, sys, threading, time
import numba, numpy as np
import course as mx
from tests.test_concurrency import digits, ready, train

probe = digits(7)[0]
allowed = {ready().predict(probe).tobytes()}
expected_end = train(ready(), lambda module: allowed.add(module.predict(probe).tobytes()))
assert len(allowed) == 13
still = ready()
expected = still.predict(probe).tobytes()

current = [ready()]
end = time.monotonic() + float(%(seconds)r)
wrong, rounds, predictions = [], 0, [0, 0]

def predict(who):
    own = ready()
    while time.monotonic() < end:
        if current[0].predict(probe).tobytes() not in allowed:
            wrong.append("the module in training")
        if own.predict(probe).tobytes() != expected or still.predict(probe).tobytes() != expected:
            wrong.append("a module at rest")
        predictions[who] += 1

threads = [threading.Thread(target=predict, args=(who,)) for who in range(2)]
for thread in threads:
    thread.start()
while time.monotonic() < end:
    module = ready()
    current[0] = module
    if train(module) != expected_end:
        wrong.append("training")
    rounds += 1
for thread in threads:
    thread.join()
print(json.dumps([numba.threading_layer(), wrong[:5], rounds, *predictions]))
"""


@pytest.mark.parametrize("layer", LAYERS)
def test_one_thread_trains_while_two_predict_with_right_answers(layer):
    code = ONE_TRAINS_TWO_PREDICT % {"seconds": SECONDS}
    used, wrong, *counts = on_layer(code, layer)
    print(layer, "rounds of training, predictions:", counts)
    assert (used, wrong) == (layer, [])
    assert min(counts) > 0


WORKERS = """
import json, multiprocessing, threading
from concurrent.futures import ProcessPoolExecutor
import numba
from tests.test_concurrency import digits, ready, train, work_in_a_process

images = digits(6)[0]
expected = work_in_a_process(images)
stop = threading.Event()
def train_on():
    while not stop.is_set():
        train(ready())
other = threading.Thread(target=train_on)
other.start()
try:
    context = multiprocessing.get_context(%(method)r)
    with ProcessPoolExecutor(2, context) as pool:
        found = [pool.submit(work_in_a_process, images) for _ in range(4)]
        found = [(future.result(60) == expected).all().item() for future in found]
except RuntimeError as error:
    found = str(error)
finally:
    stop.set()
    other.join()
after = (work_in_a_process(images) == expected).all().item()
print(json.dumps([numba.threading_layer(), found, after]))
"""


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_that_start_while_kernels_run_answer_right_or_with_an_error(method, layer):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    if method == "fork" and sys.platform == "darwin":
        pytest.skip("macOS's own libraries do not survive a fork")
    code = WORKERS % {"method": method}
    used, found, after = on_layer(code, layer)
    assert used == layer
    assert after
    if (method, layer, sys.platform) == ("fork", "omp", "linux"):
        assert "multiprocessing.get_context('spawn')" in found
    else:
        assert found == [True] * 4
