import logging
import math
import os
import re
import signal
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import course as mx
from tests.networks import blobs, bound, lenet, mlp


def iterator(count=120, batch_size=20, seed=0, **settings):
    data, label = blobs(count, np.random.default_rng(seed))
    return mx.io.NDArrayIter(data, label, batch_size, **settings)


def fitted(num_epoch=3, **settings):
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    settings = {"initializer": mx.init.Xavier(), **settings}
    module.fit(iterator(), num_epoch=num_epoch, **settings)
    return module


# ---- training


def torch_lenet():
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 20, 5), torch.nn.Tanh(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(20, 50, 5), torch.nn.Tanh(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(800, 500), torch.nn.Tanh(), torch.nn.Linear(500, 10),
    )  # fmt: skip
    return net, ["conv1", "conv2", "fc1", "fc2"]


def torch_mlp():
    net = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 64),
        torch.nn.ReLU(), torch.nn.Linear(64, 10),
    )  # fmt: skip
    return net, ["fc1", "fc2", "fc3"]


@pytest.mark.parametrize(
    # With a learning rate of 0.1 LeNet's ten steps magnify float32's rounding (1e-7) to 2e-3.
    ("kind", "rate", "tolerance"), [(np.float64, 0.1, 1e-10), (np.float32, 0.02, 1e-4)]
)  # fmt: skip
@pytest.mark.parametrize(("net", "theirs"), [(mlp, torch_mlp), (lenet, torch_lenet)])
def test_ten_steps_of_sgd_are_those_of_pytorch(net, theirs, kind, rate, tolerance, rng):
    shape = (32, 1, 28, 28)
    module = bound(net(), shape, kind, learning_rate=rate, momentum=0.9, wd=1e-3)
    reference, names = theirs()
    reference.to(torch.float64 if kind == np.float64 else torch.float32)
    with_weights = [layer for layer in reference if hasattr(layer, "weight")]
    params, _ = module.get_params()
    for name, layer in zip(names, with_weights, strict=True):
        layer.weight.data = torch.tensor(params[f"{name}_weight"])
        layer.bias.data = torch.tensor(params[f"{name}_bias"])
    groups = [
        {"params": [layer.weight for layer in with_weights], "weight_decay": 1e-3},
        {"params": [layer.bias for layer in with_weights], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=rate, momentum=0.9)
    for _ in range(10):
        data = rng.random(shape, kind)
        label = rng.integers(0, 10, 32)
        module.forward_backward(mx.io.DataBatch([data], [label]))
        module.update()
        optimizer.zero_grad()
        F.cross_entropy(reference(torch.tensor(data)), torch.tensor(label)).backward()
        optimizer.step()

    params, _ = module.get_params()
    for name, layer in zip(names, with_weights, strict=True):
        np.testing.assert_allclose(params[f"{name}_weight"], layer.weight.detach(), 0, tolerance)
        np.testing.assert_allclose(params[f"{name}_bias"], layer.bias.detach(), 0, tolerance)


def test_fit_learns():
    module = fitted(num_epoch=10, optimizer_params={"learning_rate": 0.1})
    assert module.score(iterator(seed=0), "acc")[0][1] > 0.9


def test_fit_logs_mxnets_lines_to_the_letter(caplog, tmp_path):
    caplog.set_level(logging.INFO)
    prefix = str(tmp_path / "ck")

    fitted(
        num_epoch=1,
        eval_data=iterator(60),
        eval_metric=["acc", "ce"],
        batch_end_callback=mx.callback.Speedometer(20, 2),
        epoch_end_callback=mx.callback.do_checkpoint(prefix),
    )

    number = r"\d+\.\d+"
    metrics = rf"\taccuracy={number}\tcross-entropy={number}"
    expected = [
        rf"Epoch\[0\] Batch \[0-2\]\tSpeed: {number} samples/sec{metrics}",
        rf"Epoch\[0\] Batch \[2-4\]\tSpeed: {number} samples/sec{metrics}",
        r"Epoch\[0\] Train-accuracy=0\.\d{6}",
        rf"Epoch\[0\] Train-cross-entropy={number}",
        r"Epoch\[0\] Time cost=\d+\.\d{3}",
        f'Saved checkpoint to "{prefix}-0001.params"',
        r"Epoch\[0\] Validation-accuracy=0\.\d{6}",
        rf"Epoch\[0\] Validation-cross-entropy={number}",
    ]
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_the_epochs_metric_is_of_the_whole_epoch_despite_the_speedometers_windows(caplog):
    caplog.set_level(logging.INFO)
    seen = []
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    module.fit(
        iterator(),
        eval_metric=mx.metric.CustomMetric(lambda label, pred: seen.append(0) or len(seen), "n"),
        batch_end_callback=mx.callback.Speedometer(20, 2),
        num_epoch=1,
    )
    assert "Epoch[0] Train-n=3.500000" in caplog.messages  # the mean of 1, 2, ..., 6


def test_where_nobody_listens_the_lines_are_printed(capsys, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    fitted(num_epoch=1)
    assert "Epoch[0] Train-accuracy=" in capsys.readouterr().out


def test_one_seed_gives_bit_identical_parameters():
    runs = []
    for _ in range(2):
        mx.random.seed(7)
        module = mx.mod.Module(lenet(filters=(3, 4), hidden=8))
        data = np.random.default_rng(0).random((40, 1, 28, 28), np.float32)
        train = mx.io.NDArrayIter(data, np.arange(40) % 10, 10, shuffle=True)
        module.fit(train, num_epoch=2, initializer=mx.init.Xavier())
        runs.append(module.get_params()[0])
    for name in runs[0]:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


def test_a_second_fit_goes_on_with_the_momentum():
    settings = {"optimizer_params": {"learning_rate": 0.1, "momentum": 0.9}}
    mx.random.seed(1)
    whole = fitted(num_epoch=4, **settings)
    mx.random.seed(1)
    parts = fitted(num_epoch=2, **settings)
    parts.fit(iterator(), num_epoch=4, begin_epoch=2, **settings)
    for name, value in whole.get_params()[0].items():
        np.testing.assert_array_equal(value, parts.get_params()[0][name])


def test_a_second_fit_with_other_settings_uses_them():
    module = fitted(num_epoch=1, optimizer_params={"learning_rate": 0.1})
    before = module.get_params()[0]
    module.fit(iterator(), num_epoch=1, optimizer_params={"learning_rate": 0.0})
    for name, value in module.get_params()[0].items():
        np.testing.assert_array_equal(value, before[name])


def test_a_second_fit_with_another_batch_size_averages_over_that_one():
    params = fitted(num_epoch=1).get_params()
    results = []
    for first in (20, 40):
        module = mx.mod.Module(mlp(hidden=(8,), classes=3))
        module.fit(iterator(batch_size=first), num_epoch=1)
        module.set_params(*params)
        module.fit(iterator(batch_size=40), num_epoch=1)
        results.append(module.get_params()[0])
    for name, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][name])


def test_fixed_parameters_stay():
    module = mx.mod.Module(mlp(hidden=(8,), classes=3), fixed_param_names=["fc1_weight"])
    module.bind([("data", (20, 6))], [("softmax_label", (20,))])
    module.init_params()
    before = module.get_params()[0]
    module.fit(iterator(), num_epoch=1)
    after = module.get_params()[0]
    np.testing.assert_array_equal(after["fc1_weight"], before["fc1_weight"])
    assert np.abs(after["fc2_weight"] - before["fc2_weight"]).max() > 0


def test_batch_norms_states_are_kept_and_used_in_prediction():
    net = mx.sym.BatchNorm(mx.sym.var("data"), name="bn")
    net = mx.sym.FullyConnected(net, num_hidden=3, name="fc")
    module = mx.mod.Module(mx.sym.SoftmaxOutput(net, name="softmax"))
    module.fit(iterator(), num_epoch=2)
    _, states = module.get_params()
    assert set(states) == {"bn_moving_mean", "bn_moving_var"}
    one = module.predict(iterator(20).data[0][1][:1])
    many = module.predict(iterator(20).data[0][1])
    np.testing.assert_allclose(one[0], many[0], rtol=1e-5)


def test_the_gradient_for_the_input():
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    module.bind([("data", (2, 6))], [("softmax_label", (2,))], inputs_need_grad=True)
    module.init_params(mx.init.Xavier())
    module.forward_backward(mx.io.DataBatch([np.ones((2, 6))], [np.array([0, 1])]))
    (gradient,) = module.get_input_grads()
    assert gradient.shape == (2, 6)
    assert np.abs(gradient).max() > 0


def test_a_rule_of_its_own_for_one_variable():
    weight = mx.sym.var("fc_matrix", init=mx.init.Constant(3))
    net = mx.sym.FullyConnected(mx.sym.var("data"), weight=weight, num_hidden=2, name="fc")
    module = mx.mod.Module(net, label_names=None)
    module.bind([("data", (1, 4))])
    module.init_params()
    assert (module.get_params()[0]["fc_matrix"] == 3).all()


# ---- trouble


def test_nan_is_reported_once_with_epoch_and_batch():
    data, label = blobs(60, np.random.default_rng(0))
    data[45] = np.nan
    train = mx.io.NDArrayIter(data, label, 20)
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    with pytest.warns(RuntimeWarning, match="became NaN in epoch 0, batch 2") as caught:
        module.fit(train, num_epoch=3)
    assert len(caught) == 1


def test_ctrl_c_waits_for_the_batch_and_keeps_the_parameters():
    def press(param):
        if (param.epoch, param.nbatch) == (1, 2):
            os.kill(os.getpid(), signal.SIGINT)

    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(
        KeyboardInterrupt, match="after batch 2 of epoch 1; the parameters are kept"
    ):
        module.fit(iterator(), num_epoch=9, batch_end_callback=press)

    assert signal.getsignal(signal.SIGINT) is usual
    assert np.isfinite(module.predict(iterator())).all()
    module.fit(iterator(), num_epoch=1)


def test_ctrl_c_during_the_validation_is_not_forgotten():
    def press(param):
        if param.nbatch == 0:
            os.kill(os.getpid(), signal.SIGINT)

    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    with pytest.raises(KeyboardInterrupt, match="after epoch 0; the parameters are kept"):
        module.fit(iterator(), eval_data=iterator(), num_epoch=1, eval_batch_end_callback=press)


def test_fit_works_in_another_thread():
    modules = []
    thread = threading.Thread(target=lambda: modules.append(fitted(num_epoch=1)))
    thread.start()
    thread.join()
    assert modules[0].params_initialized


def test_one_thread_predicts_while_another_trains():
    module, other = fitted(num_epoch=1), fitted(num_epoch=1)
    expected = other.predict(iterator())
    done = threading.Event()

    def train():
        module.fit(iterator(), num_epoch=60)
        done.set()

    thread = threading.Thread(target=train)
    thread.start()
    rounds = 0
    while not done.is_set() or rounds == 0:
        np.testing.assert_array_equal(other.predict(iterator()), expected)
        rounds += 1
    thread.join()


ERRORS = [
    (lambda m: m.fit(iterator()), ValueError, "please specify number of epochs"),
    (lambda m: m.fit(np.ones((3, 6)), num_epoch=1), TypeError, "must be a data iterator"),
    (lambda m: m.predict(iterator()), RuntimeError, "call fit, or bind"),
    (lambda m: m.init_params(), RuntimeError, "not bound to shapes yet"),
    (lambda m: m.update(), RuntimeError, "call fit, or bind"),
    (lambda m: m.bind([("pixels", (2, 6))]), ValueError, "don't match names specified"),
    (
        lambda m: m.bind([("data", (2, 6))], [("softmax_label", (3,))]),
        mx.ShapeError, "same batch size",
    ),
    (lambda m: m.bind([("data", (2, 6))], grad_req="sum"), ValueError, "write, add, null"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_a_call_at_the_wrong_time_or_with_the_wrong_thing_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call(mx.mod.Module(mlp(hidden=(8,), classes=3)))


READY_ERRORS = [
    (lambda m: m.update(), RuntimeError, "call init_optimizer before update"),
    (
        lambda m: m.init_optimizer(optimizer_params={"learning_rat": 1}),
        (TypeError, ValueError), "'learning_rat'",
    ),
    (lambda m: m.init_optimizer(optimizer="sdg"), ValueError, "Cannot find optimizer"),
    (lambda m: m.set_params({}, {}), ValueError, "fc1_weight is not presented"),
    (
        lambda m: m.set_params({**m.get_params()[0], "fc1_weight": np.ones((8, 7))}, {}),
        mx.ShapeError, r"fc1_weight: expected shape \(8, 6\), got \(8, 7\)",
    ),
    (
        lambda m: m.set_params({**m.get_params()[0], "fc7_weight": np.ones(1)}, {}),
        ValueError, '"fc7_weight" that is not in the arguments',
    ),
    (lambda m: m.predict(np.ones((2, 7))), ValueError, r"expected an array of shape \(N, 6\)"),
    (
        lambda m: m.forward(mx.io.DataBatch([np.ones((2, 7))])),
        mx.ShapeError, r"data: expected a batch of shape \(N, 6\), got \(2, 7\)",
    ),
    (
        lambda m: m.forward_backward(mx.io.DataBatch([np.ones((2, 6))], [np.array([0, 3])])),
        ValueError, "softmax: label out of range: image 1 of the batch has label 3",
    ),
    (
        lambda m: m.forward(mx.io.DataBatch([np.ones((2, 6))], [np.zeros(3)])),
        mx.ShapeError, "softmax_label: expected 2 labels",
    ),
    (lambda m: m.get_input_grads(), RuntimeError, "inputs_need_grad=True"),
    (lambda m: m.save_optimizer_states("x"), RuntimeError, "there is no optimizer yet"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), READY_ERRORS)
def test_wrong_values_are_explained(call, error, message):
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    module.bind([("data", (2, 6))], [("softmax_label", (2,))])
    module.init_params()
    with pytest.raises(error, match=message):
        call(module)


def test_names_that_the_symbol_does_not_have():
    with pytest.raises(ValueError, match="the symbol has no input 'pixels'"):
        mx.mod.Module(mlp(), data_names=["pixels"])
    unnamed = mx.sym.SoftmaxOutput(mx.sym.flatten(mx.sym.var("data")), name="loss")
    with pytest.raises(ValueError, match=r"'loss_label' looks like a label.*name='softmax'"):
        mx.mod.Module(unnamed)
    assert mx.mod.Module(unnamed, label_names=["loss_label"]).label_names == ["loss_label"]


def test_gpu_says_that_there_is_none():
    with pytest.raises(RuntimeError, match=r"no CUDA device is available.*mx\.cpu\(\)"):
        mx.gpu()
    assert list(mx.test_utils.list_gpus()) == []
    with pytest.raises(ValueError, match="context must be"):
        mx.mod.Module(mlp(), context="gpu")


def test_an_optimizer_object_that_does_not_average_warns():
    module = mx.mod.Module(mlp(hidden=(8,), classes=3))
    with pytest.warns(UserWarning, match=r"rescale_grad is 1, not 1 / batch size = 0.05"):
        module.fit(iterator(), num_epoch=1, optimizer=mx.optimizer.SGD(learning_rate=0.001))


def test_a_second_bind_or_init_is_ignored_with_a_word(caplog):
    module = bound(mlp(hidden=(8,), classes=3), (2, 6))
    module.bind([("data", (3, 6))], [("softmax_label", (3,))])
    module.init_optimizer()
    assert caplog.messages == [
        "Already bound, ignoring bind()",
        "optimizer already initialized, ignoring...",
    ]
    with pytest.warns(UserWarning, match="init_params call ignored"):
        module.init_params()


# ---- prediction and scoring


def test_padding_is_left_out_of_the_score_and_the_prediction():
    module = fitted()
    data, label = blobs(25, np.random.default_rng(4))
    padded = mx.io.NDArrayIter(data, label, 10)
    probabilities = module.predict(padded)

    right = (probabilities.argmax(axis=1) == label).mean()
    assert probabilities.shape == (25, 3)
    assert module.score(padded, "acc") == [("accuracy", pytest.approx(right))]


def test_roll_over_loses_no_sample_in_scoring():
    module = fitted()
    data, label = blobs(25, np.random.default_rng(4))
    rolling = mx.io.NDArrayIter(data, label, 10, last_batch_handle="roll_over")
    counted = []
    metric = mx.metric.CustomMetric(lambda label, pred: counted.append(len(label)) or 0.0, "n")
    module.score(rolling, metric)
    module.score(rolling, metric)
    assert sum(counted) == 50


def test_predictions_of_an_array_an_iterator_and_single_images_agree():
    module = fitted()
    data, _ = blobs(33, np.random.default_rng(4))
    by_iterator = module.predict(mx.io.NDArrayIter(data, None, 7))

    np.testing.assert_allclose(module.predict(data), by_iterator, rtol=1e-5)
    np.testing.assert_allclose(module.predict(data[:1]), by_iterator[:1], rtol=1e-5)
    np.testing.assert_allclose(by_iterator.sum(axis=1), 1, rtol=1e-5)
    assert type(by_iterator.asnumpy()) is np.ndarray


def test_the_forms_that_predict_returns():
    net = mlp(hidden=(8,), classes=3)
    module = mx.mod.Module(mx.sym.Group([net, net.get_internals()["fc1_output"]]))
    first = mx.metric.CustomMetric(lambda label, pred: 0.0, allow_extra_outputs=True)
    module.fit(iterator(), num_epoch=1, eval_metric=first)
    shapes = [part.shape for part in module.predict(iterator())]
    assert shapes == [(120, 3), (120, 8)]

    single = fitted()
    assert len(single.predict(iterator(), always_output_list=True)) == 1
    batches = single.predict(iterator(), num_batch=2, merge_batches=False)
    assert [len(outputs) for outputs in batches] == [1, 1]
    numbers = [nbatch for _, nbatch, _ in single.iter_predict(iterator(), num_batch=3)]
    assert numbers == [0, 1, 2]


def test_score_calls_back_and_stops_after_num_batch():
    calls = []
    result = fitted().score(
        iterator(), "ce", num_batch=2,
        batch_end_callback=lambda p: calls.append(p.nbatch),
        score_end_callback=lambda p: calls.append(p.nbatch),
    )  # fmt: skip
    assert calls == [0, 1, 2]
    assert result[0][0] == "cross-entropy"
    assert math.isfinite(result[0][1])


def test_forward_takes_any_batch_size_and_outputs_are_copies():
    module = bound(mlp(hidden=(8,), classes=3), (5, 6))
    data, label = blobs(12, np.random.default_rng(1))
    module.forward(mx.io.DataBatch([data], [label]), is_train=True)
    (outputs,) = module.get_outputs()
    kept = outputs.copy()
    module.backward()
    module.update()
    module.forward(mx.io.DataBatch([data[:5]], None), is_train=False)
    np.testing.assert_array_equal(outputs, kept)
    assert module.get_outputs()[0].shape == (5, 3)
    assert module.output_shapes == [("softmax_output", (5, 3))]


# ---- files


def test_a_loaded_checkpoint_predicts_the_same_and_trains_on_the_same(tmp_path):
    settings = {"optimizer": "adam", "optimizer_params": {"learning_rate": 0.01}}
    module = fitted(num_epoch=2, **settings)
    prefix = tmp_path / "net"
    module.save_checkpoint(prefix, 2, save_optimizer_states=True)

    again = mx.mod.Module.load(prefix, 2, load_optimizer_states=True)
    again.bind(iterator().provide_data, iterator().provide_label)

    np.testing.assert_array_equal(again.predict(iterator()), module.predict(iterator()))
    for one in (module, again):
        one.fit(iterator(), num_epoch=3, begin_epoch=2, **settings)
    for name, value in module.get_params()[0].items():
        np.testing.assert_array_equal(again.get_params()[0][name], value)


def test_params_alone_can_be_saved_and_loaded(tmp_path):
    module, other = fitted(), fitted()
    module.save_params(tmp_path / "p.params")
    other.load_params(tmp_path / "p.params")
    np.testing.assert_array_equal(other.predict(iterator()), module.predict(iterator()))


def test_parameters_of_another_network_are_refused(tmp_path):
    module = fitted()
    module.save_checkpoint(tmp_path / "net", 1)
    loaded = mx.mod.Module.load(tmp_path / "net", 1)
    with pytest.raises(mx.ShapeError, match=r"fc1: expected 6 inputs .* got 9"):
        loaded.bind([("data", (20, 9))])


def test_states_of_another_optimizer_are_refused(tmp_path):
    module = fitted(optimizer="adam")
    module.save_optimizer_states(tmp_path / "x.states")
    other = fitted(optimizer="rmsprop", optimizer_params={"centered": True})
    with pytest.raises(ValueError, match="belongs to another optimizer or network"):
        other.load_optimizer_states(tmp_path / "x.states")
