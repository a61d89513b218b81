"""Layers that combine values: + - * between two symbols or with a number, and Concat."""

import numpy as np

from course.arguments import number, whole_number
from course.layers.base import Layer, ShapeError, Shapes, times


class _TwoInputs(Layer):
    """Element by element on two inputs of one shape."""

    input_names = ("lhs", "rhs")
    follows = ("lhs", "rhs")

    def infer_shape(self, lhs, rhs):
        lhs, rhs = lhs or rhs, rhs or lhs
        if lhs != rhs:
            raise ShapeError(
                f"{self.name}: expected two inputs of one shape, got {times(lhs)} and {times(rhs)}"
            )
        return Shapes((lhs, rhs), {}, {}, lhs)


class Add(_TwoInputs):
    """lhs + rhs."""

    def compute(self, inputs, out, training):
        np.add(*inputs, out=out)

    def gradient(self, d_out, d_inputs):
        for d_input in d_inputs:
            if d_input is not None:
                d_input[...] = d_out


class Subtract(_TwoInputs):
    """lhs - rhs."""

    def compute(self, inputs, out, training):
        np.subtract(*inputs, out=out)

    def gradient(self, d_out, d_inputs):
        if d_inputs[0] is not None:
            d_inputs[0][...] = d_out
        if d_inputs[1] is not None:
            np.negative(d_out, out=d_inputs[1])


class Multiply(_TwoInputs):
    """lhs · rhs, element by element."""

    def compute(self, inputs, out, training):
        self._factors = inputs
        np.multiply(*inputs, out=out)

    def gradient(self, d_out, d_inputs):
        for d_input, other in zip(d_inputs, reversed(self._factors), strict=True):
            if d_input is not None:
                np.multiply(d_out, other, out=d_input)


class _WithScalar(Layer):
    """Element by element with one number; the derivative is `slope` everywhere."""

    slope = 1.0

    def __init__(self, scalar, name=None):
        super().__init__(name)
        self.scalar = number(scalar, "scalar")

    def infer_shape(self, data):
        return Shapes((data,), {}, {}, data)

    def gradient(self, d_out, d_inputs):
        if d_inputs[0] is not None:
            np.multiply(d_out, self.slope, out=d_inputs[0])


class AddScalar(_WithScalar):
    """data + scalar."""

    def compute(self, inputs, out, training):
        np.add(inputs[0], self.scalar, out=out)


class SubtractScalar(_WithScalar):
    """data - scalar."""

    def compute(self, inputs, out, training):
        np.subtract(inputs[0], self.scalar, out=out)


class ReverseSubtractScalar(_WithScalar):
    """scalar - data."""

    slope = -1.0

    def compute(self, inputs, out, training):
        np.subtract(self.scalar, inputs[0], out=out)


class MultiplyScalar(_WithScalar):
    """data · scalar."""

    def __init__(self, scalar, name=None):
        super().__init__(scalar, name)
        self.slope = self.scalar

    def compute(self, inputs, out, training):
        np.multiply(inputs[0], self.scalar, out=out)


class Concat(Layer):
    """The inputs one after the other along axis `dim`; the other axes must agree."""

    def __init__(self, num_args, dim=1, name=None):
        super().__init__(name)
        self.dim = whole_number(dim, "dim", 0)
        count = whole_number(num_args, "num_args", 1, 10_000)
        self.input_names = tuple(f"arg{k}" for k in range(count))

    def infer_shape(self, *inputs):
        others = [shape[: self.dim] + shape[self.dim + 1 :] for shape in inputs]
        if self.dim >= len(inputs[0]) or any(other != others[0] for other in others):
            shapes = ", ".join(map(times, inputs))
            raise ShapeError(
                f"{self.name}: expected inputs that agree in all axes but axis {self.dim}, "
                f"got {shapes}"
            )
        length = sum(shape[self.dim] for shape in inputs)
        output = (*inputs[0][: self.dim], length, *inputs[0][self.dim + 1 :])
        return Shapes(inputs, {}, {}, output)

    def prepare(self, shapes, dtype):
        self._ends = np.cumsum([shape[self.dim] for shape in shapes.inputs])

    def compute(self, inputs, out, training):
        np.concatenate(inputs, axis=self.dim, out=out)

    def gradient(self, d_out, d_inputs):
        parts = np.split(d_out, self._ends[:-1], self.dim)
        for d_input, part in zip(d_inputs, parts, strict=True):
            if d_input is not None:
                d_input[...] = part
