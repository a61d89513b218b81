"""The fully-connected layer, and the flattening before it."""

import math

import numpy as np

from course.arguments import flag, whole_number
from course.kernels import dense
from course.kernels.threads import get_num_threads
from course.layers.base import Layer, ShapeError, Shapes, times


class Flatten(Layer):
    """Each image as one row: (N, C, H, W) -> (N, C·H·W). Copies nothing inside a network."""

    is_view = True

    def infer_shape(self, data):
        if len(data) < 1:
            raise ShapeError(f"{self.name}: expected data of shape (N, ...), got {data}")
        return Shapes((data,), {}, {}, (data[0], math.prod(data[1:])))

    def compute(self, inputs, out, training):
        out[...] = inputs[0].reshape(out.shape)

    def gradient(self, d_out, d_inputs):
        d_inputs[0][...] = d_out.reshape(d_inputs[0].shape)


class FullyConnected(Layer):
    """out = data weightᵀ + bias: each of `num_hidden` neurons sees all inputs.

    weight (num_hidden, inputs), bias (num_hidden,). data (N, ...) is flattened to (N, inputs), or
    with `flatten=False` the last axis alone is transformed. Goodfellow et al., "Deep Learning"
    (2016), section 6.5.
    """

    def __init__(self, num_hidden, no_bias=False, flatten=True, name=None):
        super().__init__(name)
        self.num_hidden = whole_number(num_hidden, "num_hidden", 1)
        self.flatten = flag(flatten, "flatten")
        self.param_names = ("weight",) if flag(no_bias, "no_bias") else ("weight", "bias")

    def infer_shape(self, data):
        if len(data) < 2:
            raise ShapeError(f"{self.name}: expected data of shape (N, ...), got {data}")
        inputs = math.prod(data[1:]) if self.flatten else data[-1]
        rows = data[:1] if self.flatten else data[:-1]
        shapes = {"weight": (self.num_hidden, inputs), "bias": (self.num_hidden,)}
        params = {key: shapes[key] for key in self.param_names}
        self._data_shape = data
        return Shapes((data,), params, {}, (*rows, self.num_hidden))

    def check_param(self, key, got, wanted):
        if key == "weight" and len(got) == 2 and got[0] == wanted[0] and got != wanted:
            flattened = ""
            if self.flatten and len(self._data_shape) > 2:
                flattened = f" ({times(self._data_shape[1:])} flattened)"
            raise ShapeError(
                f"{self.name}: expected {got[1]} inputs (its weight is {times(got)}), "
                f"got {wanted[1]}{flattened}"
            )
        super().check_param(key, got, wanted)

    def prepare(self, shapes, dtype):
        rows = math.prod(shapes.output[:-1])
        self._d_out_t = np.empty((self.num_hidden, rows), dtype)
        self._nothing = np.empty((0, shapes.params["weight"][1]), dtype)
        self._no_bias = np.empty(0, dtype)

    def compute(self, inputs, out, training):
        weight = self.params["weight"]
        self._data = inputs[0].reshape(-1, weight.shape[1])
        bias = self.params.get("bias", self._no_bias)
        dense.forward(self._data, weight, bias, out.reshape(-1, len(weight)), get_num_threads())

    def gradient(self, d_out, d_inputs):
        weight = self.params["weight"]
        d_data = self._nothing if d_inputs[0] is None else d_inputs[0].reshape(self._data.shape)
        dense.backward(
            self._data,
            weight,
            d_out.reshape(-1, len(weight)),
            self._d_out_t,
            self.grads["weight"],
            self.grads.get("bias", self._no_bias),
            d_data,
            get_num_threads(),
        )
