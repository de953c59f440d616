// LN(x) · (offset + scale) + shift to int8 in 128×128 blocks, as block_int8_quantize does it, on Hopper: x is read once.
// 128 rows do not fit into the shared memory of one multiprocessor. A cluster of thread blocks holds them, each some columns; they
// tell each other the moments of their part of every row, and then each quantizes its columns.
//   CLUSTER    thread blocks that share 128 rows
//   BLOCKS     column blocks that a thread block holds; CLUSTER · BLOCKS · 128 >= columns
#include "block_int8.cuh"
#include "ptx_sm90.cuh"

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kColumns = BLOCKS * kBlock;
constexpr int kVectors = kColumns / kVector;
constexpr int kVectorsPerLane = (kVectors + kWarpSize - 1) / kWarpSize;
constexpr int kThreadsPerRow = kBlock / kVector;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = kBlock / kRowsAtOnce;

// Mean and sum of squared deviations of width values of a row; the lanes of a warp share it.
DEVICE float2 moments_of_row(const bf16* row, int width) {
    int lane = threadIdx.x % kWarpSize;
    float v[kVectorsPerLane][kVector];
    float sum = 0, squares = 0;
#pragma unroll
    for (int j = 0; j < kVectorsPerLane; j++) {
        int column = (j * kWarpSize + lane) * kVector;
        if (column >= width) continue;
        load8(row + column, v[j]);
#pragma unroll
        for (int i = 0; i < kVector; i++) sum += v[j][i];
    }
    float mean = width > 0 ? sum_over_warp(sum) / width : 0;
#pragma unroll
    for (int j = 0; j < kVectorsPerLane; j++) {
        if ((j * kWarpSize + lane) * kVector >= width) continue;
#pragma unroll
        for (int i = 0; i < kVector; i++) squares += (v[j][i] - mean) * (v[j][i] - mean);
    }
    return {mean, sum_over_warp(squares)};
}

// x [rows, columns], columns % 8 == 0; scale, shift [rows / rows_per_batch, columns];
// values [rows, columns], scales [⌈rows/128⌉, ⌈columns/128⌉].
extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(kThreads, BLOCKS <= 3 ? 2 : 1)
sm90_block_int8_quantize(const bf16* x, const float* scale, const float* shift, i8* values, float* scales, int rows, int columns,
                         int rows_per_batch, float offset, float eps) {
    DYNAMIC_SHARED(memory);
    __shared__ float2 moments[kBlock];
    __shared__ float means[kBlock], inverse_deviations[kBlock];
    __shared__ float partials[2][kWarps];
    bf16* tile = reinterpret_cast<bf16*>(memory);
    int part = blockIdx.x % CLUSTER, row_block = blockIdx.x / CLUSTER;
    int first_row = row_block * kBlock, first_column = part * kColumns;
    // Of the last parts, some or all columns lie outside.
    int width = min(kColumns, columns - first_column);

#pragma unroll
    for (int i = 0; i < kBlock * kVectors / kThreads; i++) {
        int vector = i * kThreads + threadIdx.x, row = first_row + vector / kVectors, column = vector % kVectors * kVector;
        bool valid = row < rows && column < width;
        cp_async_16(shared_address(tile + vector * kVector), valid ? x + static_cast<u64>(row) * columns + first_column + column : x, valid);
    }
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();

#pragma unroll 2
    for (int r = threadIdx.x / kWarpSize; r < kBlock; r += kWarps) {
        float2 m = moments_of_row(tile + r * kColumns, width);
        if (threadIdx.x % kWarpSize == 0) moments[r] = m;
    }
    cluster_arrive();
    cluster_wait();
    if (threadIdx.x < kBlock) {
        float2 parts[CLUSTER];
#pragma unroll
        for (int other = 0; other < CLUSTER; other++) parts[other] = load_from(other, moments + threadIdx.x);
        // Chan's formula: no cancellation however large the mean is.
        float count = 0, mean = 0, squares = 0;
#pragma unroll
        for (int other = 0; other < CLUSTER; other++) {
            float added = static_cast<float>(max(0, min(kColumns, columns - other * kColumns)));
            if (added == 0) continue;
            float share = added / (count + added), delta = parts[other].x - mean;
            mean += delta * share;
            squares += parts[other].y + delta * delta * count * share;
            count += added;
        }
        means[threadIdx.x] = mean;
        inverse_deviations[threadIdx.x] = rsqrtf(squares / columns + eps);
    }
    __syncthreads();
    // The other thread blocks' moments have been read here; they stay as long as somebody may read theirs.
    cluster_arrive();

    int column_blocks = (columns + kBlock - 1) / kBlock;
    for (int block = 0; block * kBlock < width; block++) {
        int place = block * kBlock + threadIdx.x % kThreadsPerRow * kVector, column = first_column + place;
        float v[kPasses][kVector], factor[kVector], term[kVector];
        float amax = 0;
        int batch = -1;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int r = pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow, row = first_row + r;
            if (row >= rows || place >= width) continue;
            load8(tile + r * kColumns + place, v[pass]);
            if (row / rows_per_batch != batch) {
                batch = row / rows_per_batch;
                load8(scale + static_cast<u64>(batch) * columns + column, factor);
                load8(shift + static_cast<u64>(batch) * columns + column, term);
            }
#pragma unroll
            for (int i = 0; i < kVector; i++) {
                v[pass][i] = (v[pass][i] - means[r]) * inverse_deviations[r] * (offset + factor[i]) + term[i];
                amax = fmaxf(amax, fabsf(v[pass][i]));
            }
        }
        // Two sets of partials, so that one barrier a block is enough.
        float quantum = block_scale(reduce_over_threads<kThreads, true>(amax, partials[block % 2]));
        if (threadIdx.x == 0) scales[static_cast<u64>(row_block) * column_blocks + first_column / kBlock + block] = quantum;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first_row + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
            if (row < rows && place < width) store8_int8(values + static_cast<u64>(row) * columns + column, v[pass], 1.0f / quantum);
        }
    }
    cluster_wait();
}
