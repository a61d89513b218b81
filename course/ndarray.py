"""numpy arrays that also answer to the MXNet tutorial's `.asnumpy()`."""

import numpy as np

from course.arguments import numeric, whole_number
from course.context import Context, cpu


class NDArray(np.ndarray):
    """A numpy array with MXNet's few extra methods; everything else is numpy's."""

    def asnumpy(self) -> np.ndarray:
        """A plain numpy array, a copy."""
        return np.array(self)

    def asscalar(self):
        """The number in an array of size 1. Raises ValueError for other sizes."""
        if self.size != 1:
            raise ValueError(f"asscalar needs an array with one element, got shape {self.shape}")
        return self.item()

    def wait_to_read(self) -> None:
        """Nothing: here each result is ready when the call returns."""

    @property
    def context(self) -> Context:
        """Where the array is."""
        return cpu()


def array(source_array, ctx=None, dtype=None) -> NDArray:
    """An NDArray with a copy of the values: float32 unless a dtype is given."""
    values = numeric(source_array, "source_array")
    return np.array(values, dtype=_dtype(dtype)).view(NDArray)


def zeros(shape, ctx=None, dtype=np.float32) -> NDArray:
    """An NDArray of zeros."""
    return np.zeros(_shape(shape), _dtype(dtype)).view(NDArray)


def ones(shape, ctx=None, dtype=np.float32) -> NDArray:
    """An NDArray of ones."""
    return np.ones(_shape(shape), _dtype(dtype)).view(NDArray)


def _shape(shape):
    sizes = shape if isinstance(shape, (tuple, list)) else [shape]
    return tuple(whole_number(size, "each size of shape") for size in sizes)


def _dtype(dtype):
    try:
        found = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError as error:
        raise TypeError(f"dtype must be a type of numbers, got {dtype!r:.80}") from error
    if found.kind not in "fiub":
        raise TypeError(f"dtype must be a type of numbers, got {dtype!r:.80}")
    return found
