"""Matrix products inside kernels, by the BLAS library that scipy ships.

A library's product of large matrices comes near the processor's limit, which no plain loop does,
so this is the one calculation that the course does not write itself.
"""

import numba
import numpy as np
from numba import types

from course.kernels.compile import kernel

# OpenBLAS copies ("packs") both factors before it multiplies, except where the product takes at
# most this many multiplications. For our small matrices the packing costs a third of the time:
# im2col has just packed the image, and a batch is used but once. So products are cut into row
# pieces below the limit: 240 instead of 150 GFLOP/s (28 × 500 × 64 against 50 × 500 × 64 in
# LeNet's second convolution, 8 × 784 × 128 against 50 × 784 × 128 in the MLP's first layer; Zen 5,
# AVX-512, one thread). With OpenBLAS's kernels for other processors it makes no difference.
UNPACKED = 1_000_000
TILE = 4  # rows that OpenBLAS calculates at once
FEWEST_ROWS = 8  # thinner pieces cost more than the packing

# How BLAS is told the precision, and that a factor is not to be transposed: by letters.
FLOAT32, FLOAT64, PLAIN = ord("s"), ord("d"), ord("n")

# The function behind numba's own np.dot(a, b, out), which offers out = a b, not out += a b.
_gemm = types.ExternalFunction(
    "numba_xxgemm",
    types.int32(
        *(types.int8, types.int8, types.int8),  # precision, transpose a, transpose b
        *(types.intp, types.intp, types.intp),  # m, n, k
        *(types.voidptr, types.voidptr, types.intp, types.voidptr, types.intp),  # alpha, a, b
        *(types.voidptr, types.voidptr, types.intp),  # beta, out
    ),
)


@kernel
def _piece(rows, multiplications):
    """How many rows of the product to calculate at a time."""
    most = UNPACKED * rows // max(1, multiplications)
    if most >= rows or most < FEWEST_ROWS:
        return max(1, rows)
    return most // TILE * TILE


@kernel
def matmul(a, b, out):
    """out = a b. a (M, K), b (K, N), out (M, N), C-contiguous; b may be a transposed view."""
    rows = a.shape[0]
    step = _piece(rows, rows * a.shape[1] * b.shape[1])
    for start in range(0, rows, step):
        np.dot(a[start : start + step], b, out[start : start + step])


if numba.config.DISABLE_JIT:  # line by line in Python: what the compiled one below means

    def matmul_add(a, b, out, one):
        """out += a b."""
        out += a @ b

else:

    @kernel
    def matmul_add(a, b, out, one):
        """out += a b. a (M, K), b (K, N), out (M, N), each C-contiguous.

        `one` is array([1]): BLAS multiplies a b and out by numbers whose address it wants.
        """
        precision = FLOAT32 if out.itemsize == 4 else FLOAT64
        m, k, n = a.shape[0], a.shape[1], b.shape[1]
        step = _piece(m, m * k * n)
        for start in range(0, m, step):
            rows = min(step, m - start)
            # BLAS counts columns first, so it sees each matrix transposed: outᵀ += bᵀ aᵀ.
            _gemm(
                precision, PLAIN, PLAIN, n, rows, k,
                one.ctypes, b.ctypes, n, a[start:].ctypes, k,
                one.ctypes, out[start:].ctypes, n,
            )  # fmt: skip
