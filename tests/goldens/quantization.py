"""The int8 and fp8 formats, in float64 except where the format itself rounds."""
import numpy as np

BLOCK = 128


def block_int8(x):
    """A matrix [M, K] in int8 with a scale per 128x128 block: scale = amax / 128, ties to even, saturated."""
    rows, columns = -(-x.shape[0] // BLOCK), -(-x.shape[1] // BLOCK)
    values, scales = np.zeros(x.shape, np.int8), np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            at = np.s_[i * BLOCK:(i + 1) * BLOCK, j * BLOCK:(j + 1) * BLOCK]
            scales[i, j] = np.float32(max(np.abs(x[at]).max(), 1e-8) / 128)
            values[at] = np.clip(np.rint(x[at] / scales[i, j]), -128, 127)
    return values, scales


def multiply_int8(a, b):
    """a [M, K] times b [N, K] transposed: sums of integers per block of K, then the scales."""
    (a, a_scales), (b, b_scales) = a, b
    out = np.zeros((a.shape[0], b.shape[0]))
    for k in range(a_scales.shape[1]):
        at = np.s_[:, k * BLOCK:(k + 1) * BLOCK]
        sums = a[at].astype(np.int64) @ b[at].astype(np.int64).T
        rows = np.repeat(a_scales[:, k], BLOCK)[:a.shape[0], None]
        columns = np.repeat(b_scales[:, k], BLOCK)[None, :b.shape[0]]
        out += sums * (rows * columns)
    return out


def fp8(x):
    """The nearest e4m3 number, ties to even, saturating at 448."""
    exponent = np.clip(np.floor(np.log2(np.maximum(np.abs(x), 1e-30))), -6, 8)
    spacing = 2.0 ** (exponent - 3)
    return np.clip(np.rint(x / spacing) * spacing, -448, 448)


def sage_int8(x):
    """One block of q, or of k less its mean: scale = amax / 127 + 1e-7, ties away from zero."""
    scale = np.float64(np.float32(np.abs(x).max() / 127 + 1e-7))
    scaled = x / scale
    return np.clip(np.trunc(scaled + 0.5 * np.sign(scaled)), -128, 127), scale
