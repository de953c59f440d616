// Quantizes a matrix to int8 in 128×128 blocks, optionally after layer normalisation and modulation, in one launch:
//   y = LN(x) · (offset + scale) + shift      (NORMALISE; offset 1: modulation, 0: affine weights)
// One thread block per 128 rows. What is normalised is read twice, the second time mostly from L2.
//   ELEMENT    bf16 or float: type of x
//   NORMALISE  0 or 1
#include "block_int8.cuh"

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kThreadsPerRow = kBlock / kVector;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = kBlock / kRowsAtOnce;

// Count, mean and sum of squared deviations, merged by Chan's formula: no cancellation however large the mean is.
struct Moments {
    float count, mean, squares;
};

DEVICE Moments merge(Moments a, Moments b) {
    float count = a.count + b.count;
    float share = count > 0 ? b.count / count : 0, delta = b.mean - a.mean;
    return {count, a.mean + delta * share, a.squares + b.squares + delta * delta * a.count * share};
}

DEVICE Moments moments_of(const float (&v)[kVector]) {
    float sum = 0, squares = 0;
#pragma unroll
    for (int i = 0; i < kVector; i++) sum += v[i];
    float mean = sum / kVector;
#pragma unroll
    for (int i = 0; i < kVector; i++) squares += (v[i] - mean) * (v[i] - mean);
    return {kVector, mean, squares};
}

DEVICE Moments moments_of_row(const ELEMENT* row, int columns) {
    Moments total = {0, 0, 0};
    for (int column = threadIdx.x % kWarpSize * kVector; column < columns; column += kWarpSize * kVector) {
        float v[kVector];
        load8(row + column, v);
        total = merge(total, moments_of(v));
    }
#pragma unroll
    for (int lane = kWarpSize / 2; lane > 0; lane /= 2) {
        Moments other = {__shfl_xor_sync(kFullWarp, total.count, lane), __shfl_xor_sync(kFullWarp, total.mean, lane),
                         __shfl_xor_sync(kFullWarp, total.squares, lane)};
        total = merge(total, other);
    }
    return total;
}

// x [rows, columns], columns % 8 == 0; scale, shift [rows / rows_per_batch, columns];
// values [rows, columns], scales [⌈rows/128⌉, ⌈columns/128⌉].
extern "C" __global__ void __launch_bounds__(kThreads)
block_int8_quantize(const ELEMENT* x, const float* scale, const float* shift, i8* values, float* scales, int rows, int columns,
                    int rows_per_batch, float offset, float eps) {
    __shared__ float means[kBlock], inverse_deviations[kBlock];
    __shared__ float partials[2][kWarps];
    int first_row = blockIdx.x * kBlock;

    if (NORMALISE) {
        for (int r = threadIdx.x / kWarpSize; r < kBlock && first_row + r < rows; r += kWarps) {
            Moments m = moments_of_row(x + static_cast<u64>(first_row + r) * columns, columns);
            if (threadIdx.x % kWarpSize == 0) {
                means[r] = m.mean;
                inverse_deviations[r] = rsqrtf(m.squares / columns + eps);
            }
        }
        __syncthreads();
    }
    int column_blocks = (columns + kBlock - 1) / kBlock;

    for (int block = 0; block < column_blocks; block++) {
        int column = block * kBlock + threadIdx.x % kThreadsPerRow * kVector;
        float v[kPasses][kVector];
        float amax = 0;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first_row + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
            if (row < rows && column < columns) load8(x + static_cast<u64>(row) * columns + column, v[pass]);
        }
        float factor[kVector], term[kVector];
        int batch = -1;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int r = pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow, row = first_row + r;
            if (row >= rows || column >= columns) continue;
            if (NORMALISE) {
                if (row / rows_per_batch != batch) {
                    batch = row / rows_per_batch;
                    load8(scale + static_cast<u64>(batch) * columns + column, factor);
                    load8(shift + static_cast<u64>(batch) * columns + column, term);
                }
#pragma unroll
                for (int i = 0; i < kVector; i++)
                    v[pass][i] = (v[pass][i] - means[r]) * inverse_deviations[r] * (offset + factor[i]) + term[i];
            }
#pragma unroll
            for (int i = 0; i < kVector; i++) amax = fmaxf(amax, fabsf(v[pass][i]));
        }
        // Two sets of partials, so that one barrier a block is enough.
        float quantum = block_scale(reduce_over_threads<kThreads, true>(amax, partials[block % 2]));
        if (threadIdx.x == 0) scales[static_cast<u64>(blockIdx.x) * column_blocks + block] = quantum;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first_row + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
            if (row < rows && column < columns)
                store8_int8(values + static_cast<u64>(row) * columns + column, v[pass], 1.0f / quantum);
        }
    }
}
