"""Arrays that are unusual, wrong or empty: the right result, or an error that names the thing."""

import math

import numpy as np
import pytest

import course as mx
from course.executor import Executor
from tests.networks import mlp

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-1, 1, (6, 4)).astype(np.float32)
IMAGES = RNG.uniform(-1, 1, (3, 2, 6, 5)).astype(np.float32)
LABELS = np.array([0, 1, 2, 0, 2, 1])
SCORES = np.abs(ROWS[:, :3]) + 0.1


# --- the same numbers in another form --------------------------------------------------------


def strided(array):
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), 7, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


FORMS = {
    "float64": lambda array: array.astype(np.float64),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "float64 big-endian": lambda array: array.astype(">f8"),
    "columns first": lambda array: np.array(array, order="F"),
    "strided": strided,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "read-only": read_only,
    "NDArray": lambda array: mx.nd.array(array, dtype=array.dtype),
    "not aligned": lambda array: np.frombuffer(
        b"?" + array.tobytes(), array.dtype, offset=1
    ).reshape(array.shape),
}


def module(classes=3):
    made = mx.mod.Module(mlp(hidden=(5,), classes=classes))
    made.bind([("data", (3, 4))], [("softmax_label", (3,))])
    mx.random.seed(1)
    made.init_params(mx.init.Xavier())
    made.init_optimizer(optimizer_params={"momentum": 0.9})
    return made


def all_params(trained):
    params = trained.get_params()[0]
    return np.concatenate([params[name].ravel() for name in sorted(params)])


def fitted(array, label):
    made = module()
    made.fit(mx.io.NDArrayIter(array, label, 3), num_epoch=2)
    return all_params(made)


def one_batch(array, label):
    made = module()
    made.forward_backward(mx.io.DataBatch([array], [label]))
    made.update()
    return np.concatenate([made.get_outputs()[0].ravel(), all_params(made)])


def both_ways(make):
    def use(array):
        mx.random.seed(1)
        layer = make()
        out = layer.forward(array)
        d_data = layer.backward(RNG_OF_ITS_OWN(out.shape))
        return np.concatenate([out.ravel(), d_data.ravel()])

    return use


def RNG_OF_ITS_OWN(shape):
    return np.random.default_rng(2).standard_normal(shape)


def optimized(name):
    def use(grad):
        rule, weight = mx.optimizer.create(name), np.ones(grad.shape, np.float32)
        rule.update(0, weight, grad, rule.create_state(0, weight))
        return weight

    return use


def measured(name, label=LABELS):
    def use(pred):
        metric = mx.metric.create(name)
        metric.update([label], [pred])
        return metric.get()[1]

    return use


def executed(array):
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc")
    executor = Executor(net, {"data": (6, 4)})
    executor.arg_dict["fc_weight"][...] = 0.5
    executor.forward(is_train=True, data=array)
    executor.backward(array[:, :3])
    return executor.grad_dict["fc_weight"]


def after_set_params(weight):
    made = module()
    made.set_params({**made.get_params()[0], "fc1_weight": weight}, {})
    return made.predict(ROWS)


USES = {
    "predict an array": (lambda array: module().predict(array), ROWS),
    "predict": (lambda array: module().predict(mx.io.NDArrayIter(array, None, 3)), ROWS),
    "fit": (lambda array: fitted(array, LABELS), ROWS),
    "score": (
        lambda array: module().score(mx.io.NDArrayIter(array, LABELS, 3), "ce")[0][1], ROWS
    ),
    "a batch by hand": (lambda array: one_batch(array, LABELS), ROWS),
    "an executor": (executed, ROWS),
    "set_params": (after_set_params, RNG.uniform(-1, 1, (5, 4)).astype(np.float32)),
    "FullyConnected": (both_ways(lambda: mx.layers.FullyConnected(3)), ROWS),
    "Convolution": (both_ways(lambda: mx.layers.Convolution((3, 2), 3, pad=(1, 0))), IMAGES),
    "Pooling": (both_ways(lambda: mx.layers.Pooling((3, 2), stride=(2, 1))), IMAGES),
    "Pooling 2×2": (both_ways(lambda: mx.layers.Pooling((2, 2), stride=(2, 2))), IMAGES),
    "average": (both_ways(lambda: mx.layers.Pooling((3, 2), "avg")), IMAGES),
    "Activation": (both_ways(lambda: mx.layers.Activation("tanh")), IMAGES),
    "BatchNorm": (both_ways(lambda: mx.layers.BatchNorm(fix_gamma=False)), IMAGES),
    "Softmax": (both_ways(mx.layers.Softmax), ROWS),
    "Flatten": (both_ways(mx.layers.Flatten), IMAGES),
    "a rule": (optimized("sgd"), ROWS),
    "another rule": (optimized("adam"), ROWS),
    "accuracy": (measured("acc"), SCORES),
    "cross-entropy": (measured("ce"), SCORES),
    "mse": (measured("mse", SCORES), SCORES + 1),
    "a monitor": (mx.mon.root_mean_square, ROWS),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("use", USES)
def test_the_same_numbers_in_another_form_give_the_same_result(use, form):
    function, array = USES[use]
    given = FORMS[form](array)
    before = np.array(given)
    # Layers calculate float64 in float64; the difference is that of float32's rounding.
    np.testing.assert_allclose(function(given), function(array), rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(given, before)  # what was handed in is not changed


@pytest.mark.parametrize(
    "form",
    [np.int8, np.uint8, np.int64, np.uint64, np.float16, np.float64, ">i4", ">f4", list, bool],
)
def test_labels_of_any_type_of_numbers(form):
    labels = LABELS % 2 if form is bool else LABELS
    given = labels.tolist() if form is list else labels.astype(form)
    np.testing.assert_array_equal(one_batch(ROWS, given), one_batch(ROWS, labels))
    if form is not list:
        np.testing.assert_array_equal(fitted(ROWS, given), fitted(ROWS, labels))
        assert measured("ce", given)(SCORES) == measured("ce", labels)(SCORES)
        assert measured("acc", given)(SCORES) == measured("acc", labels)(SCORES)


@pytest.mark.parametrize("form", [np.uint8, np.int16, np.int64, bool, np.float16])
def test_whole_numbers_as_data(form):
    array = np.arange(24).reshape(6, 4).astype(form)
    same = array.astype(np.float32)
    np.testing.assert_array_equal(fitted(array, LABELS), fitted(same, LABELS))
    layer = mx.layers.FullyConnected(2)
    np.testing.assert_array_equal(layer.forward(array), layer.forward(same))


# --- what holds no numbers -------------------------------------------------------------------

NO_NUMBERS = {
    "objects": np.array([[None] * 4] * 6, object),
    "numbers as objects": ROWS.astype(object),
    "texts": ROWS.astype(str),
    "bytes": ROWS.astype("S"),
    "complex numbers": ROWS.astype(complex),
    "times": np.zeros((6, 4), "datetime64[s]"),
    "records": np.zeros((6, 4), [("x", "f4")]),
}
TAKERS = {
    "predict": (lambda array: module().predict(array), "data"),
    "NDArrayIter": (lambda array: mx.io.NDArrayIter(array, LABELS), "data"),
    "its labels": (lambda array: mx.io.NDArrayIter(ROWS, array), "softmax_label"),
    "forward": (lambda array: one_batch(array, LABELS), "data"),
    "labels": (lambda array: one_batch(ROWS, array[:, 0]), "softmax_label"),
    "a layer": (lambda array: mx.layers.Softmax().forward(array), "softmax: data"),
    "a parameter": (
        lambda array: with_weight(array).forward(ROWS), "fc: weight"
    ),
    "metric": (measured("acc"), "the outputs"),
    "its own labels": (lambda array: measured("acc", array[:, 0])(SCORES), "the labels"),
    "a rule": (lambda array: optimized("sgd")(array), "the gradient"),
    "loss": (measured("loss"), "the outputs"),
}  # fmt: skip


def with_weight(array):
    layer = mx.layers.FullyConnected(6, name="fc")
    layer.params["weight"] = array
    return layer


@pytest.mark.parametrize("what", NO_NUMBERS)
@pytest.mark.parametrize("taker", TAKERS)
def test_an_array_of_anything_but_numbers_is_refused_by_name(taker, what):
    function, name = TAKERS[taker]
    with pytest.raises(TypeError, match=f"{name} must hold numbers, got an array of"):
        function(NO_NUMBERS[what])


@pytest.mark.parametrize("ragged", [[[1.0, 2.0], [3.0]], [[1.0], 2.0]])
def test_rows_of_different_lengths_are_refused_by_name(ragged):
    with pytest.raises(ValueError, match="softmax: data must be an array of numbers"):
        mx.layers.Softmax().forward(ragged)
    with pytest.raises(ValueError, match="the outputs must be an array of numbers"):
        measured("acc")(ragged)


# --- nothing at all --------------------------------------------------------------------------

EMPTY_ERRORS = {
    "NDArrayIter": (lambda: mx.io.NDArrayIter(ROWS[:0]), "data holds no samples"),
    "predict": (lambda: module().predict(ROWS[:0]), "data holds no samples"),
    "forward": (lambda: one_batch(ROWS[:0], LABELS[:0]), "data: .* is the batch empty"),
    "no columns": (lambda: one_batch(ROWS[:, :0], LABELS), r"expected a batch of shape \(N, 4\)"),
    "bind": (
        lambda: mx.mod.Module(mlp()).bind([("data", (0, 4))], [("softmax_label", (0,))]),
        "data: .* is the batch empty",
    ),
    "a layer": (lambda: mx.layers.BatchNorm().forward(ROWS[:0]), "batchnorm: .* batch empty"),
    "no pixels": (
        lambda: mx.layers.Activation("relu").forward(IMAGES[..., :0]), "activation: .* empty"
    ),
    "labels": (lambda: one_batch(ROWS, LABELS[:0]), "softmax_label: expected 6 labels"),
    "a metric": (lambda: measured("acc", LABELS[:0])(SCORES), "got 0 for 6 outputs"),
}  # fmt: skip


@pytest.mark.parametrize("case", EMPTY_ERRORS)
def test_what_is_empty_is_refused_by_name(case):
    function, message = EMPTY_ERRORS[case]
    with pytest.raises(ValueError, match=message):
        function()


def test_training_without_labels_is_refused_before_the_first_step():
    made = module()
    before = all_params(made)
    with pytest.raises(ValueError, match=r"train_data has no labels, .* needs softmax_label"):
        made.fit(mx.io.NDArrayIter(ROWS, None, 3), num_epoch=1)
    np.testing.assert_array_equal(all_params(made), before)


# --- NaN and infinity ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "use", ["FullyConnected", "Convolution", "Pooling", "Pooling 2×2", "average", "BatchNorm"]
)
def test_what_is_not_finite_is_not_swallowed(use, value):
    function, array = USES[use]
    array = array.copy()
    array.flat[8] = value
    if value == -math.inf and "Pooling" in use:
        array[...] = value  # a single one loses against any neighbour, as it should
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(function(array)).all()


@pytest.mark.parametrize(
    ("curve", "low", "high"),
    [("relu", 0, math.inf), ("sigmoid", 0, 1), ("tanh", -1, 1), ("softrelu", 0, math.inf),
     ("softsign", -1, 1)],
)  # fmt: skip
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_curves_at_infinity_and_nan(curve, low, high, kind):
    out = mx.layers.Activation(curve).forward(np.array([-np.inf, np.inf, np.nan], kind))
    np.testing.assert_allclose(out, [low, high, math.nan], rtol=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_training_on_what_is_not_finite_warns_once(value):
    array = ROWS.copy()
    array[4, 1] = value
    with pytest.warns(RuntimeWarning, match="NaN in epoch 0, batch 1") as caught:
        fitted(array, LABELS)
    assert len(caught) == 1


# --- labels ----------------------------------------------------------------------------------

WRONG_LABELS = [-1, 0.5, 3, 1e30, 2**40, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("wrong", WRONG_LABELS)
def test_a_label_that_is_no_class_stops_the_training_before_the_step(wrong):
    labels = np.array([0, 1, wrong], float)
    made = module()
    before = all_params(made)
    with pytest.raises(ValueError, match="softmax: label out of range: image 2 of the batch has"):
        made.fit(mx.io.NDArrayIter(ROWS[:3], labels, 3), num_epoch=1)
    np.testing.assert_array_equal(all_params(made), before)
    made.fit(mx.io.NDArrayIter(ROWS, LABELS, 3), num_epoch=1)


@pytest.mark.parametrize("wrong", WRONG_LABELS)
@pytest.mark.parametrize("name", ["acc", "ce", "nll-loss", "perplexity"])
def test_a_metric_takes_no_label_that_is_no_class(name, wrong):
    labels = np.array([0, 1, 2, 0, 2, wrong])
    if name == "acc" and wrong in (-1, 3, 1e30, 2**40):
        assert measured(name, labels)(np.eye(3)[LABELS]) == 5 / 6  # one that is never right
        return
    with pytest.raises(ValueError, match=r"label out of range|labels must be whole numbers"):
        measured(name, labels)(SCORES)


# --- sizes that do not fit -------------------------------------------------------------------


def test_a_batch_larger_than_the_data():
    few = mx.io.NDArrayIter(ROWS, LABELS, 20)
    made = module()
    np.testing.assert_allclose(made.predict(few), made.predict(ROWS), rtol=1e-6)
    small = made.score(mx.io.NDArrayIter(ROWS, LABELS, 2), "ce")[0][1]
    assert made.score(few, "ce")[0][1] == pytest.approx(small)
    made.fit(few, num_epoch=1)
    for handle in ("discard", "roll_over"):
        with pytest.raises(ValueError, match=r"batch_size 20 is larger than the data \(6 samples"):
            mx.io.NDArrayIter(ROWS, LABELS, 20, last_batch_handle=handle)


@pytest.mark.parametrize("op", [mx.sym.Convolution, mx.sym.Pooling])
@pytest.mark.parametrize("kernel", [(7, 1), (1, 6), (100, 100)])
def test_a_kernel_larger_than_the_image(op, kernel):
    settings = {"num_filter": 2} if op is mx.sym.Convolution else {}
    net = op(mx.sym.var("data"), kernel=kernel, name="window", **settings)
    message = "window: kernel size exceeds the input: the window spans"
    with pytest.raises(mx.ShapeError, match=message):
        net.infer_shape(data=IMAGES.shape)
    with pytest.raises(mx.ShapeError, match=message):
        mx.mod.Module(net, label_names=None).bind([("data", IMAGES.shape)])


def test_images_where_rows_are_wanted_and_the_reverse():
    with pytest.raises(mx.ShapeError, match=r"conv: expected images of shape \(N, C, H, W\)"):
        mx.layers.Convolution((2, 2), 3, name="conv").forward(ROWS)
    layer = mx.layers.FullyConnected(3, name="fc")
    layer.forward(ROWS)
    with pytest.raises(mx.ShapeError, match=r"fc: expected 4 inputs .* got 60 \(2×6×5 flattened"):
        layer.forward(IMAGES)
