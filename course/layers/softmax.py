"""Softmax: scores become probabilities; and its combination with the cross-entropy loss."""

import math

import numpy as np

from course.arguments import choice, flag, number
from course.kernels import softmax
from course.layers.base import Layer, ShapeError, Shapes

NORMALIZATIONS = ("null", "batch", "valid")


class Softmax(Layer):
    """out[..., k] = exp(data[..., k]) / Σ exp(data[..., :]), along the last axis."""

    def infer_shape(self, data):
        if len(data) < 1:
            raise ShapeError(f"{self.name}: expected data of shape (N, K), got {data}")
        return Shapes((data,), {}, {}, data)

    def compute(self, inputs, out, training):
        self._rows = (-1, out.shape[-1])
        self._value = out.reshape(self._rows)
        softmax.softmax(inputs[0].reshape(self._rows), self._value)

    def gradient(self, d_out, d_inputs):
        if d_inputs[0] is not None:
            d_data = d_inputs[0].reshape(self._rows)
            softmax.softmax_backward(d_out.reshape(self._rows), self._value, d_data)


class SoftmaxOutput(Layer):
    """Softmax whose gradient is that of the cross-entropy with `label`: (p - one-hot) · grad_scale.

    data (N, K) scores, label (N,) class numbers 0 … K - 1; out (N, K) probabilities: the loss
    itself never shows (the metric 'ce' does). The gradient is the sum over the batch;
    `normalization='batch'` divides by N, 'valid' by the number of labels other than
    `ignore_label`. `Module` divides by N once more unless its optimizer is given rescale_grad=1.
    With `use_ignore=True`, rows labelled `ignore_label` have no gradient. Goodfellow et al.,
    "Deep Learning" (2016), section 6.2.2.
    """

    input_names = ("data", "label")
    follows = ("label",)
    is_loss = True

    def __init__(
        self, grad_scale=1.0, ignore_label=-1, use_ignore=False, normalization="null", name=None
    ):
        super().__init__(name)
        self.grad_scale = number(grad_scale, "grad_scale")
        self.ignore_label = number(ignore_label, "ignore_label")
        self.use_ignore = flag(use_ignore, "use_ignore")
        self.normalization = choice(normalization, "normalization", NORMALIZATIONS)

    def infer_shape(self, data, label=None):
        if len(data) != 2:
            raise ShapeError(
                f"{self.name}: expected scores of shape (N, classes), got {data}; "
                "put a FullyConnected layer with one output a class before it"
            )
        if label is None:
            label = data[:1]
        if label not in (data[:1], (data[0], 1)):
            raise ShapeError(
                f"{self.name}: expected {data[0]} labels, of shape {data[:1]}, for data of shape "
                f"{data}, got {label}"
            )
        return Shapes((data, label), {}, {}, data)

    def compute(self, inputs, out, training):
        self._value = out
        self._label = None if inputs[1] is None else inputs[1].reshape(-1)
        softmax.softmax(inputs[0], out)

    def gradient(self, d_out, d_inputs):
        if d_inputs[1] is not None:
            d_inputs[1][...] = 0
        if d_inputs[0] is None:
            return
        if self._label is None:
            raise ValueError(f"{self.name}: no labels were given, so there is no gradient")
        dtype = self._value.dtype.type
        divisor = 1
        if self.normalization == "batch":
            divisor = len(self._value)
        elif self.normalization == "valid":
            divisor = max(1, np.count_nonzero(self._label != self.ignore_label))
        scale = dtype(self.grad_scale / divisor)
        ignore = dtype(self.ignore_label if self.use_ignore else math.nan)
        wrong = softmax.cross_entropy_backward(self._value, self._label, scale, ignore, d_inputs[0])
        if wrong >= 0:
            classes = self._value.shape[1]
            raise ValueError(
                f"{self.name}: label out of range: image {wrong} of the batch has label "
                f"{self._label[wrong]:g}; with {classes} classes it must be a whole number from "
                f"0 to {classes - 1}"
            )
