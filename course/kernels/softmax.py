"""Softmax and the gradient of the cross-entropy behind it. Rows of data (N, K) are distributions.

Goodfellow, Bengio and Courville, "Deep Learning" (2016), sections 4.1 and 6.2.2.
"""

import math

from course.kernels.compile import kernel


@kernel
def softmax(data, out):
    """out[n, k] = exp(data[n, k]) / Σ exp(data[n]).

    The row's largest value is subtracted first, which changes nothing but prevents overflow.
    """
    for n in range(data.shape[0]):
        largest = data[n, 0]
        for k in range(data.shape[1]):
            largest = max(largest, data[n, k])
        total = largest * 0
        for k in range(data.shape[1]):
            out[n, k] = math.exp(data[n, k] - largest)
            total += out[n, k]
        for k in range(data.shape[1]):
            out[n, k] /= total


@kernel
def softmax_backward(d_out, out, d_data):
    """d_data[k] = out[k] (d_out[k] - Σ_m d_out[m] out[m])."""
    for n in range(out.shape[0]):
        total = out[n, 0] * 0
        for k in range(out.shape[1]):
            total += d_out[n, k] * out[n, k]
        for k in range(out.shape[1]):
            d_data[n, k] = out[n, k] * (d_out[n, k] - total)


@kernel
def cross_entropy_backward(out, label, scale, ignore, d_data):
    """d_data = (out - one-hot(label)) · scale, the gradient of -log(out[label]).

    Rows with label == ignore get zero (NaN: none is ignored). Returns the first row whose label
    is no class, -1 if all are.
    """
    for n in range(out.shape[0]):
        if label[n] == ignore:
            for k in range(out.shape[1]):
                d_data[n, k] = 0
            continue
        if not (0 <= label[n] < out.shape[1] and label[n] == math.floor(label[n])):
            return n
        for k in range(out.shape[1]):
            d_data[n, k] = out[n, k] * scale
        d_data[n, int(label[n])] -= scale
    return -1
