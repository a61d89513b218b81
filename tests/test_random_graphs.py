"""Random networks: what `infer_shape` accepts runs, and gives PyTorch's outputs and gradients."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import course as mx
from course.executor import Executor

# float64 on both sides; what is left is the order in which sums are taken.
TOLERANCE = {"rtol": 1e-8, "atol": 1e-10}
FUNCTIONS = {
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softrelu": F.softplus,
    "softsign": F.softsign,
    "tanh": torch.tanh,
}


class Net:
    """A symbol under construction, and the same network as a function of PyTorch tensors."""

    def __init__(self):
        self.names = 0

    def name(self, kind):
        self.names += 1
        return f"{kind}{self.names}"


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


def accepted(symbol, shapes):
    """The output's shape, or None where `infer_shape` refuses."""
    try:
        return symbol.infer_shape(**shapes)[1][0]
    except mx.ShapeError:
        return None


# Each of these draws a layer for `symbol` (with a value of `shape`): (symbol, torch function).
# The torch function takes its input tensor and the dict of all parameters.


def convolution(draw, net, symbol, shape):
    name = net.name("conv")
    group = draw(st.sampled_from([g for g in (1, 2) if shape[1] % g == 0]))
    options = {
        "stride": draw(pairs(1, 3)), "pad": draw(pairs(0, 2)), "dilate": draw(pairs(1, 2)),
    }  # fmt: skip
    no_bias = draw(st.booleans())
    made = mx.sym.Convolution(
        symbol, kernel=draw(pairs(1, 4)), num_filter=group * draw(st.integers(1, 2)),
        num_group=group, no_bias=no_bias, name=name, **options,
    )  # fmt: skip

    def compute(x, params):
        bias = None if no_bias else params[f"{name}_bias"]
        return F.conv2d(
            x, params[f"{name}_weight"], bias, options["stride"], options["pad"],
            options["dilate"], group,
        )  # fmt: skip

    return made, compute


def pooling(draw, net, symbol, shape):
    kind = draw(st.sampled_from(["max", "avg", "sum"]))
    kernel = draw(pairs(1, 4))
    stride = draw(pairs(1, 3))
    pad = tuple(draw(st.integers(0, size // 2)) for size in kernel)  # PyTorch's limit
    include = draw(st.booleans())
    made = mx.sym.Pooling(
        symbol, kernel=kernel, pool_type=kind, stride=stride, pad=pad,
        count_include_pad=include, name=net.name("pool"),
    )  # fmt: skip

    def compute(x, params):
        if kind == "max":
            return F.max_pool2d(x, kernel, stride, pad)
        if kind == "avg":
            return F.avg_pool2d(x, kernel, stride, pad, count_include_pad=include)
        return F.avg_pool2d(x, kernel, stride, pad) * math.prod(kernel)

    return made, compute


def global_pooling(draw, net, symbol, shape):
    kind = draw(st.sampled_from(["max", "avg"]))
    made = mx.sym.Pooling(symbol, global_pool=True, pool_type=kind, name=net.name("pool"))
    if kind == "max":
        return made, lambda x, params: torch.amax(x, (2, 3), keepdim=True)
    return made, lambda x, params: x.mean((2, 3), keepdim=True)


def activation(draw, net, symbol, shape):
    kind = draw(st.sampled_from(sorted(FUNCTIONS)))
    made = mx.sym.Activation(symbol, act_type=kind, name=net.name("act"))
    return made, lambda x, params: FUNCTIONS[kind](x)


def dense(draw, net, symbol, shape):
    name = net.name("fc")
    no_bias, flatten = draw(st.booleans()), draw(st.booleans())
    made = mx.sym.FullyConnected(
        symbol, num_hidden=draw(st.integers(1, 5)), no_bias=no_bias, flatten=flatten, name=name
    )

    def compute(x, params):
        bias = None if no_bias else params[f"{name}_bias"]
        return F.linear(x.flatten(1) if flatten else x, params[f"{name}_weight"], bias)

    return made, compute


def batch_norm(draw, net, symbol, shape):
    name = net.name("bn")
    fixed = draw(st.booleans())
    made = mx.sym.BatchNorm(symbol, fix_gamma=fixed, eps=1e-2, name=name)

    def compute(x, params):
        gamma = params[f"{name}_gamma"]
        # Not zero times gamma, but a constant: the gradient of a fixed gamma is 0.
        gamma = torch.ones_like(gamma) + 0 * gamma if fixed else gamma
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean = x.mean(axes, keepdim=True)
        variance = ((x - mean) ** 2).mean(axes, keepdim=True)
        size = [1, -1] + [1] * (x.ndim - 2)
        normalized = (x - mean) / torch.sqrt(variance + 1e-2)
        return gamma.reshape(size) * normalized + params[f"{name}_beta"].reshape(size)

    return made, compute


def softmax(draw, net, symbol, shape):
    return mx.sym.softmax(symbol, name=net.name("soft")), lambda x, params: F.softmax(x, -1)


def flatten(draw, net, symbol, shape):
    return mx.sym.Flatten(symbol, name=net.name("flat")), lambda x, params: x.flatten(1)


def scalar(draw, net, symbol, shape):
    number = draw(st.floats(-2, 2))
    made, compute = draw(
        st.sampled_from([
            (lambda s: s + number, lambda x: x + number),
            (lambda s: s - number, lambda x: x - number),
            (lambda s: number - s, lambda x: number - x),
            (lambda s: s * number, lambda x: x * number),
            (lambda s: -s, lambda x: -x),
        ])
    )  # fmt: skip
    with mx.name.Prefix(net.name("scalar")):
        return made(symbol), lambda x, params: compute(x)


ON_IMAGES = [convolution, pooling, global_pooling]
ANYWHERE = [activation, dense, batch_norm, softmax, flatten, scalar]


@st.composite
def networks(draw):
    """(values, data shape): layers in chains and branches that part and meet again."""
    net = Net()
    shape = draw(
        st.one_of(
            st.tuples(*map(st.integers, (1, 1, 1, 1), (4, 4, 9, 9))),
            st.tuples(st.integers(1, 5), st.integers(1, 6)),
        )
    )
    # Each value so far: (symbol, its shape, (torch function, the values it is computed from)).
    values = [(mx.sym.var("data"), shape, None)]
    for _ in range(draw(st.integers(1, 6))):
        source = draw(st.integers(0, len(values) - 1))
        symbol, size, _ = values[source]
        if draw(st.integers(0, 3)) == 0:
            other = draw(st.integers(0, len(values) - 1))
            made, compute = joined(draw, net, symbol, values[other][0])
            inputs = (source, other)
        else:
            choices = ANYWHERE + ON_IMAGES * (len(size) == 4)
            made, compute = draw(st.sampled_from(choices))(draw, net, symbol, size)
            compute = ignoring_second(compute)
            inputs = (source, source)
        found = accepted(made, {"data": shape})
        if found is not None:
            values.append((made, found, (compute, *inputs)))
    return values, shape


def ignoring_second(compute):
    return lambda first, second, params: compute(first, params)


def joined(draw, net, one, other):
    made, compute = draw(
        st.sampled_from([
            (lambda a, b: a + b, lambda x, y: x + y),
            (lambda a, b: a - b, lambda x, y: x - y),
            (lambda a, b: a * b, lambda x, y: x * y),
            (lambda a, b: mx.sym.Concat(a, b), lambda x, y: torch.cat([x, y], 1)),
            (lambda a, b: mx.sym.Concat(a, b, dim=0), lambda x, y: torch.cat([x, y], 0)),
        ])
    )  # fmt: skip
    with mx.name.Prefix(net.name("join")):
        return made(one, other), lambda first, second, params: compute(first, second)


def theirs(values, wanted, tensors):
    """The value number `wanted` by PyTorch, from the data and the parameters by name."""
    done = {0: tensors["data"]}

    def value(k):
        if k not in done:
            compute, first, second = values[k][2]
            done[k] = compute(value(first), value(second), tensors)
        return done[k]

    return [value(k) for k in wanted]


def leaves(values):
    """The values that no other is computed from: the network's outputs."""
    used = {source for _, _, made in values[1:] for source in made[1:]}
    return [k for k in range(len(values)) if k not in used]


def bound(symbol, shape, rng):
    """The symbol with random numbers in all its arguments; the same numbers as tensors."""
    executor = Executor(symbol, {"data": shape}, dtype=np.float64)
    for array in executor.arg_dict.values():
        array[...] = rng.uniform(-1, 1, array.shape)
    tensors = {
        name: torch.tensor(array, requires_grad=True) for name, array in executor.arg_dict.items()
    }
    return executor, tensors


def assert_same_gradients(executor, tensors):
    for name, gradient in executor.grad_dict.items():
        wanted = tensors[name].grad
        wanted = np.zeros(gradient.shape) if wanted is None else wanted.numpy()
        np.testing.assert_allclose(gradient, wanted, err_msg=name, **TOLERANCE)


QUIETLY = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@settings(max_examples=400, **QUIETLY)
@given(networks(), st.integers(0, 2**32 - 1))
def test_what_infer_shape_accepts_runs_both_ways_as_in_pytorch(network, seed):
    values, shape = network
    heads = leaves(values)
    symbol = mx.sym.Group([values[k][0] for k in heads])
    _, out_shapes, _ = symbol.infer_shape(data=shape)
    rng = np.random.default_rng(seed)
    executor, tensors = bound(symbol, shape, rng)
    d_outs = [rng.standard_normal(size) for size in out_shapes]

    outs = executor.forward(is_train=True, data=executor.arg_dict["data"])
    executor.backward(d_outs)

    expected = theirs(values, heads, tensors)
    torch.autograd.backward(expected, [torch.tensor(d_out) for d_out in d_outs])
    for out, size, wanted in zip(outs, out_shapes, expected, strict=True):
        assert out.shape == size == tuple(wanted.shape)
        np.testing.assert_allclose(out, wanted.detach().numpy(), **TOLERANCE)
    assert_same_gradients(executor, tensors)


@settings(max_examples=150, **QUIETLY)
@given(networks(), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_behind_a_random_network_the_loss_gives_pytorchs_gradients(network, classes, seed):
    values, shape = network
    last, out_shape, _ = values[-1]
    net = mx.sym.FullyConnected(last, num_hidden=classes, name="last")
    net = mx.sym.SoftmaxOutput(net, name="softmax")
    rng = np.random.default_rng(seed)
    executor, tensors = bound(net, shape, rng)
    label = rng.integers(0, classes, out_shape[0])

    (out,) = executor.forward(is_train=True, softmax_label=label)
    executor.backward()

    (hidden,) = theirs(values, [len(values) - 1], tensors)
    logits = F.linear(hidden.flatten(1), tensors["last_weight"], tensors["last_bias"])
    F.cross_entropy(logits, torch.tensor(label), reduction="sum").backward()
    np.testing.assert_allclose(out, F.softmax(logits, 1).detach().numpy(), **TOLERANCE)
    assert_same_gradients(executor, tensors)


def test_an_input_that_is_an_output_too_and_an_output_that_comes_twice():
    data = mx.sym.var("data")
    double = data * 2
    group = mx.sym.Group([data, double, double, data])
    executor = Executor(group, {"data": (3,)}, grad_req={"data": "add"}, dtype=np.float64)
    executor.forward(is_train=True, data=np.arange(3.0))
    for _ in range(2):
        executor.backward([np.full(3, k) for k in (1.0, 10.0, 100.0, 1000.0)])
    np.testing.assert_array_equal(executor.grad_dict["data"], [2 * (1 + 20 + 200 + 1000)] * 3)
