"""Convolution (strictly: cross-correlation) and its gradients, as matrix products.

out[n, f, p, q] = bias[f] + Σ_{c, i, j} weight[f, c, i, j] · data[n, c, p·s + i·d, q·s + j·d]

with stride s and dilation d; padding has been added to data. im2col copies each image's windows
into the columns of a matrix; then the sum is one matrix product an image, and so are its
gradients (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
Document Processing", 2006). The loop as the formula has it is in tests/test_kernels.py.

Shapes: data (N·G, C, H, W): with G groups of filters, each image counts as G images of C channels
each. weight (G, F, K), where a group has F filters of K = C · kh · kw weights; bias (G, F);
out (N·G, F, P·Q). windows (T, C, kh, kw, P, Q) is working space, one for each of T shares of the
batch, and cols (T, K, P·Q) is the same memory seen as matrices. stride and dilate are pairs
(rows, columns).
"""

from numba import prange

from course.kernels.blas import matmul, matmul_add
from course.kernels.compile import kernel


@kernel
def im2col(image, windows, stride, dilate):
    """Copy each window of the image into a column: image (C, H, W) -> windows (C, kh, kw, P, Q)."""
    channels, kernel_height, kernel_width, out_height, out_width = windows.shape
    if stride == (1, 1) and dilate == (1, 1):
        # The same loops without the factors: only so does the compiler see that neighbours in q
        # are neighbours in memory, and copies eight at a time (4 µs an image instead of 20).
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        for q in range(out_width):
                            windows[c, i, j, p, q] = image[c, p + i, q + j]
    else:
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        row = p * stride[0] + i * dilate[0]
                        for q in range(out_width):
                            windows[c, i, j, p, q] = image[c, row, q * stride[1] + j * dilate[1]]


@kernel
def col2im(windows, image, stride, dilate):
    """Add each column to the window it came from: windows (C, kh, kw, P, Q) -> image (C, H, W).

    The way back of `im2col`: a pixel that is in several windows gets the sum.
    """
    channels, kernel_height, kernel_width, out_height, out_width = windows.shape
    for c in range(channels):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                image[c, y, x] = 0
    if stride == (1, 1) and dilate == (1, 1):
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        for q in range(out_width):
                            image[c, p + i, q + j] += windows[c, i, j, p, q]
    else:
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        row = p * stride[0] + i * dilate[0]
                        for q in range(out_width):
                            image[c, row, q * stride[1] + j * dilate[1]] += windows[c, i, j, p, q]


@kernel(parallel=True)
def forward(data, weight, bias, stride, dilate, windows, cols, out):
    """The convolution of each image. bias is of size 0 for none."""
    images, filters, positions = out.shape
    groups, shares = len(weight), len(cols)
    for share in prange(shares):
        for n in range(share * images // shares, (share + 1) * images // shares):
            g = n % groups
            im2col(data[n], windows[share], stride, dilate)
            matmul(weight[g], cols[share], out[n])
            if bias.size:
                for f in range(filters):
                    for position in range(positions):
                        out[n, f, position] += bias[g, f]


@kernel(parallel=True)
def backward(
    data, weight_t, d_out, stride, dilate, windows, cols, d_out_t, one, d_weight_t, d_bias, d_data
):  # fmt: skip
    """The gradients, for each share of the batch: the caller adds up d_weight_t and d_bias.

    weight_t (G, K, F) and d_weight_t (T, G, K, F) have filters last; d_out (N·G, F, P·Q); d_out_t
    (T, P·Q, F) is working space; d_bias (T, G, F); d_data like data, or with N = 0 if nobody wants
    it. d_weight_t and d_bias hold zeros at first; one is array([1]).
    """
    images, filters, positions = d_out.shape
    groups, shares = len(weight_t), len(cols)
    for share in prange(shares):
        for n in range(share * images // shares, (share + 1) * images // shares):
            g = n % groups
            im2col(data[n], windows[share], stride, dilate)
            for f in range(filters):
                total = d_bias[share, g, f]
                for position in range(positions):
                    total += d_out[n, f, position]
                    d_out_t[share, position, f] = d_out[n, f, position]
                d_bias[share, g, f] = total
            matmul_add(cols[share], d_out_t[share], d_weight_t[share, g], one)
            if len(d_data):
                matmul(weight_t[g], d_out[n], cols[share])
                col2im(windows[share], d_data[n], stride, dilate)
