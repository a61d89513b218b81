"""The fully-connected layer: out = data weightᵀ + bias, and its gradients.

Shapes: data (N, K), weight (F, K), bias (F,) or, for none, of size 0; out (N, F). The work is
shared out by rows of the result, so no two threads write one place.
"""

from numba import prange

from course.kernels.blas import matmul
from course.kernels.compile import kernel


@kernel(parallel=True)
def forward(data, weight, bias, out, shares):
    """Each share computes some of the images."""
    for share in prange(shares):
        first, end = share * len(out) // shares, (share + 1) * len(out) // shares
        matmul(data[first:end], weight.T, out[first:end])
        if bias.size:
            for n in range(first, end):
                for f in range(out.shape[1]):
                    out[n, f] += bias[f]


@kernel(parallel=True)
def backward(data, weight, d_out, d_out_t, d_weight, d_bias, d_data, shares):
    """d_weight = d_outᵀ data, d_bias = Σₙ d_out[n], d_data = d_out weight (unless N = 0 there).

    Each share computes some filters' d_weight and d_bias and some images' d_data. d_out_t (F, N)
    is working space: BLAS takes rows of it, as they must lie together in memory.
    """
    images, filters = d_out.shape
    for share in prange(shares):
        first, end = share * filters // shares, (share + 1) * filters // shares
        for f in range(first, end):
            total = d_out[0, f] * 0
            for n in range(images):
                d_out_t[f, n] = d_out[n, f]
                total += d_out[n, f]
            if d_bias.size:
                d_bias[f] = total
        matmul(d_out_t[first:end], data, d_weight[first:end])
        if d_data.shape[0]:
            first, end = share * images // shares, (share + 1) * images // shares
            matmul(d_out[first:end], weight, d_data[first:end])
