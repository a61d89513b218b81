"""The activation layer: a curve applied to each number, so that layers are more than one matrix."""

import numpy as np

from course.kernels import activation
from course.layers.base import Layer, Shapes

_FUNCTIONS = {
    "relu": (activation.relu, activation.relu_backward),
    "sigmoid": (activation.sigmoid, activation.sigmoid_backward),
    "softrelu": (activation.softrelu, activation.softrelu_backward),
    "softsign": (activation.softsign, activation.softsign_backward),
    "tanh": (activation.tanh_float32, activation.tanh_backward),
}
ACTIVATION_TYPES = tuple(_FUNCTIONS)


class Activation(Layer):
    """relu max(x, 0); sigmoid 1/(1 + e⁻ˣ); tanh; softrelu log(1 + eˣ); softsign x/(1 + |x|).

    Any shape, which stays. Each grows with x. Goodfellow et al., "Deep Learning" (2016), 6.3.
    """

    def __init__(self, act_type, name=None):
        super().__init__(name)
        if not isinstance(act_type, str) or act_type not in _FUNCTIONS:
            raise ValueError(
                f"unknown act_type {act_type!r}: it must be one of {', '.join(ACTIVATION_TYPES)}"
            )
        self.act_type = act_type

    def infer_shape(self, data):
        return Shapes((data,), {}, {}, data)

    def prepare(self, shapes, dtype):
        self._function, self._derivative = _FUNCTIONS[self.act_type]
        if self.act_type == "tanh" and dtype == np.float64:
            self._function = activation.tanh_float64

    def compute(self, inputs, out, training):
        self._value = out.reshape(-1)
        self._function(inputs[0].reshape(-1), self._value)

    def gradient(self, d_out, d_inputs):
        if d_inputs[0] is not None:
            self._derivative(d_out.reshape(-1), self._value, d_inputs[0].reshape(-1))
