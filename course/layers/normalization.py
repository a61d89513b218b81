"""Layers that behave differently in training and in prediction: batch normalisation, dropout."""

import numpy as np

from course import random
from course.arguments import flag, number
from course.layers.base import Layer, ShapeError, Shapes


class BatchNorm(Layer):
    """out = gamma · (data - mean) / √(var + eps) + beta, for each channel.

    data (N, C, ...), gamma and beta (C,). In training mean and (biased) variance are the batch's,
    and the states follow them: moving = momentum · moving + (1 - momentum) · batch. In prediction
    the moving ones are used. `fix_gamma=True` (the default, as in MXNet) takes gamma as 1. Ioffe
    and Szegedy, "Batch Normalization" (2015).
    """

    param_names = ("gamma", "beta")
    state_names = ("moving_mean", "moving_var")

    def __init__(self, eps=1e-3, momentum=0.9, fix_gamma=True, use_global_stats=False, name=None):
        super().__init__(name)
        self.eps = number(eps, "eps")
        if self.eps <= 0:
            raise ValueError(f"eps must be positive, got {eps!r}")
        self.momentum = number(momentum, "momentum")
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum must be between 0 and 1, got {momentum!r}")
        self.fix_gamma = flag(fix_gamma, "fix_gamma")
        self.use_global_stats = flag(use_global_stats, "use_global_stats")

    def infer_shape(self, data):
        if len(data) < 2:
            raise ShapeError(f"{self.name}: expected data of shape (N, C, ...), got {data}")
        channels = data[1:2]
        params = dict.fromkeys(self.param_names, channels)
        return Shapes((data,), params, dict.fromkeys(self.state_names, channels), data)

    def prepare(self, shapes, dtype):
        dimensions = len(shapes.inputs[0])
        self._axes = (0, *range(2, dimensions))  # all but the channels
        self._channels = (1, -1) + (1,) * (dimensions - 2)
        self._normalized = np.empty(shapes.inputs[0], dtype)

    def compute(self, inputs, out, training):
        data = inputs[0]
        moving_mean, moving_var = self.states["moving_mean"], self.states["moving_var"]
        self._of_batch = training and not self.use_global_stats
        if self._of_batch:
            mean, var = data.mean(axis=self._axes), data.var(axis=self._axes)
            moving_mean += (1 - self.momentum) * (mean - moving_mean)
            moving_var += (1 - self.momentum) * (var - moving_var)
        else:
            mean, var = moving_mean, moving_var
        self._scale = (1 / np.sqrt(var + self.eps)).reshape(self._channels).astype(data.dtype)
        np.subtract(data, mean.reshape(self._channels), out=self._normalized)
        self._normalized *= self._scale
        np.multiply(self._normalized, self._gamma(), out=out)
        out += self.params["beta"].reshape(self._channels)

    def gradient(self, d_out, d_inputs):
        # With x̂ the normalised data: dL/dx = γ/σ (dL/dy - mean(dL/dy) - x̂ mean(x̂ dL/dy)).
        d_beta = d_out.sum(axis=self._axes)
        d_gamma = (d_out * self._normalized).sum(axis=self._axes)
        self.grads["beta"][...] = d_beta
        self.grads["gamma"][...] = 0 if self.fix_gamma else d_gamma
        d_data = d_inputs[0]
        if d_data is None:
            return
        np.copyto(d_data, d_out)
        if self._of_batch:
            count = d_out.size // d_beta.size
            d_data -= (d_beta / count).reshape(self._channels)
            d_data -= self._normalized * (d_gamma / count).reshape(self._channels)
        d_data *= self._scale * self._gamma()

    def _gamma(self):
        return 1 if self.fix_gamma else self.params["gamma"].reshape(self._channels)


class Dropout(Layer):
    """In training sets each number to 0 with probability p and divides the others by 1 - p.

    In prediction it changes nothing. Srivastava et al., "Dropout" (2014).
    """

    def __init__(self, p=0.5, name=None):
        super().__init__(name)
        self.p = number(p, "p", low=0, below=1)

    def infer_shape(self, data):
        return Shapes((data,), {}, {}, data)

    def prepare(self, shapes, dtype):
        self._factor = np.empty(shapes.inputs[0], dtype)

    def compute(self, inputs, out, training):
        if training:
            random.generator().random(out=self._factor, dtype=self._factor.dtype)
            np.greater_equal(self._factor, self.p, out=self._factor)
            self._factor *= 1 / (1 - self.p)
        else:
            self._factor[...] = 1
        np.multiply(inputs[0], self._factor, out=out)

    def gradient(self, d_out, d_inputs):
        if d_inputs[0] is not None:
            np.multiply(d_out, self._factor, out=d_inputs[0])
