"""Exported networks give the same numbers in onnxruntime, whatever layers they are made of."""

import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import course as mx
import course.onnx as mx_onnx
from tests.networks import lenet, mlp

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SMALL = st.integers(1, 3)
PAIR = st.tuples(SMALL, SMALL)
PADS = st.tuples(st.integers(0, 2), st.integers(0, 2))
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def ready(net, **shapes):
    """A module for prediction, all of whose parameters and states are random.

    The weights keep the numbers small: 1e-5 is a few of float32's steps.
    """
    module = mx.mod.Module(net, data_names=sorted(shapes))
    module.bind(sorted(shapes.items()), for_training=False)
    module.init_params(mx.init.Xavier())
    rng = np.random.default_rng(1)
    params, states = (
        {
            name: value if name.endswith("weight") else rng.uniform(0.2, 0.8, value.shape)
            for name, value in group.items()
        }
        for group in module.get_params()
    )
    module.set_params(params, states)
    return module


def run(path, inputs):
    """The outputs by onnxruntime, once the checker has found the file right."""
    onnx.checker.check_model(path, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, session.run(None, inputs)


def check(net, folder, extra=1, **shapes):
    """Export, and compare on a batch that has `extra` samples more than the module is bound to."""
    module = ready(net, **shapes)
    path = folder / "net.onnx"
    mx_onnx.export(module, path)
    rng = np.random.default_rng(2)
    inputs = {
        name: rng.standard_normal((shape[0] + extra, *shape[1:]), np.float32)
        for name, shape in sorted(shapes.items())
    }
    session, outputs = run(path, inputs)
    module.forward(mx.io.DataBatch(list(inputs.values())), is_train=False)
    expected = module.get_outputs()
    assert len(outputs) == len(expected)
    for ours, theirs in zip(expected, outputs, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)
    return session


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("onnx")


# ---- whole networks


@pytest.mark.parametrize("net", [mlp(), lenet()], ids=["mlp", "lenet"])
def test_the_tutorials_networks_give_the_same_probabilities(folder, net):
    session = check(net, folder, data=(4, 1, 28, 28))
    (given_input,), (output,) = session.get_inputs(), session.get_outputs()
    assert (given_input.name, given_input.shape) == ("data", ["batch", 1, 28, 28])
    assert (output.name, output.shape) == ("softmax_output", ["batch", 10])


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_the_trained_networks_read_digits_as_they_do_here(folder, name):
    module = mx.networks.trained(name)
    images = mx.test_utils.get_mnist("sample")["test_data"][:200]
    mx_onnx.export(module, folder / "trained.onnx")
    _, (probabilities,) = run(folder / "trained.onnx", {"data": images})
    np.testing.assert_allclose(probabilities, module.predict(images), atol=1e-5)


def test_a_module_bound_to_float64_is_exported_as_float32(folder):
    module = mx.mod.Module(mlp(hidden=(5,)))
    module.bind([mx.io.DataDesc("data", (2, 6), np.float64)], for_training=False)
    module.init_params(mx.init.Xavier())
    mx_onnx.export(module, folder / "net.onnx")
    data = np.random.default_rng(0).random((2, 6))
    _, (output,) = run(folder / "net.onnx", {"data": data.astype(np.float32)})
    np.testing.assert_allclose(output, module.predict(data), atol=1e-5)


# ---- each layer


@given(
    size=SIZES, kernel=PAIR, stride=PAIR, dilate=PAIR, pad=PADS, group=SMALL, no_bias=st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_convolution(folder, size, kernel, stride, dilate, pad, group, no_bias):
    for side in range(2):
        assume(dilate[side] * (kernel[side] - 1) < size[side] + 2 * pad[side])
    net = mx.sym.Convolution(
        mx.sym.var("data"),
        kernel=kernel,
        num_filter=2 * group,
        stride=stride,
        dilate=dilate,
        pad=pad,
        num_group=group,
        no_bias=no_bias,
        name="conv",
    )
    check(net, folder, data=(2, 3 * group, *size))


@given(
    size=SIZES,
    kernel=PAIR,
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pad=PADS,
    pool_type=st.sampled_from(["max", "avg", "sum"]),
    convention=st.sampled_from(["valid", "full"]),
    count_include_pad=st.booleans(),
    everything=st.sampled_from([False, False, False, True]),
)
@settings(max_examples=300, deadline=None)
def test_pooling(
    folder, size, kernel, stride, pad, pool_type, convention, count_include_pad, everything
):
    for side in range(2):
        assume(pad[side] < kernel[side] <= size[side] + 2 * pad[side])
    net = mx.sym.Pooling(
        mx.sym.var("data"),
        kernel=kernel,
        stride=stride,
        pad=pad,
        pool_type=pool_type,
        pooling_convention=convention,
        count_include_pad=count_include_pad,
        global_pool=everything,
        name="pool",
    )
    check(net, folder, data=(2, 3, *size))


@pytest.mark.parametrize("pool_type", ["max", "avg", "sum"])
def test_pooling_windows_that_hold_padding_alone(folder, pool_type):
    net = mx.sym.Pooling(
        mx.sym.var("data"),
        kernel=(1, 2),
        stride=(4, 5),
        pool_type=pool_type,
        pooling_convention="full",
    )
    check(net, folder, data=(2, 3, 3, 4))


@pytest.mark.parametrize("act_type", ["relu", "sigmoid", "tanh", "softrelu", "softsign"])
def test_activation(folder, act_type):
    check(mx.sym.Activation(mx.sym.var("data"), act_type=act_type), folder, data=(2, 3, 4))


@pytest.mark.parametrize("fix_gamma", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 4, 5, 6)])
def test_batch_norm(folder, fix_gamma, shape):
    net = mx.sym.BatchNorm(mx.sym.var("data"), fix_gamma=fix_gamma, eps=0.01, name="bn")
    check(net, folder, data=shape)


@pytest.mark.parametrize("no_bias", [True, False])
@pytest.mark.parametrize("flatten", [True, False])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 5), (3, 2, 2, 5)])
def test_fully_connected(folder, no_bias, flatten, shape):
    net = mx.sym.FullyConnected(
        mx.sym.var("data"), num_hidden=6, no_bias=no_bias, flatten=flatten, name="fc"
    )
    check(net, folder, data=shape)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5)])
def test_softmax_and_flatten(folder, shape):
    data = mx.sym.var("data")
    check(mx.sym.Group([mx.sym.softmax(data), mx.sym.flatten(data)]), folder, data=shape)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_concat(folder, dim):
    data = mx.sym.var("data")
    session = check(mx.sym.Concat(data, 2 * data, dim=dim), folder, data=(3, 4, 5))
    assert session.get_outputs()[0].shape[0] == (None if dim == 0 else "batch")


def test_arithmetic_with_symbols_and_numbers(folder):
    a, b = mx.sym.var("a"), mx.sym.var("b")
    nets = [a + b, a - b, a * b, a + 0.1, 0.1 + a, a - 0.1, 0.1 - a, a * 0.1, -a, (a + 1) * (b - a)]
    check(mx.sym.Group(nets), folder, a=(2, 3), b=(2, 3))


# ---- graphs


def squashed(x):
    return mx.sym.Activation(x, act_type="tanh")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_random_chains_of_layers_with_branches(folder, data):
    layers = {
        "conv": lambda x: mx.sym.Convolution(x, kernel=(2, 2), num_filter=3, pad=(1, 1)),
        "pool": lambda x: mx.sym.Pooling(x, kernel=(2, 2), stride=(1, 2), pad=(1, 1)),
        "full": lambda x: mx.sym.Pooling(
            x, kernel=(2, 2), stride=(3, 3), pad=(1, 1), pool_type="avg", pooling_convention="full"
        ),
        "norm": lambda x: mx.sym.BatchNorm(x, fix_gamma=False),
        "act": lambda x: mx.sym.Activation(x, act_type="softsign"),
        "drop": lambda x: mx.sym.Dropout(x),
        "twice": lambda x: mx.sym.Concat(x, 1 - squashed(x) * squashed(x), dim=1),
        "add": lambda x: x + squashed(x),
    }
    net = mx.sym.var("data")
    for kind in data.draw(st.lists(st.sampled_from(sorted(layers)), min_size=1, max_size=6)):
        net = layers[kind](net)
    scores = mx.sym.FullyConnected(net, num_hidden=4)
    outputs = [mx.sym.SoftmaxOutput(scores, name="softmax"), net]
    check(mx.sym.Group(outputs), folder, data=(2, 2, 8, 8))


def test_all_inner_outputs_can_be_exported(folder):
    net = lenet(filters=(2, 3), hidden=4)
    inner = [out for out in net.get_internals() if out.name not in net.list_arguments()[1:]]
    check(mx.sym.Group(inner), folder, data=(2, 1, 28, 28))


def test_one_output_twice_and_an_input_as_output(folder):
    data = mx.sym.var("data")
    net = mx.sym.Activation(data, act_type="relu", name="relu")
    check(mx.sym.Group([net, net, data]), folder, data=(2, 3))


def test_names_that_the_file_would_give_twice(folder):
    data = mx.sym.var("relu_output")
    net = mx.sym.Activation(data, act_type="relu", name="relu") + data
    check(net, folder, relu_output=(2, 3))


def test_a_weight_used_twice(folder):
    data, weight = mx.sym.var("data"), mx.sym.var("shared_weight")
    net = mx.sym.FullyConnected(data, weight, num_hidden=3, no_bias=True, name="first")
    net = mx.sym.FullyConnected(net, weight, num_hidden=3, no_bias=True, name="second")
    check(net, folder, data=(2, 3))


def test_a_parameter_for_each_sample_fixes_the_batch_size(folder):
    offset = mx.sym.var("offset_weight", shape=(2, 3))
    session = check(mx.sym.var("data") + offset, folder, extra=0, data=(2, 3))
    assert session.get_inputs()[0].shape == [2, 3]


def test_a_label_that_is_also_data_stays_an_input(folder):
    label = mx.sym.var("softmax_label")
    net = mx.sym.Group([mx.sym.SoftmaxOutput(mx.sym.var("data"), label, name="s"), label * 2])
    module = mx.mod.Module(net)
    module.bind([("data", (2, 3))], [("softmax_label", (2,))], for_training=False)
    module.init_params()
    mx_onnx.export(module, folder / "net.onnx")
    label = np.array([1, 2], np.float32)
    _, (_, doubled) = run(
        folder / "net.onnx", {"data": np.ones((2, 3), np.float32), "softmax_label": label}
    )
    np.testing.assert_array_equal(doubled, [2, 4])


# ---- mistakes


def test_a_module_without_parameters_is_refused(folder):
    with pytest.raises(RuntimeError, match="no parameters yet"):
        mx_onnx.export(mx.mod.Module(mlp()), folder / "never.onnx")
    assert not (folder / "never.onnx").exists()


def test_without_the_package_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        mx_onnx.export(mx.networks.trained("mlp"), folder / "never.onnx")
