"""The convolutional layer."""

import numpy as np

from course.arguments import flag, pair, whole_number
from course.kernels import convolution
from course.kernels.threads import get_num_threads
from course.layers.base import Layer, ShapeError, Shapes


class Convolution(Layer):
    """Slides `num_filter` small windows of weights over each image and sums the products.

    data (N, C, H, W), weight (num_filter, C / num_group, kh, kw), bias (num_filter,); out
    (N, num_filter, P, Q) with P = ⌊(H + 2 pad - dilate (kh - 1) - 1) / stride⌋ + 1, Q likewise.
    The formula stands in course/kernels/convolution.py; see Dumoulin and Visin, "A guide to
    convolution arithmetic for deep learning" (2016).
    """

    def __init__(
        self,
        kernel,
        num_filter,
        stride=None,
        pad=None,
        dilate=None,
        num_group=1,
        no_bias=False,
        name=None,
    ):
        super().__init__(name)
        self.kernel = pair(kernel, 1, "kernel", 1)
        self.stride = pair(stride, 1, "stride", 1)
        self.dilate = pair(dilate, 1, "dilate", 1)
        self.pad = pair(pad, 0, "pad", 0)
        self.num_filter = whole_number(num_filter, "num_filter", 1)
        self.num_group = whole_number(num_group, "num_group", 1)
        self.param_names = ("weight",) if flag(no_bias, "no_bias") else ("weight", "bias")
        if self.num_filter % self.num_group:
            raise ValueError(
                f"num_filter must be a multiple of num_group, got {num_filter} and {num_group}"
            )

    def infer_shape(self, data):
        if len(data) != 4:
            raise ShapeError(
                f"{self.name}: expected images of shape (N, C, H, W), got {data}; "
                "reshape the data or leave out a flatten before this layer"
            )
        images, channels, *size = data
        if channels % self.num_group:
            raise ShapeError(
                f"{self.name}: expected a number of channels divisible by num_group = "
                f"{self.num_group}, got {channels}"
            )
        positions = []
        for side, axis in enumerate(("rows", "columns")):
            extent = self.dilate[side] * (self.kernel[side] - 1) + 1
            padded = size[side] + 2 * self.pad[side]
            if extent > padded:
                raise ShapeError(
                    f"{self.name}: kernel size exceeds the input: the window spans {extent} "
                    f"{axis}, the image with its padding has {padded}"
                )
            positions.append((padded - extent) // self.stride[side] + 1)
        weight = (self.num_filter, channels // self.num_group, *self.kernel)
        shapes = {"weight": weight, "bias": (self.num_filter,)}
        params = {key: shapes[key] for key in self.param_names}
        return Shapes((data,), params, {}, (images, self.num_filter, *positions))

    def prepare(self, shapes, dtype):
        images, channels, height, width = shapes.inputs[0]
        self._image_shape = (channels, height, width)
        self._padded = self._d_padded = None
        if any(self.pad):
            rows, columns = self.pad
            padded = (images, channels, height + 2 * rows, width + 2 * columns)
            self._padded = np.zeros(padded, dtype)
            self._inner = np.s_[:, :, rows : rows + height, columns : columns + width]
        self._positions = shapes.output[2:]
        self._no_bias = np.empty((0, 0), dtype)
        self._one = np.ones(1, dtype)
        self._dtype = dtype
        self._make_spaces(get_num_threads())

    def _make_spaces(self, shares):
        """Working space for each share of the batch, one a thread."""
        channels = self._image_shape[0] // self.num_group
        groups, filters = self.num_group, self.num_filter // self.num_group
        terms = channels * self.kernel[0] * self.kernel[1]
        positions = self._positions[0] * self._positions[1]
        shape = (shares, channels, *self.kernel, *self._positions)
        self._windows = np.empty(shape, self._dtype)
        self._cols = self._windows.reshape(shares, terms, positions)
        self._d_out_t = np.empty((shares, positions, filters), self._dtype)
        self._d_weight_t = np.empty((shares, groups, terms, filters), self._dtype)
        self._d_bias = np.empty((shares, groups, filters), self._dtype)
        self._weight_t = np.empty((groups, terms, filters), self._dtype)
        self._grouped = (groups, filters, terms)

    def _images(self, data):
        """Each group of channels as an image of its own: (N, C, H, W) -> (N·G, C/G, H, W)."""
        groups = self.num_group
        return data.reshape(len(data) * groups, data.shape[1] // groups, *data.shape[2:])

    def _outputs(self, out):
        """The same for outputs, whose rows and columns are one axis: (N·G, F/G, P·Q)."""
        return out.reshape(len(out) * self.num_group, self._grouped[1], -1)

    def compute(self, inputs, out, training):
        if len(self._cols) != get_num_threads():
            self._make_spaces(get_num_threads())
        data = inputs[0]
        if self._padded is not None:
            self._padded[self._inner] = inputs[0]
            data = self._padded
        self._data = self._images(data)
        groups, filters, _ = self._grouped
        bias = self.params["bias"].reshape(groups, filters) if self._has_bias() else self._no_bias
        convolution.forward(
            self._data,
            self.params["weight"].reshape(self._grouped),
            bias,
            self.stride,
            self.dilate,
            self._windows,
            self._cols,
            self._outputs(out),
        )

    def gradient(self, d_out, d_inputs):
        weight = self.params["weight"].reshape(self._grouped)
        np.copyto(self._weight_t, weight.transpose(0, 2, 1))
        if d_inputs[0] is None:
            d_data = self._data[:0]
        elif self._padded is None:
            d_data = self._images(d_inputs[0])
        else:
            if self._d_padded is None:
                self._d_padded = np.empty_like(self._padded)
            d_data = self._images(self._d_padded)
        self._d_weight_t[...] = 0
        self._d_bias[...] = 0
        convolution.backward(
            self._data,
            self._weight_t,
            self._outputs(d_out),
            self.stride,
            self.dilate,
            self._windows,
            self._cols,
            self._d_out_t,
            self._one,
            self._d_weight_t,
            self._d_bias,
            d_data,
        )
        d_weight = self.grads["weight"].reshape(self._grouped)
        np.copyto(d_weight, self._d_weight_t.sum(axis=0).transpose(0, 2, 1))
        if self._has_bias():
            np.sum(self._d_bias.reshape(len(self._d_bias), -1), axis=0, out=self.grads["bias"])
        if d_inputs[0] is not None and self._padded is not None:
            d_inputs[0][...] = self._d_padded[self._inner]

    def _has_bias(self):
        return "bias" in self.param_names
