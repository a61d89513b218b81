import logging
import re

import numpy as np
import pytest

import course as mx
from tests.networks import blobs, mlp


def train(monitor, batches=4, net=None):
    data, label = blobs(batches * 5, np.random.default_rng(0))
    module = mx.mod.Module(net or mlp(hidden=(4,), classes=3))
    iterator = mx.io.NDArrayIter(data, label, 5)
    module.fit(iterator, num_epoch=1, monitor=monitor, initializer=mx.init.One())
    return module


@pytest.fixture
def lines(caplog):
    """Logged lines of the monitor."""
    caplog.set_level(logging.INFO)
    return lambda: [line for line in caplog.messages if line.startswith("Batch:")]


def test_every_interval_batches_it_prints_batch_name_and_value(lines):
    train(mx.mon.Monitor(2, lambda array: 0.25, pattern="fc1_.*"))
    assert lines() == [
        f"Batch: {batch:7d} {name:30s} 0.25"
        for batch in (1, 3)
        for name in ("fc1_output", "fc1_weight", "fc1_bias")
    ]


def test_it_sees_outputs_inputs_parameters_and_moving_averages(lines):
    net = mx.sym.BatchNorm(mlp(hidden=(4,), classes=3).get_internals()["fc2_output"], name="bn")
    train(mx.mon.Monitor(4), net=mx.sym.SoftmaxOutput(net, name="softmax"))
    names = {line.split()[2] for line in lines()}
    assert names >= {"relu1_output", "softmax_output", "data", "fc2_bias", "bn_moving_mean"}


def test_the_usual_statistic_is_the_root_mean_square(lines):
    module = train(mx.mon.Monitor(1, pattern="fc1_weight"), batches=1)
    weight = module.get_params()[0]["fc1_weight"]
    (line,) = lines()
    assert float(line.split()[3]) == pytest.approx(
        np.linalg.norm(weight) / np.sqrt(weight.size), rel=1e-5
    )


def test_names_are_sorted_if_asked(lines):
    train(mx.mon.Monitor(1, sort=True), batches=1)
    names = [line.split()[2] for line in lines()]
    assert len(names) > 5
    assert names == sorted(names)


def test_gradients_with_monitor_all(lines):
    train(mx.mon.Monitor(1, pattern=".*_grad", monitor_all=True), batches=1)
    assert {line.split()[2] for line in lines()} >= {"fc1_weight_grad", "fc2_bias_grad"}


def test_each_name_once_though_a_module_has_several_batch_sizes():
    monitor = mx.mon.Monitor(1, np.shape)
    module = train(monitor)
    for size in (3, 7):
        monitor.tic()
        module.forward(mx.io.DataBatch([np.ones((size, 6), np.float32)]), is_train=False)
        found = [(name, shape) for _, name, shape in monitor.toc() if name == "data"]
        assert found == [("data", (size, 6))]


def test_between_its_turns_it_finds_nothing():
    monitor = mx.mon.Monitor(2)
    module = train(monitor)
    monitor.tic()
    monitor.toc()
    monitor.tic()
    module.forward(mx.io.DataBatch([np.ones((5, 6), np.float32)]), is_train=False)
    assert monitor.toc() == []


def test_a_statistic_of_several_numbers_is_printed_whole(lines):
    train(mx.mon.Monitor(1, lambda array: np.array([1.0, 2.5]), pattern="fc1_bias"), batches=1)
    assert re.fullmatch(r"Batch: +1 fc1_bias +\[1\.  2\.5\]", lines()[0])


def test_an_interval_of_zero_is_refused():
    with pytest.raises(ValueError, match="interval must be a whole number from 1 on, got 0"):
        mx.mon.Monitor(0)
