"""Activation functions and their derivatives, element by element, on flat arrays.

Each derivative is written in terms of the function's value `out`, which is at hand on the way
back. Comparisons are put so that NaN goes through unchanged. One thread is enough: tanh behind
LeNet's first pooling, 288,000 numbers a batch, takes 0.04 of 5 ms.
"""

import math

import numpy as np

from course.kernels.compile import kernel


@kernel
def relu(data, out):
    """max(x, 0)."""
    for k in range(data.size):
        out[k] = 0 if data[k] < 0 else data[k]


@kernel
def relu_backward(d_out, out, d_data):
    """1 where x > 0, else 0."""
    for k in range(out.size):
        d_data[k] = 0 if out[k] <= 0 else d_out[k]


# A ratio of two polynomials in x², highest power first: tanh(x) ≈ x · A(x²) / B(x²). math.tanh in
# a loop is calculated one number at a time, this sixteen at a time, 80 times faster. The error
# stays below 3e-7 (tested). Coefficients from Eigen, `generic_fast_tanh_float` (MPL 2.0).
A0, A1, A2, A3, A4, A5, A6 = np.array(
    [
        *(-2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11),
        *(5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03),
    ],
    np.float32,
)
B0, B1, B2, B3 = np.array(
    [1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03],
    np.float32,
)
BOUND = np.float32(7.90531110763549805)  # from here on tanh is 1 in float32


@kernel
def _approximate_tanh(x):
    x = BOUND if x > BOUND else (-BOUND if x < -BOUND else x)
    y = x * x
    a = (((((A0 * y + A1) * y + A2) * y + A3) * y + A4) * y + A5) * y + A6
    b = ((B0 * y + B1) * y + B2) * y + B3
    return x * a / b


@kernel
def tanh_float32(data, out):
    """tanh(x) to within 3e-7."""
    for k in range(data.size):
        out[k] = _approximate_tanh(data[k])


@kernel
def tanh_float64(data, out):
    """tanh(x) = (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ)."""
    for k in range(data.size):
        out[k] = math.tanh(data[k])


@kernel
def tanh_backward(d_out, out, d_data):
    """1 - tanh(x)²."""
    for k in range(out.size):
        d_data[k] = d_out[k] * (1 - out[k] * out[k])


@kernel
def sigmoid(data, out):
    """1 / (1 + e⁻ˣ)."""
    for k in range(data.size):
        out[k] = 1 / (1 + math.exp(-data[k]))


@kernel
def sigmoid_backward(d_out, out, d_data):
    """σ(x) (1 - σ(x))."""
    for k in range(out.size):
        d_data[k] = d_out[k] * out[k] * (1 - out[k])


@kernel
def softrelu(data, out):
    """log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|), which cannot overflow."""
    for k in range(data.size):
        positive = 0 if data[k] < 0 else data[k]
        out[k] = positive + math.log1p(math.exp(-abs(data[k])))


@kernel
def softrelu_backward(d_out, out, d_data):
    """σ(x) = 1 - e^-softrelu(x)."""
    for k in range(out.size):
        d_data[k] = -d_out[k] * math.expm1(-out[k])


@kernel
def softsign(data, out):
    """x / (1 + |x|)."""
    for k in range(data.size):
        # x / (1 + |x|) would be NaN for an infinite x.
        x = data[k]
        out[k] = math.copysign(1 - 1 / (1 + abs(x)), x)


@kernel
def softsign_backward(d_out, out, d_data):
    """1 / (1 + |x|)² = (1 - |softsign(x)|)²."""
    for k in range(out.size):
        rest = 1 - abs(out[k])
        d_data[k] = d_out[k] * rest * rest
