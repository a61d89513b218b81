import logging
import re
import time

import numpy as np
import pytest

import course as mx
from course.callback import BatchEndParam


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO)
    return caplog


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless moved: clock[0] += seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def hit(metric, right):
    """Count one sample, classified right or not."""
    metric.update([np.array([1])], [np.array([int(right)])])


def param(nbatch, epoch=0, metric=None):
    return BatchEndParam(epoch=epoch, nbatch=nbatch, eval_metric=metric, locals={})


# ---- Speedometer


def test_speedometer_reports_each_window_of_its_own(log, clock):
    metric = mx.metric.Accuracy()
    speedometer = mx.callback.Speedometer(batch_size=10, frequent=2)
    for n in range(5):
        hit(metric, right=n < 3)
        speedometer(param(n, 3, metric))
        clock[0] += 0.5
    assert log.messages == [
        "Epoch[3] Batch [0-2]\tSpeed: 20.00 samples/sec\taccuracy=1.000000",
        "Epoch[3] Batch [2-4]\tSpeed: 20.00 samples/sec\taccuracy=0.000000",
    ]
    assert metric.get_global()[1] == 0.6


def test_speedometer_reports_the_epoch_so_far_without_auto_reset(log, clock):
    metric = mx.metric.create(["acc", "mse"])
    speedometer = mx.callback.Speedometer(10, 2, auto_reset=False)
    for n in range(5):
        hit(metric, right=n < 3)
        speedometer(param(n, 0, metric))
        clock[0] += 1
    assert log.messages == [
        "Epoch[0] Batch [0-2]\tSpeed: 10.00 samples/sec\taccuracy=1.000000\tmse=0.000000",
        "Epoch[0] Batch [0-4]\tSpeed: 10.00 samples/sec\taccuracy=0.600000\tmse=0.400000",
    ]


def test_speedometer_without_a_metric_or_a_moment_of_time(log, clock):
    speedometer = mx.callback.Speedometer(10, 1)
    for n in range(2):
        speedometer(param(n, 4))
    assert log.messages == ["Iter[4] Batch [1]\tSpeed: inf samples/sec"]


@pytest.mark.parametrize("batches", [1, 3])
def test_speedometer_starts_its_clock_anew_in_each_epoch(log, clock, batches):
    speedometer = mx.callback.Speedometer(10, 2)
    for epoch in range(2):
        for n in range(batches):
            speedometer(param(n, epoch))
            clock[0] += 1
        clock[0] += 1000  # validation
    lines = [f"Iter[{epoch}] Batch [2]\tSpeed: 10.00 samples/sec" for epoch in range(2)]
    assert log.messages == (lines if batches == 3 else [])


# ---- bars and lines


def test_progress_bar_is_full_after_the_last_batch(log):
    bar = mx.callback.ProgressBar(total=3, length=6)
    for n in range(3):
        bar(param(n))
    assert log.messages == ["[==----] 34%\r", "[====--] 67%\r", "[======] 100%\r"]


def test_progress_bar_does_not_overflow(log):
    mx.callback.ProgressBar(total=2, length=4)(param(7))
    assert log.messages == ["[====] 100%\r"]


def test_log_train_metric_every_period(log):
    metric = mx.metric.Accuracy()
    callback = mx.callback.log_train_metric(2, auto_reset=True)
    for n in range(3):
        hit(metric, right=n == 0)
        callback(param(n, 1, metric))
    assert log.messages == [
        "Iter[1] Batch[0] Train-accuracy=1.000000",
        "Iter[1] Batch[2] Train-accuracy=0.000000",
    ]


def test_validation_metrics_are_logged(log):
    metric = mx.metric.Accuracy()
    hit(metric, right=True)
    callback = mx.callback.LogValidationMetricsCallback()
    callback(param(5, 2, metric))
    callback(param(5, 2))
    assert log.messages == ["Epoch[2] Validation-accuracy=1.000000"]


# ---- checkpoints


def test_do_checkpoint_saves_every_period_epochs(log, tmp_path):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, name="fc")
    weights = {"fc_weight": np.ones((1, 2), np.float32), "fc_bias": np.zeros(1, np.float32)}
    callback = mx.callback.do_checkpoint(str(tmp_path / "net"), period=2)
    for epoch in range(4):
        callback(epoch, net, weights, {})
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["net-0002.params", "net-0004.params", "net-symbol.json"]
    assert re.fullmatch(r'Saved checkpoint to ".*net-0002\.params"', log.messages[0])


def test_module_checkpoint_saves_the_optimizers_state_too(tmp_path):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc")
    module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
    data = mx.io.NDArrayIter(np.ones((4, 3), np.float32), np.zeros(4), 2)
    save = mx.callback.module_checkpoint(
        module, str(tmp_path / "net"), period=2, save_optimizer_states=True
    )
    module.fit(data, num_epoch=3, epoch_end_callback=save)
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["net-0002.params", "net-0002.states", "net-symbol.json"]


# ---- mistakes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mx.callback.Speedometer(10, 0), "frequent must be at least 1, got 0"),
        (lambda: mx.callback.ProgressBar(0), "total must be at least 1, got 0"),
    ],
)
def test_wrong_values_are_explained(make, message):
    with pytest.raises(ValueError, match=message):
        make()
