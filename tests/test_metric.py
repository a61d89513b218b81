import math

import numpy as np
import pytest

import course as mx

PREDS = np.array([[0.3, 0.7], [0, 1], [0.4, 0.6]], np.float32)
LABELS = np.array([0, 1, 1])


def value(metric, labels=LABELS, preds=PREDS):
    metric = mx.metric.create(metric)
    metric.update([labels], [preds])
    return metric.get()[1]


def scores(rng, count, classes):
    preds = rng.random((count, classes)).astype(np.float32)
    return rng.integers(0, classes, count), preds / preds.sum(axis=1, keepdims=True)


# ---- values


@pytest.mark.parametrize(
    ("name", "expected"),
    [("acc", 0.666667), ("ce", 0.571599), ("nll_loss", 0.571599), ("f1", 0.8),
     ("perplexity", 1.771098)],
)  # fmt: skip
def test_numbers_from_mxnets_documentation(name, expected):
    assert value(name) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("name", "expected"), [("mse", 0.375), ("mae", 0.5), ("rmse", 0.612372)])
def test_distances_from_mxnets_documentation(name, expected):
    labels, preds = np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8])
    assert value(name, labels, preds) == pytest.approx(expected, abs=1e-6)
    assert value(name, labels, preds[:, None]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize("name", ["acc", "ce", "f1"])
def test_labels_of_any_dtype_and_of_both_shapes(name, shape, dtype):
    assert value(name, LABELS.astype(dtype).reshape(shape)) == value(name)


def test_accuracy_compares_class_numbers_of_the_labels_shape():
    assert value("acc", np.array([1, 2, 3, 4]), np.array([1.0, 2.0, 0.0, 4.0])) == 0.75


def test_accuracy_along_another_axis(rng):
    preds, labels = rng.random((4, 5, 3)), rng.integers(0, 3, (4, 5))
    hits = [
        max(range(3), key=lambda k: preds[n, j, k]) == labels[n, j]
        for n in range(4)
        for j in range(5)
    ]
    assert value(mx.metric.Accuracy(axis=2), labels, preds) == pytest.approx(np.mean(hits))


def test_top_k_accuracy_looks_at_the_k_largest(rng):
    labels, preds = scores(rng, 50, 6)
    hits = [
        label in sorted(range(6), key=lambda k: -row[k])[:3]
        for label, row in zip(labels, preds, strict=True)
    ]
    metric = mx.metric.create("top_k_accuracy", top_k=3)
    metric.update([labels], [preds])
    assert metric.get() == ("top_k_accuracy_3", pytest.approx(np.mean(hits)))


def test_cross_entropy_is_the_mean_of_minus_log_p(rng):
    labels, preds = scores(rng, 50, 6)
    logs = [-math.log(row[label]) for label, row in zip(labels, preds.tolist(), strict=True)]
    assert value("ce", labels, preds) == pytest.approx(np.mean(logs))


def test_cross_entropy_of_a_probability_of_zero_is_finite():
    zero = np.array([[0, 1]], np.float32)
    assert value("ce", np.array([0]), zero) == pytest.approx(27.631, abs=1e-3)


def test_perplexity_leaves_out_the_ignored_label():
    metric = mx.metric.Perplexity(ignore_label=0)
    assert value(metric) == pytest.approx(math.exp(-math.log(0.6) / 2))


def test_f1_over_batches_or_over_samples():
    batches = [([1, 1, 0, 0], [1, 0, 0, 0]), ([1, 0, 0, 0], [1, 1, 1, 1])]
    macro, micro = mx.metric.F1(), mx.metric.F1(average="micro")
    for labels, found in batches:
        for metric in (macro, micro):
            metric.update([np.array(labels)], [np.eye(2)[found]])
    assert macro.get()[1] == pytest.approx((2 / 3 + 2 / 5) / 2)
    assert micro.get()[1] == pytest.approx(2 * 2 / (2 * 2 + 3 + 1))


def test_f1_without_any_positive_is_zero():
    assert value("f1", np.array([0, 0]), np.eye(2)[[0, 0]]) == 0


def test_loss_is_the_mean_of_the_outputs_and_needs_no_label():
    metric = mx.metric.create("loss")
    metric.update([], [np.array([1.0, 2.0]), np.array([6.0])])
    assert metric.get() == ("loss", 3.0)


def test_means_of_batches_for_distances_and_of_samples_for_classes():
    mse, accuracy = mx.metric.create("mse"), mx.metric.create("acc")
    for right in ([1], [0, 0, 0]):
        truth = np.ones(len(right))
        mse.update([truth], [np.array(right, float)])
        accuracy.update([truth], [np.array(right, float)])
    assert mse.get()[1] == 0.5
    assert accuracy.get()[1] == 0.25


# ---- windows


@pytest.mark.parametrize("name", ["acc", "ce", "mse", "loss"])
def test_nan_before_the_first_update(name):
    assert math.isnan(mx.metric.create(name).get()[1])
    assert math.isnan(mx.metric.create(name).get_global()[1])


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_a_new_window_leaves_the_global_value_alone(average, rng):
    whole, windowed = mx.metric.F1(average=average), mx.metric.F1(average=average)
    for _ in range(3):
        labels, preds = scores(rng, 20, 2)
        whole.update([labels], [preds])
        windowed.reset_local()
        windowed.update([labels], [preds])
    assert windowed.get()[1] == pytest.approx(value(mx.metric.F1(average=average), labels, preds))
    assert windowed.get_global()[1] == pytest.approx(whole.get()[1])
    windowed.reset_local()
    assert math.isnan(windowed.get()[1])
    assert windowed.get_global_name_value() == [("f1", pytest.approx(whole.get()[1]))]


def test_reset_forgets_everything():
    metric = mx.metric.create("acc")
    metric.update([LABELS], [PREDS])
    metric.reset_local()
    metric.reset()
    assert math.isnan(metric.get_global()[1])


def test_text_of_a_metric():
    metric = mx.metric.create(lambda label, pred: np.float64(0.5))
    metric.update(LABELS, PREDS)
    assert str(metric) == "EvalMetric: {'custom(<lambda>)': 0.5}"


# ---- one's own


def first_of_both(label, pred):
    return float(label[0] + pred[0, 1])


@pytest.mark.parametrize("make", [mx.metric.create, mx.metric.np, mx.metric.CustomMetric])
def test_a_metric_from_a_function(make):
    metric = make(first_of_both)
    metric.update([LABELS], [PREDS])
    assert metric.get_name_value() == [("first_of_both", pytest.approx(0.7))]


def test_a_function_may_give_sum_and_count():
    assert value(lambda label, pred: (10, 4)) == 2.5


def test_extra_outputs_are_left_out_if_allowed():
    metric = mx.metric.CustomMetric(lambda label, pred: 1.0, "mine", allow_extra_outputs=True)
    metric.update([LABELS], [PREDS, PREDS])
    assert metric.get() == ("mine", 1.0)


def test_a_class_of_ones_own_as_in_mxnet():
    class Ones(mx.metric.EvalMetric):
        def __init__(self):
            super().__init__("ones")

        def update(self, labels, preds):
            self.sum_metric += (labels[0] == 1).sum()
            self.num_inst += len(labels[0])

    metric = mx.metric.create(Ones)
    metric.update([LABELS], [PREDS])
    metric.reset_local()
    metric.update([np.array([0])], [PREDS])
    assert metric.get() == ("ones", 0.0)
    assert metric.get_global() == ("ones", 0.5)


# ---- several at once


def test_several_metrics_at_once():
    metric = mx.metric.create(["acc", mx.metric.CrossEntropy()])
    metric.update([LABELS], [PREDS])
    assert metric.get() == (
        ["accuracy", "cross-entropy"],
        [pytest.approx(0.666667, abs=1e-6), pytest.approx(0.571599, abs=1e-6)],
    )
    metric.reset_local()
    assert all(math.isnan(found) for _, found in metric.get_name_value())
    assert metric.get_global_name_value()[0] == ("accuracy", pytest.approx(2 / 3))
    metric.reset()
    assert math.isnan(metric.get_global_name_value()[0][1])


def test_metrics_can_be_added_and_found():
    metric = mx.metric.CompositeEvalMetric()
    metric.add("mae")
    assert metric.get_metric(0).get_name_value() == [("mae", pytest.approx(math.nan, nan_ok=True))]
    with pytest.raises(IndexError, match="there are 1 metrics, got number 1"):
        metric.get_metric(1)


# ---- mistakes


@pytest.mark.parametrize("wrong", ["accurracy", 5, None, dict])
def test_what_is_no_metric_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no metric; known are acc, accuracy"):
        mx.metric.create(wrong)


@pytest.mark.parametrize(
    ("name", "labels", "preds", "message"),
    [
        ("ce", [0, 2, 1], PREDS, "label out of range: 2; with 2 classes it must be from 0 to 1"),
        ("ce", [0, -1, 1], PREDS, "label out of range: -1"),
        ("ce", [0, math.nan, 1], PREDS, "label out of range: nan"),
        ("f1", [0, 7, 1], PREDS, "label out of range: 7"),
        ("acc", [0, 1], PREDS, "one label a sample, got 2 for 3 outputs"),
        ("ce", [0, 1], PREDS, "one label a sample, got 2 for 3 outputs"),
        ("acc", [0, 1], [0.5, 0.5, 1], r"class axis 1, got shape \(3,\)"),
        ("ce", LABELS, [0.5, 0.5, 1], r"shape \(N, classes\), got \(3,\)"),
        ("f1", LABELS, np.eye(3), r"two classes, got outputs of shape \(3, 3\)"),
        ("mse", LABELS, PREDS, r"got shapes \(3,\) and \(3, 2\)"),
    ],
)
def test_labels_that_do_not_fit_are_explained(name, labels, preds, message):
    with pytest.raises(ValueError, match=message):
        value(name, np.array(labels), np.array(preds))


def test_each_output_needs_its_labels():
    with pytest.raises(ValueError, match=r"Shape of labels 1 does not match .* predictions 2"):
        mx.metric.create("acc").update([LABELS], [PREDS, PREDS])


def test_top_1_is_accuracy():
    with pytest.raises(ValueError, match="top_k must be at least 2"):
        mx.metric.TopKAccuracy(1)


def test_an_unknown_average():
    with pytest.raises(ValueError, match="average must be one of macro, micro, got 'mean'"):
        mx.metric.F1(average="mean")
