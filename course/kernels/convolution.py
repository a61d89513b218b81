"""Convolution (strictly: cross-correlation) and its gradients, as matrix products.

out[n, f, p, q] = bias[f] + Σ_{c, i, j} weight[f, c, i, j] · data[n, c, p·s + i·d, q·s + j·d]

with stride s and dilation d; padding has been added to data. im2col copies each image's windows
into the columns of a matrix; then the sum is one matrix product an image, and so are its
gradients (Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for
Document Processing", 2006). The loop as the formula has it is in tests/test_kernels.py.

Shapes: data (N, C, H, W); weight (G, F/G, K) with G groups, F filters and K = C/G · kh · kw;
out (N, G, F/G, P·Q); `cols` (T, C, kh, kw, P, Q), one working space for each of T shares of the
batch. `stride` and `dilate` are pairs (rows, columns).
"""

from numba import prange

from course.kernels.blas import matmul, matmul_add
from course.kernels.compile import kernel


@kernel
def im2col(image, cols, stride, dilate):
    """Copy each window of the image into a column: image (C, H, W) -> cols (C, kh, kw, P, Q)."""
    channels, kernel_height, kernel_width, out_height, out_width = cols.shape
    if stride == (1, 1) and dilate == (1, 1):
        # The same loops without the factors: only so does the compiler see that neighbours in q
        # are neighbours in memory, and copies eight at a time (4 µs an image instead of 20).
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        for q in range(out_width):
                            cols[c, i, j, p, q] = image[c, p + i, q + j]
    else:
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        row = p * stride[0] + i * dilate[0]
                        for q in range(out_width):
                            cols[c, i, j, p, q] = image[c, row, q * stride[1] + j * dilate[1]]


@kernel
def col2im(cols, image, stride, dilate):
    """Add each column to the window that it came from: cols (C, kh, kw, P, Q) -> image (C, H, W).

    The way back of `im2col`: a pixel that is in several windows gets the sum.
    """
    channels, kernel_height, kernel_width, out_height, out_width = cols.shape
    image[:] = 0
    if stride == (1, 1) and dilate == (1, 1):
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        for q in range(out_width):
                            image[c, p + i, q + j] += cols[c, i, j, p, q]
    else:
        for c in range(channels):
            for i in range(kernel_height):
                for j in range(kernel_width):
                    for p in range(out_height):
                        row = p * stride[0] + i * dilate[0]
                        for q in range(out_width):
                            image[c, row, q * stride[1] + j * dilate[1]] += cols[c, i, j, p, q]


@kernel(parallel=True)
def forward(data, weight, bias, stride, dilate, cols, out):
    """The convolution of each image. bias (G, F/G) or, for none, of size 0."""
    images, groups, filters, positions = out.shape
    shares = len(cols)
    for share in prange(shares):
        columns = cols[share].reshape(groups, weight.shape[2], positions)
        for n in range(share * images // shares, (share + 1) * images // shares):
            im2col(data[n], cols[share], stride, dilate)
            for g in range(groups):
                matmul(weight[g], columns[g], out[n, g])
                if bias.size:
                    for f in range(filters):
                        for position in range(positions):
                            out[n, g, f, position] += bias[g, f]


@kernel(parallel=True)
def backward(
    data, weight_t, d_out, stride, dilate, cols, d_out_t, one, d_weight_t, d_bias, d_data
):  # fmt: skip
    """The gradients, for each share of the batch: the caller adds up d_weight_t and d_bias.

    weight_t (G, K, F/G) and d_weight_t (T, G, K, F/G) have filters last; d_out (N, G, F/G, P·Q);
    d_out_t (T, P·Q, F/G) is working space; d_bias (T, G, F/G); d_data like data, or with N = 0
    if nobody wants it. d_weight_t and d_bias hold zeros at first; one is array([1]).
    """
    images, groups, filters, positions = d_out.shape
    shares = len(cols)
    for share in prange(shares):
        columns = cols[share].reshape(groups, weight_t.shape[1], positions)
        for n in range(share * images // shares, (share + 1) * images // shares):
            im2col(data[n], cols[share], stride, dilate)
            for g in range(groups):
                for f in range(filters):
                    total = d_bias[share, g, f]
                    for position in range(positions):
                        total += d_out[n, g, f, position]
                        d_out_t[share, position, f] = d_out[n, g, f, position]
                    d_bias[share, g, f] = total
                matmul_add(columns[g], d_out_t[share], d_weight_t[share, g], one)
            if d_data.shape[0]:
                for g in range(groups):
                    matmul(weight_t[g], d_out[n, g], columns[g])
                col2im(cols[share], d_data[n], stride, dilate)
