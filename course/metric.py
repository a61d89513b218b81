"""Metrics: how good the outputs are. Each counts batch by batch.

A metric keeps two counts: of all batches since `reset` (`get_global`), and of the window since
`reset_local` (`get`), which `Speedometer` begins anew with each line.
"""

import math

import numpy

from course.arguments import choice, flag, number, numeric, whole_number


class EvalMetric:
    """An average over samples: `get()` is (name, value), NaN before the first update.

    A metric of your own defines `evaluate`; or, as in MXNet, `update`, which adds to `sum_metric`
    and `num_inst`, the sum and the number of samples in the present window.
    """

    def __init__(self, name: str):
        self.name = name
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.sum_metric = 0.0
        self.num_inst = 0
        self._past = (0.0, 0)

    def reset_local(self) -> None:
        """Begin a new window; the global value keeps counting."""
        total, count = self._past
        self._past = (total + self.sum_metric, count + self.num_inst)
        self.sum_metric = 0.0
        self.num_inst = 0

    def update(self, labels, preds) -> None:
        """Count a batch: labels and predictions, an array each or equally long lists of them."""
        labels, preds = _as_list(labels), _as_list(preds)
        if len(labels) != len(preds):
            raise ValueError(
                f"Shape of labels {len(labels)} does not match shape of predictions {len(preds)}: "
                "each output needs its labels"
            )
        for label, pred in zip(labels, preds, strict=True):
            self._add(*self.evaluate(numeric(label, "the labels"), numeric(pred, "the outputs")))

    def evaluate(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[float, int]:
        """(sum, count) over the samples of one batch."""
        raise NotImplementedError

    def _add(self, total, count):
        # Not +=, which would change the array of F1 in place, and a sum put aside with it.
        self.sum_metric = self.sum_metric + total
        self.num_inst += count

    def value_of(self, total: float, count: int) -> float:
        """The metric's value from a sum and a count."""
        return total / count

    def get(self):
        """(name, value) of the present window."""
        total, count = self.sum_metric, self.num_inst
        return self.name, float(self.value_of(total, count)) if count else math.nan

    def get_global(self):
        """(name, value) since `reset`."""
        total, count = self._past[0] + self.sum_metric, self._past[1] + self.num_inst
        return self.name, float(self.value_of(total, count)) if count else math.nan

    def get_name_value(self):
        """[(name, value)] of the present window."""
        return _pairs(*self.get())

    def get_global_name_value(self):
        """[(name, value)] since `reset`."""
        return _pairs(*self.get_global())

    def __str__(self):
        return f"EvalMetric: {dict(self.get_name_value())}"


class Accuracy(EvalMetric):
    """The part of the samples whose largest output is that of the right class.

    preds (N, classes), or class numbers of the labels' shape; labels (N,) or (N, 1).
    """

    def __init__(self, axis=1, name="accuracy"):
        self.axis = whole_number(axis, "axis", -1)
        super().__init__(name)

    def evaluate(self, label, pred):
        if pred.shape != label.shape:
            if pred.ndim <= max(self.axis, 0):
                raise ValueError(
                    f"expected outputs with a class axis {self.axis}, got shape {pred.shape} for "
                    f"labels of shape {label.shape}"
                )
            pred = pred.argmax(self.axis)
        label = label.reshape(-1)
        pred = pred.reshape(-1)
        _check_lengths(label, pred)
        _check_whole(label)
        right = numpy.trunc(pred) == label
        return int(numpy.count_nonzero(right)), label.size


class TopKAccuracy(EvalMetric):
    """The part of the samples whose class is among the `top_k` largest outputs."""

    def __init__(self, top_k=1, name="top_k_accuracy"):
        self.top_k = whole_number(top_k, "top_k")
        if self.top_k < 2:
            raise ValueError(f"top_k must be at least 2 (Accuracy is for 1), got {top_k!r}")
        super().__init__(f"{name}_{top_k}")

    def evaluate(self, label, pred):
        label = _class_numbers(label, pred)
        best = numpy.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
        return int(numpy.count_nonzero(best == label[:, None])), label.size


class F1(EvalMetric):
    """2 · precision · recall / (precision + recall), of class 1 against class 0.

    average='macro' (the default): the mean of the batches' values; 'micro': of all samples.
    """

    def __init__(self, name="f1", average="macro"):
        self.average = choice(average, "average", ("macro", "micro"))
        super().__init__(name)

    def evaluate(self, label, pred):
        label = _class_numbers(label, pred)
        if pred.shape[1] != 2:
            raise ValueError(f"F1 is for two classes, got outputs of shape {pred.shape}")
        positive = pred.argmax(1) == 1
        # The sum is a vector of three numbers: true positives, and the two kinds of errors.
        counts = numpy.array(
            [
                numpy.count_nonzero(positive & (label == 1)),
                numpy.count_nonzero(positive & (label == 0)),
                numpy.count_nonzero(~positive & (label == 1)),
            ],
            float,
        )
        return (counts, 1) if self.average == "micro" else (_f1(counts), 1)

    def value_of(self, total, count):
        return _f1(total) if self.average == "micro" else total / count


def _f1(counts):
    true_positive, false_positive, false_negative = counts
    divisor = 2 * true_positive + false_positive + false_negative
    return 2 * true_positive / divisor if divisor else 0.0


class CrossEntropy(EvalMetric):
    """The loss that SoftmaxOutput trains: the mean of -log(p of the right class + eps)."""

    def __init__(self, eps=1e-12, name="cross-entropy"):
        self.eps = number(eps, "eps", low=0)
        super().__init__(name)

    def evaluate(self, label, pred):
        label = _class_numbers(label, pred)
        right = pred[numpy.arange(len(label)), label].astype(numpy.float64)
        return float(-numpy.log(right + self.eps).sum()), label.size


class NegativeLogLikelihood(CrossEntropy):
    """The same as CrossEntropy, under its other name."""

    def __init__(self, eps=1e-12, name="nll-loss"):
        super().__init__(eps, name)


class Perplexity(EvalMetric):
    """e to the power of the cross-entropy; labels equal to `ignore_label` are left out."""

    def __init__(self, ignore_label=None, name="perplexity"):
        if ignore_label is not None:
            ignore_label = number(ignore_label, "ignore_label")
        self.ignore_label = ignore_label
        super().__init__(name)

    def evaluate(self, label, pred):
        flat = label.reshape(-1)
        if pred.ndim < 2:
            raise ValueError(f"expected outputs of shape (..., classes), got {pred.shape}")
        pred = pred.reshape(-1, pred.shape[-1])
        if self.ignore_label is not None:
            _check_lengths(flat, pred)
            kept = flat != self.ignore_label
            flat, pred = flat[kept], pred[kept]
        numbers = _class_numbers(flat, pred)
        right = pred[numpy.arange(len(numbers)), numbers].astype(numpy.float64)
        return float(-numpy.log(numpy.maximum(right, 1e-10)).sum()), numbers.size

    def value_of(self, total, count):
        return math.exp(total / count)


class _Difference(EvalMetric):
    """The mean over the batches of a batch's mean difference of two arrays of equal size."""

    def evaluate(self, label, pred):
        if label.size != pred.size:
            raise ValueError(
                f"expected as many labels as outputs, got shapes {label.shape} and {pred.shape}"
            )
        return float(self.mean(label.reshape(pred.shape).astype(numpy.float64) - pred)), 1

    def mean(self, difference: numpy.ndarray) -> float:
        """The batch's value."""
        raise NotImplementedError


class MAE(_Difference):
    """Mean absolute error."""

    def __init__(self, name="mae"):
        super().__init__(name)

    def mean(self, difference):
        return numpy.abs(difference).mean()


class MSE(_Difference):
    """Mean squared error."""

    def __init__(self, name="mse"):
        super().__init__(name)

    def mean(self, difference):
        return (difference**2).mean()


class RMSE(_Difference):
    """Root of the mean squared error of each batch."""

    def __init__(self, name="rmse"):
        super().__init__(name)

    def mean(self, difference):
        return math.sqrt((difference**2).mean())


class Loss(EvalMetric):
    """The mean of the outputs themselves, for a network that puts out its loss."""

    def __init__(self, name="loss"):
        super().__init__(name)

    def update(self, labels, preds) -> None:
        """Count a batch; labels are not needed."""
        for pred in _as_list(preds):
            self._add(float(numpy.sum(numeric(pred, "the outputs"))), numpy.size(pred))


class CustomMetric(EvalMetric):
    """Your own: `feval(label, pred)` gives a value for the batch, or (sum, count)."""

    def __init__(self, feval, name=None, allow_extra_outputs=False):
        if not callable(feval):
            raise TypeError(f"feval must be a function of (label, pred), got {feval!r}")
        if name is None:
            name = getattr(feval, "__name__", "custom")
            name = f"custom({name})" if "<" in name else name
        self._feval = feval
        self._allow_extra_outputs = flag(allow_extra_outputs, "allow_extra_outputs")
        super().__init__(name)

    def update(self, labels, preds) -> None:
        """Count a batch."""
        labels, preds = _as_list(labels), _as_list(preds)
        if self._allow_extra_outputs:
            preds = preds[: len(labels)]
        super().update(labels, preds)

    def evaluate(self, label, pred):
        value = self._feval(label, pred)
        return value if isinstance(value, tuple) else (value, 1)


def np(numpy_feval, name=None, allow_extra_outputs=False) -> CustomMetric:
    """A metric from a function of two numpy arrays (label, pred): CustomMetric by its old name."""
    return CustomMetric(numpy_feval, name, allow_extra_outputs)


class CompositeEvalMetric(EvalMetric):
    """Several metrics at once; `get()` is (names, values)."""

    def __init__(self, metrics=None, name="composite"):
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise TypeError(f"metrics must be a list, got {metrics!r:.200}")
        self.metrics = [create(metric) for metric in metrics or []]
        super().__init__(name)

    def add(self, metric) -> None:
        """One more."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """One of them. Raises IndexError if there is none."""
        if not 0 <= index < len(self.metrics):
            raise IndexError(f"there are {len(self.metrics)} metrics, got number {index}")
        return self.metrics[index]

    def reset(self) -> None:
        """Forget everything."""
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        """Begin a new window."""
        for metric in self.metrics:
            metric.reset_local()

    def update(self, labels, preds) -> None:
        """Count a batch in each metric."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def get(self):
        """(names, values) of the present window."""
        pairs = [pair for metric in self.metrics for pair in metric.get_name_value()]
        return [name for name, _ in pairs], [value for _, value in pairs]

    def get_global(self):
        """(names, values) since `reset`."""
        pairs = [pair for metric in self.metrics for pair in metric.get_global_name_value()]
        return [name for name, _ in pairs], [value for _, value in pairs]


NAMES = {
    "acc": Accuracy,
    "accuracy": Accuracy,
    "ce": CrossEntropy,
    "cross-entropy": CrossEntropy,
    "crossentropy": CrossEntropy,
    "f1": F1,
    "loss": Loss,
    "mae": MAE,
    "mse": MSE,
    "nll-loss": NegativeLogLikelihood,
    "nll_loss": NegativeLogLikelihood,
    "perplexity": Perplexity,
    "rmse": RMSE,
    "top_k_acc": TopKAccuracy,
    "top_k_accuracy": TopKAccuracy,
    "topkaccuracy": TopKAccuracy,
}


def create(metric, **settings) -> EvalMetric:
    """A metric from a name ('acc'), a list of such, a function (label, pred), or itself.

    Raises ValueError for an unknown name.
    """
    if isinstance(metric, EvalMetric):
        return metric
    if isinstance(metric, (list, tuple)):
        return CompositeEvalMetric(metric)
    if isinstance(metric, type) and issubclass(metric, EvalMetric):
        return metric(**settings)
    if callable(metric) and not isinstance(metric, type):
        return CustomMetric(metric, **settings)
    if not isinstance(metric, str) or metric.lower() not in NAMES:
        raise ValueError(f"{metric!r} is no metric; known are {', '.join(NAMES)}")
    return NAMES[metric.lower()](**settings)


def _pairs(names, values):
    if isinstance(names, list):
        return list(zip(names, values, strict=True))
    return [(names, values)]


def _as_list(arrays):
    return arrays if isinstance(arrays, (list, tuple)) else [arrays]


def _check_lengths(label, pred):
    if len(label) != len(pred):
        raise ValueError(f"expected one label a sample, got {len(label)} for {len(pred)} outputs")


def _check_whole(label):
    wrong = label != numpy.trunc(label)  # NaN too
    wrong |= numpy.isinf(label)
    if wrong.any():
        raise ValueError(f"labels must be whole numbers, got {label[wrong][0]:g}")


def _class_numbers(label, pred):
    """Labels as integers; raises ValueError unless there is one a row of pred, in range."""
    if pred.ndim != 2:
        raise ValueError(f"expected outputs of shape (N, classes), got {pred.shape}")
    label = label.reshape(-1)
    _check_lengths(label, pred)
    wrong = ~((label >= 0) & (label < pred.shape[1]))
    if wrong.any():
        raise ValueError(
            f"label out of range: {label[wrong][0]:g}; with {pred.shape[1]} classes it must be "
            f"from 0 to {pred.shape[1] - 1}"
        )
    _check_whole(label)
    return label.astype(numpy.int64)
