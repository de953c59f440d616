// What happens to a finished 128×128 tile of sums. finish_tile takes it from shared memory, in float32.
//   OUTPUT    bf16 or float: type of y, bias and residual
//   EPILOGUE  0: y = sum + bias
//             1: GELU(sum + bias), tanh form, quantized again in 128×128 blocks for the next matmul
//             2: y = residual + gate · (sum + bias), the gate optional
#pragma once
#include "block_int8.cuh"

constexpr int kTile = kBlock;
// Floats between rows of the tile in shared memory: writes of neighbouring rows fall into different banks.
constexpr int kTileStride = kTile + 8;
constexpr int kTileBytes = kTile * kTileStride * sizeof(float);

struct Epilogue {
    const OUTPUT* bias;      // [n], or null
    OUTPUT* y;               // [m, n]; 0 and 2
    i8* values;              // [m, n]; 1
    float* scales;           // [⌈m/128⌉, ⌈n/128⌉]; 1
    const OUTPUT* residual;  // [m, n]; 2
    const float* gate;       // [m / rows_per_batch, n], or null for 1; 2
    int rows_per_batch;
};

// residual + gate · v for eight columns of a row.
DEVICE void add_residual8(const Epilogue& out, const float (&residual)[kVector], int row, int column, int n, float (&v)[kVector]) {
    float gate[kVector];
    bool gated = out.gate != nullptr;
    if (gated) load8(out.gate + static_cast<u64>(row / out.rows_per_batch) * n + column, gate);
#pragma unroll
    for (int i = 0; i < kVector; i++) v[i] = residual[i] + (gated ? gate[i] : 1.0f) * v[i];
}

// x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))). The error of tanh_fast is a small part of an int8 step of the result.
DEVICE float gelu(float x) {
    float t = tanh_fast(x * fmaf(0.035677408f * x, x, 0.79788456f)), half = 0.5f * x;
    return fmaf(half, t, half);
}

// The first Threads threads of the block call it, the tile written and a barrier passed. partials: one float per warp.
template <int Threads>
DEVICE void finish_tile(const float* tile, const Epilogue& out, int tile_row, int tile_column, int m, int n, float* partials) {
    constexpr int kThreadsPerRow = kTile / kVector, kRowsAtOnce = Threads / kThreadsPerRow, kPasses = kTile / kRowsAtOnce;
    int column = tile_column * kTile + threadIdx.x % kThreadsPerRow * kVector;
    bool inside = column < n;
    float bias[kVector] = {};
    if (inside && out.bias != nullptr) load8(out.bias + column, bias);

    float v[kPasses][kVector];
    float amax = 0;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int r = pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow, row = tile_row * kTile + r;
        if (!inside || row >= m) continue;
        load8(tile + r * kTileStride + threadIdx.x % kThreadsPerRow * kVector, v[pass]);
        u64 at = static_cast<u64>(row) * n + column;
#pragma unroll
        for (int i = 0; i < kVector; i++) v[pass][i] += bias[i];
        if (EPILOGUE == 1) {
#pragma unroll
            for (int i = 0; i < kVector; i++) {
                v[pass][i] = gelu(v[pass][i]);
                amax = fmaxf(amax, fabsf(v[pass][i]));
            }
        } else {
            if (EPILOGUE == 2) {
                float residual[kVector];
                load8(out.residual + at, residual);
                add_residual8(out, residual, row, column, n, v[pass]);
            }
            store8(out.y + at, v[pass]);
        }
    }
    if (EPILOGUE == 1) {
        float quantum = block_scale(reduce_over_threads<Threads, true>(amax, partials));
        if (threadIdx.x == 0) out.scales[static_cast<u64>(tile_row) * ((n + kTile - 1) / kTile) + tile_column] = quantum;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = tile_row * kTile + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
            if (inside && row < m) store8_int8(out.values + static_cast<u64>(row) * n + column, v[pass], 1.0f / quantum);
        }
    }
}
