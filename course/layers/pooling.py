"""The pooling layer: fewer pixels, each standing for a window of the image."""

import math

import numpy as np

from course.arguments import choice, flag, pair
from course.kernels import pooling
from course.layers.base import Layer, ShapeError, Shapes

POOL_TYPES = ("max", "avg", "sum")
CONVENTIONS = ("valid", "full")


class Pooling(Layer):
    """The largest value, average or sum of each window. data (N, C, H, W) -> out (N, C, P, Q).

    P = ⌊(H + 2 pad - kh) / stride⌋ + 1 by the convention 'valid'; 'full' rounds up instead, and
    its last windows may reach over the edge. Padding never wins a maximum; an average counts it
    unless `count_include_pad=False`. The stride is 1 unless given. `global_pool=True`: one window
    as large as the image. Goodfellow et al., "Deep Learning" (2016), section 9.3.
    """

    def __init__(
        self,
        kernel=None,
        pool_type="max",
        global_pool=False,
        stride=None,
        pad=None,
        pooling_convention="valid",
        count_include_pad=True,
        name=None,
    ):
        super().__init__(name)
        self.pool_type = choice(pool_type, "pool_type", POOL_TYPES)
        self.global_pool = flag(global_pool, "global_pool")
        self.pooling_convention = choice(pooling_convention, "pooling_convention", CONVENTIONS)
        self.count_include_pad = flag(count_include_pad, "count_include_pad")
        if kernel is None and not self.global_pool:
            raise ValueError("kernel is missing: give a pair (rows, columns) or global_pool=True")
        self.kernel = pair(kernel, 1, "kernel", 1)
        self.stride = pair(stride, 1, "stride", 1)
        self.pad = pair(pad, 0, "pad", 0)
        if not self.global_pool and any(p >= k for p, k in zip(self.pad, self.kernel, strict=True)):
            raise ValueError(
                f"pad must be smaller than kernel, got pad {self.pad} and kernel {self.kernel}"
            )

    def infer_shape(self, data):
        if len(data) != 4:
            raise ShapeError(f"{self.name}: expected images of shape (N, C, H, W), got {data}")
        if self.global_pool:
            return Shapes((data,), {}, {}, (*data[:2], 1, 1))
        positions = []
        for side, axis in enumerate(("rows", "columns")):
            padded = data[2 + side] + 2 * self.pad[side]
            if self.kernel[side] > padded:
                raise ShapeError(
                    f"{self.name}: kernel size exceeds the input: the window spans "
                    f"{self.kernel[side]} {axis}, the image with its padding has {padded}"
                )
            steps = (padded - self.kernel[side]) / self.stride[side]
            rounded = math.ceil(steps) if self.pooling_convention == "full" else math.floor(steps)
            positions.append(rounded + 1)
        return Shapes((data,), {}, {}, (*data[:2], *positions))

    def prepare(self, shapes, dtype):
        images, channels, *size = shapes.inputs[0]
        kernel, stride, pad = self.kernel, self.stride, self.pad
        if self.global_pool:
            kernel, stride, pad = tuple(size), (1, 1), (0, 0)
        self._window = (kernel, stride)
        positions = shapes.output[2:]
        # The windows together reach this far; 'full' ones perhaps beyond the padding.
        reach = [
            max((positions[side] - 1) * stride[side] + kernel[side], size[side] + pad[side])
            for side in range(2)
        ]
        self._padded = self._d_padded = None
        if reach != size:
            empty = -np.inf if self.pool_type == "max" else 0
            self._padded = np.full((images, channels, *reach), empty, dtype)
            self._inner = np.s_[:, :, pad[0] : pad[0] + size[0], pad[1] : pad[1] + size[1]]
        if self.pool_type == "max":
            self._winner = np.empty(shapes.output, np.int32)
        else:
            counts = [self._counts(side, size, kernel, stride, pad, positions) for side in range(2)]
            divisor = np.outer(*counts) if self.pool_type == "avg" else np.ones(positions)
            self._weight = (1 / divisor).astype(dtype)

    def _counts(self, side, size, kernel, stride, pad, positions):
        """How many rows (or columns) of each window an average counts."""
        first = np.arange(positions[side]) * stride[side] - pad[side]
        end = np.minimum(first + kernel[side], size[side] + pad[side])
        if not self.count_include_pad:
            first, end = np.maximum(first, 0), np.minimum(end, size[side])
        return np.maximum(end - first, 1)

    def compute(self, inputs, out, training):
        data = inputs[0]
        if self._padded is not None:
            self._padded[self._inner] = data
            data = self._padded
        if self.pool_type == "max" and self._window == ((2, 2), (2, 2)):
            pooling.max_pool_2x2(data, out, self._winner)
        elif self.pool_type == "max":
            pooling.max_pool(data, *self._window, out, self._winner)
        else:
            pooling.weighted_sum_pool(data, *self._window, self._weight, out)

    def gradient(self, d_out, d_inputs):
        d_data = d_inputs[0]
        if d_data is None:
            return
        if self._padded is not None:
            if self._d_padded is None:
                self._d_padded = np.empty_like(self._padded)
            d_data = self._d_padded
        if self.pool_type == "max":
            pooling.max_pool_backward(d_out, self._winner, d_data.reshape(*d_data.shape[:2], -1))
        else:
            pooling.weighted_sum_pool_backward(d_out, *self._window, self._weight, d_data)
        if self._padded is not None:
            d_inputs[0][...] = d_data[self._inner]
