"""Each layer alone: its gradients against finite differences, its values against PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import course as mx

layers = mx.layers
few = settings(max_examples=20, deadline=None)

IMAGES = (3, 4, 7, 6)
GRADIENT_CASES = {
    "fully connected": (lambda: layers.FullyConnected(5), IMAGES),
    "fully connected, no bias": (lambda: layers.FullyConnected(5, no_bias=True), (3, 8)),
    "fully connected, last axis": (lambda: layers.FullyConnected(5, flatten=False), (2, 3, 4)),
    "flatten": (layers.Flatten, IMAGES),
    "convolution": (lambda: layers.Convolution((3, 2), 6), IMAGES),
    "convolution, all settings": (
        lambda: layers.Convolution((3, 2), 6, (2, 1), (1, 2), (1, 2), 2),
        IMAGES,
    ),
    "convolution, no bias": (lambda: layers.Convolution((1, 1), 2, no_bias=True), IMAGES),
    "max pooling": (lambda: layers.Pooling((2, 2), stride=(2, 2)), IMAGES),
    "max pooling, overlapping": (lambda: layers.Pooling((3, 2), pad=(1, 1)), IMAGES),
    "max pooling, full": (
        lambda: layers.Pooling((2, 2), stride=(2, 2), pooling_convention="full"),
        IMAGES,
    ),
    "average pooling": (lambda: layers.Pooling((3, 2), "avg", stride=(2, 1), pad=(1, 0)), IMAGES),
    "average pooling, without padding": (
        lambda: layers.Pooling((3, 3), "avg", pad=(1, 1), count_include_pad=False),
        IMAGES,
    ),
    "sum pooling": (lambda: layers.Pooling((2, 3), "sum"), IMAGES),
    "global pooling": (lambda: layers.Pooling(pool_type="avg", global_pool=True), IMAGES),
    "batch norm": (lambda: layers.BatchNorm(fix_gamma=False), IMAGES),
    "batch norm, fixed gamma": (layers.BatchNorm, (6, 4)),
    "batch norm, global": (lambda: layers.BatchNorm(use_global_stats=True), IMAGES),
    "softmax": (layers.Softmax, (3, 5)),
    "plus scalar": (lambda: layers.AddScalar(2), IMAGES),
    "minus scalar": (lambda: layers.SubtractScalar(2), IMAGES),
    "scalar minus": (lambda: layers.ReverseSubtractScalar(2), IMAGES),
    "times scalar": (lambda: layers.MultiplyScalar(-3), IMAGES),
    **{
        kind: (lambda kind=kind: layers.Activation(kind), IMAGES)
        for kind in ("relu", "sigmoid", "tanh", "softrelu", "softsign")
    },
    "plus": (layers.Add, IMAGES, IMAGES),
    "minus": (layers.Subtract, IMAGES, IMAGES),
    "times": (layers.Multiply, IMAGES, IMAGES),
    "concat": (lambda: layers.Concat(2, dim=1), (2, 3, 4), (2, 1, 4)),
}


def slope(function, array, direction, step=1e-6):
    """How fast function() changes when `array` moves in the direction: a central difference."""
    start = array.copy()
    array[...] = start + step * direction
    above = function()
    array[...] = start - step * direction
    below = function()
    array[...] = start
    return (above - below) / (2 * step)


@pytest.mark.parametrize("case", GRADIENT_CASES)
def test_gradients_are_the_slopes_of_finite_differences(case, rng):
    make, *shapes = GRADIENT_CASES[case]
    layer = make()
    inputs = [rng.standard_normal(shape) for shape in shapes]
    d_out = rng.standard_normal(layer.forward(*inputs).shape)
    for param in layer.params.values():
        param += rng.standard_normal(param.shape)

    def loss():
        return float((layer.forward(*inputs) * d_out).sum())

    loss()
    d_inputs = layer.backward(d_out)
    grads = dict(layer.grads)

    gradients = d_inputs if isinstance(d_inputs, tuple) else (d_inputs,)
    pairs = list(zip(inputs, gradients, strict=True))
    pairs += [(layer.params[key], grads[key]) for key in layer.params]
    for array, gradient in pairs:
        direction = rng.standard_normal(array.shape)
        expected = slope(loss, array, direction)
        # 1e-6: the error of the difference itself, with steps of 1e-6 in float64.
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_softmax_output_has_the_gradient_of_the_cross_entropy(rng):
    layer, data, label = layers.SoftmaxOutput(), rng.standard_normal((6, 4)), np.arange(6) % 4

    def loss():
        probabilities = layer.forward(data, label)
        return -np.log(probabilities[np.arange(6), label]).sum()

    loss()
    d_data, d_label = layer.backward()

    direction = rng.standard_normal(data.shape)
    assert np.vdot(d_data, direction) == pytest.approx(slope(loss, data, direction), rel=1e-6)
    assert not d_label.any()


def test_softmax_output_by_the_values_of_mxnets_documentation():
    data = np.array([[1.0, 2, 3, 4], [2, 2, 2, 2], [3, 3, 3, 3], [4, 4, 4, 4]])
    layer = layers.SoftmaxOutput(use_ignore=True, ignore_label=1)

    out = layer.forward(data, np.array([1, 0, 2, 3]))

    np.testing.assert_allclose(out[0], [0.0320586, 0.0871443, 0.2368828, 0.6439143], atol=1e-6)
    expected = 0.25 - np.eye(4)[[0, 0, 2, 3]]
    expected[0] = 0
    np.testing.assert_allclose(layer.backward()[0], expected, atol=1e-12)


@pytest.mark.parametrize(("normalization", "divisor"), [("null", 1), ("batch", 4), ("valid", 3)])
def test_softmax_output_normalizations(normalization, divisor, rng):
    data, label = rng.standard_normal((4, 3)), np.array([0, -1, 2, 1])
    plain = layers.SoftmaxOutput(use_ignore=True)
    scaled = layers.SoftmaxOutput(use_ignore=True, grad_scale=6, normalization=normalization)
    for layer in (plain, scaled):
        layer.forward(data, label)

    np.testing.assert_allclose(scaled.backward()[0], plain.backward()[0] * 6 / divisor)


@pytest.mark.parametrize("label", [-1, 4, 1.5, np.nan])
def test_a_label_that_is_no_class_is_named(label):
    layer = layers.SoftmaxOutput(name="softmax")
    layer.forward(np.zeros((2, 4)), np.array([0.0, label]))

    with pytest.raises(ValueError, match=r"softmax: label out of range: image 1 .* 0 to 3"):
        layer.backward()


# ---- PyTorch

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
pads = st.tuples(st.integers(0, 2), st.integers(0, 2))
heights = st.tuples(st.integers(3, 9), st.integers(3, 9))


def agree(layer, reference, data, kind):
    """Forward and all gradients of a layer against those of a function in PyTorch."""
    out = layer.forward(data)
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in layer.params.items()}
    x = torch.tensor(data, requires_grad=True)
    expected = reference(x, **leaves)
    d_out = np.random.default_rng(1).standard_normal(out.shape).astype(kind)
    expected.backward(torch.tensor(d_out))
    d_data = layer.backward(d_out)
    # Sums of up to some thousand products: float32 has 7 digits, float64 16.
    tolerance = {"rtol": 2e-4, "atol": 2e-4} if kind == np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    assert out.dtype == d_data.dtype == kind
    np.testing.assert_allclose(out, expected.detach().numpy(), **tolerance)
    np.testing.assert_allclose(d_data, x.grad.numpy(), **tolerance)
    for key, leaf in leaves.items():
        np.testing.assert_allclose(layer.grads[key], leaf.grad.numpy(), **tolerance)


@given(
    images=st.integers(1, 5), per_group=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    groups=st.integers(1, 3), size=heights, kernel=pairs, stride=pairs, pad=pads, dilate=pairs,
    no_bias=st.booleans(), kind=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
@few
def test_convolution_is_that_of_pytorch(
    images, per_group, groups, size, kernel, stride, pad, dilate, no_bias, kind
):  # fmt: skip
    reach = [d * (k - 1) + 1 for d, k in zip(dilate, kernel, strict=True)]
    assume(all(r <= s + 2 * p for r, s, p in zip(reach, size, pad, strict=True)))
    layer = layers.Convolution(kernel, per_group[1] * groups, stride, pad, dilate, groups, no_bias)
    data = np.random.default_rng(0).standard_normal((images, per_group[0] * groups, *size))

    def reference(x, weight, bias=None):
        return F.conv2d(x, weight, bias, stride, pad, dilate, groups)

    agree(layer, reference, data.astype(kind), kind)


@given(size=heights, kernel=pairs, stride=pairs, pad=pads, include=st.booleans())
@few
def test_pooling_is_that_of_pytorch(size, kernel, stride, pad, include):
    assume(all(2 * p <= k <= s for p, k, s in zip(pad, kernel, size, strict=True)))
    data = np.random.default_rng(0).standard_normal((2, 3, *size))
    settings = {"kernel": kernel, "stride": stride, "pad": pad}

    def maximum(x):
        return F.max_pool2d(x, kernel, stride, pad)

    def average(x):
        return F.avg_pool2d(x, kernel, stride, pad, count_include_pad=include)

    agree(layers.Pooling(**settings), maximum, data, np.float64)
    agree(
        layers.Pooling(pool_type="avg", count_include_pad=include, **settings),
        average, data, np.float64,
    )  # fmt: skip


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_fully_connected_is_that_of_pytorch(kind, rng):
    data = rng.standard_normal((7, 2, 3, 4)).astype(kind)

    def reference(x, weight, bias):
        return F.linear(x.flatten(1), weight, bias)

    agree(layers.FullyConnected(5), reference, data, kind)


def test_batch_norm_is_that_of_pytorch_in_training_and_after(rng):
    layer = layers.BatchNorm(eps=1e-3, momentum=0.9, fix_gamma=False)
    theirs = torch.nn.BatchNorm2d(4, eps=1e-3, momentum=0.1, dtype=torch.float64)
    for _ in range(3):
        data = rng.standard_normal((50, 4, 3, 3)) * 2 + 1
        out = layer.forward(data)
        expected = theirs(torch.tensor(data))
        np.testing.assert_allclose(out, expected.detach().numpy(), atol=1e-12)
    theirs.eval()
    # PyTorch's moving variance is the unbiased one: N / (N - 1) with N = 450, three times.
    theirs.running_var.copy_(torch.tensor(layer.states["moving_var"]))
    after = layer.forward(data, training=False)

    np.testing.assert_allclose(layer.states["moving_mean"], theirs.running_mean.numpy(), atol=1e-12)
    np.testing.assert_allclose(after, theirs(torch.tensor(data)).detach().numpy(), atol=1e-12)


# ---- behaviour


def test_pooling_conventions_round_down_or_up():
    data = np.zeros((1, 1, 7, 7))
    shapes = [
        layers.Pooling((2, 2), stride=stride, pooling_convention=way).forward(data).shape[2:]
        for stride, way in [((2, 2), "valid"), ((2, 2), "full"), (None, "valid")]
    ]
    assert shapes == [(3, 3), (4, 4), (6, 6)]


def test_average_pooling_counts_padding_up_to_its_edge_only():
    # MXNet clips the window to the padded image: with 'full', the overhang is never counted.
    ones = np.ones((1, 1, 3, 3))
    settings = {"stride": (2, 2), "pad": (1, 1), "pooling_convention": "full"}
    out = layers.Pooling((4, 4), "avg", **settings).forward(ones)

    np.testing.assert_allclose(out[0, 0], [[9 / 16, 6 / 12], [6 / 12, 4 / 9]])


def test_dropout_scales_what_it_keeps_in_training_only():
    layer, data = layers.Dropout(0.25), np.ones((100, 100), np.float32)

    out = layer.forward(data)

    assert set(np.unique(out)) == {np.float32(0), np.float32(4 / 3)}
    assert out.mean() == pytest.approx(1, abs=0.03)  # five standard deviations
    np.testing.assert_array_equal(layer.backward(data), out)
    np.testing.assert_array_equal(layer.forward(data, training=False), data)


def test_a_layer_keeps_no_hold_of_what_it_returned(rng):
    layer = layers.Convolution((2, 2), 3)
    first, second = rng.standard_normal((2, 1, 1, 5, 5))
    out = layer.forward(first)
    kept = out.copy()

    layer.forward(second)

    np.testing.assert_array_equal(out, kept)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(48).reshape(2, 1, 4, 6),
        np.ones((2, 1, 6, 4)).transpose(0, 1, 3, 2),
        np.ones((2, 1, 4, 6), ">f8"),
    ],
    ids=["integers", "not contiguous", "big-endian"],
)
def test_any_array_of_numbers_will_do(array):
    layer = layers.Convolution((2, 2), 3)
    out = layer.forward(array)
    expected = layer.forward(np.ascontiguousarray(array, np.float64))
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_the_number_of_threads_changes_nothing_but_rounding(rng):
    data, d_out = rng.standard_normal((5, 2, 6, 6)), rng.standard_normal((5, 3, 5, 5))
    layer, most = layers.Convolution((2, 2), 3), mx.get_num_threads()
    results = []
    for threads in (1, most):
        mx.set_num_threads(threads)
        layer.forward(data)
        results.append((layer.backward(d_out), layer.grads["weight"], layer.grads["bias"]))

    for one, many in zip(*results, strict=True):
        np.testing.assert_allclose(one, many, rtol=1e-12)


ERRORS = [
    (lambda: layers.Activation("swish"), "relu, sigmoid, softrelu, softsign, tanh"),
    (lambda: layers.Convolution((0, 2), 3), "kernel must be a pair"),
    (lambda: layers.Convolution((2, 2), 3, stride=(0, 0)), "stride must be a pair"),
    (lambda: layers.Convolution((2, 2), 3, num_group=2), "multiple of num_group"),
    (lambda: layers.Pooling((2, 2), "median"), "max, avg, sum"),
    (lambda: layers.Pooling((2, 2), pad=(2, 2)), "pad must be smaller than kernel"),
    (lambda: layers.Pooling(), "kernel is missing"),
    (lambda: layers.Dropout(1), "p must be"),
    (lambda: layers.FullyConnected(0), "num_hidden must be"),
    (lambda: layers.SoftmaxOutput(normalization="mean"), "null, batch, valid"),
]


@pytest.mark.parametrize(("make", "message"), ERRORS)
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_wrong_number_of_inputs_names_both_and_the_layer():
    layer = layers.FullyConnected(128, name="fc1")
    layer.forward(np.zeros((2, 1, 28, 28)))

    with pytest.raises(mx.ShapeError, match=r"fc1: expected 784 inputs .* got 3072 \(3×32×32"):
        layer.forward(np.zeros((2, 3, 32, 32)))


def test_a_window_larger_than_the_image_names_both():
    with pytest.raises(mx.ShapeError, match=r"conv: kernel size exceeds the input: .* 5 rows.* 4"):
        layers.Convolution((5, 5), 1, name="conv").forward(np.zeros((1, 1, 4, 9)))


def test_backward_before_forward_and_of_another_shape_are_refused():
    layer = layers.Flatten(name="flat")
    with pytest.raises(RuntimeError, match="flat: call forward before backward"):
        layer.backward(np.zeros((1, 4)))
    layer.forward(np.zeros((1, 2, 2)))
    with pytest.raises(mx.ShapeError, match=r"flat: expected .* \(1, 4\), got \(1, 2, 2\)"):
        layer.backward(np.zeros((1, 2, 2)))
