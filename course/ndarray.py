"""numpy arrays that also answer to the MXNet tutorial's `.asnumpy()`."""

import numpy as np

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
    return np.array(source_array, dtype=dtype or np.float32).view(NDArray)


def zeros(shape, ctx=None, dtype=np.float32) -> NDArray:
    """An NDArray of zeros."""
    return np.zeros(shape, dtype).view(NDArray)


def ones(shape, ctx=None, dtype=np.float32) -> NDArray:
    """An NDArray of ones."""
    return np.ones(shape, dtype).view(NDArray)
