"""What all layers have in common: parameters, gradients, and the two ways through."""

from typing import NamedTuple

import numpy as np

from course import initializer
from course.arguments import given_name, numeric
from course.kernels.threads import computing

EMPTY = "an array of shape {} holds no numbers; is the batch empty?"
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class ShapeError(ValueError):
    """Shapes that do not fit together; the message names the layer, what it got and expected."""


class Shapes(NamedTuple):
    """The shapes around a layer: of its inputs, parameters, states and output."""

    inputs: tuple[tuple[int, ...], ...]
    params: dict[str, tuple[int, ...]]
    states: dict[str, tuple[int, ...]]
    output: tuple[int, ...]


def times(shape) -> str:
    """A shape as a reader writes it: (1, 28, 28) -> '1×28×28'."""
    return "×".join(map(str, shape))


def kernel_ready(array, dtype, name: str = "an input") -> np.ndarray:
    """The array as kernels take it: C-contiguous, of this dtype, and writable.

    For an array that must not be written to, or that begins at an odd place, numba would compile
    each kernel once more; a copy costs far less. Raises TypeError, with the name, for an array of
    anything but numbers.
    """
    ready = np.ascontiguousarray(numeric(array, name), dtype)
    return ready if ready.flags.carray else ready.copy()


class Layer:
    """One step of a network: `forward` computes its output, `backward` the gradients.

    params: learned arrays by name; the first `forward` fills in the missing ones (`Xavier`).
    grads: after `backward`, dL/d(parameter) for each of them.
    states: arrays that `forward` itself updates, such as a moving average.

    A subclass says what it computes in four methods that trust their arguments:
    `infer_shape`, `prepare`, `compute` and `gradient`.
    """

    input_names: tuple[str, ...] = ("data",)
    param_names: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()  # inputs whose shape follows from that of the others
    is_view = False  # the output is the input under another shape
    is_loss = False  # the gradient starts here: backward takes none

    def __init__(self, name: str | None = None):
        self.name = given_name(name, "layer") or type(self).__name__.lower()
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}
        self.states: dict[str, np.ndarray] = {}
        self._prepared = None
        self._inputs: list[np.ndarray] = []
        self._out: np.ndarray | None = None

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"

    # ---- what a subclass defines

    def infer_shape(self, *inputs: tuple[int, ...] | None) -> Shapes:
        """All shapes, given those of the inputs; None for one that follows from the others.

        Raises ShapeError.
        """
        raise NotImplementedError

    def prepare(self, shapes: Shapes, dtype: np.dtype) -> None:
        """Allocate working space, if any, for `compute` and `gradient` with these shapes."""

    def compute(self, inputs: list[np.ndarray], out: np.ndarray, training: bool) -> None:
        """Write the layer's output for `inputs` to `out`."""
        raise NotImplementedError

    def gradient(self, d_out: np.ndarray | None, d_inputs: list[np.ndarray | None]) -> None:
        """Write dL/d(input) to `d_inputs` (None: not wanted), dL/d(parameter) to `grads`.

        Belongs to the last `compute`, whose inputs and output must not have changed.
        """
        raise NotImplementedError

    # ---- what a user calls

    def forward(self, *inputs: np.ndarray, training: bool = True) -> np.ndarray:
        """The layer's output, a new array.

        Inputs are float32 or float64 (others become float32); images have shape (N, C, H, W).
        Raises ShapeError if their shapes do not fit the layer or its parameters.
        """
        if len(inputs) != len(self.input_names):
            expected = ", ".join(self.input_names)
            raise TypeError(f"{self.name}: expected the inputs ({expected}), got {len(inputs)}")
        names = [f"{self.name}: {key}" for key in self.input_names]
        arrays = [numeric(array, name) for array, name in zip(inputs, names, strict=True)]
        dtype = arrays[0].dtype if arrays[0].dtype in FLOATS else FLOATS[0]
        arrays = [kernel_ready(array, dtype) for array in arrays]
        shapes = self.infer_shape(*(array.shape for array in arrays))
        if 0 in shapes.inputs[0]:
            raise ShapeError(f"{self.name}: {EMPTY.format(shapes.inputs[0])}")
        self._fill_in(shapes, dtype)
        if self._prepared != (shapes, dtype):
            self.prepare(shapes, dtype)
            self._prepared = (shapes, dtype)
        out = np.empty(shapes.output, dtype)
        with computing:
            self.compute(arrays, out, training)
        self._inputs, self._out = arrays, out
        return out

    def backward(self, d_out: np.ndarray | None = None):
        """The gradient dL/d(input), given dL/d(output); sets `grads`.

        One array, or a tuple if the layer has several inputs. Raises RuntimeError before the
        first `forward`, ShapeError if `d_out` has not the output's shape.
        """
        if self._out is None:
            raise RuntimeError(f"{self.name}: call forward before backward")
        if self.is_loss:
            d_out = None
        else:
            if np.shape(d_out) != self._out.shape:
                raise ShapeError(
                    f"{self.name}: expected the gradient of an output of shape "
                    f"{self._out.shape}, got {np.shape(d_out)}"
                )
            d_out = kernel_ready(d_out, self._out.dtype, f"{self.name}: the output's gradient")
        self.grads = {key: np.empty_like(value) for key, value in self.params.items()}
        d_inputs = [np.empty_like(array) for array in self._inputs]
        with computing:
            self.gradient(d_out, d_inputs)
        return d_inputs[0] if len(d_inputs) == 1 else tuple(d_inputs)

    def _fill_in(self, shapes: Shapes, dtype: np.dtype) -> None:
        """Make the missing parameters and states; check the shapes of the others."""
        rule = initializer.Xavier()
        for arrays, wanted in ((self.params, shapes.params), (self.states, shapes.states)):
            for key, shape in wanted.items():
                if key not in arrays:
                    arrays[key] = np.empty(shape, dtype)
                    rule(key, arrays[key])
                self.check_param(key, np.shape(arrays[key]), shape)
                arrays[key] = kernel_ready(arrays[key], dtype, f"{self.name}: {key}")

    def check_param(self, key: str, got: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        """Raise ShapeError if a parameter has not the shape that the inputs ask for."""
        if got != wanted:
            raise ShapeError(
                f"{self.name}: expected {key} of shape {wanted} for this input, got {got}"
            )
