// The epilogues straight from the registers that a warpgroup's products leave, without a tile in shared memory. Four
// neighbouring lanes exchange their pairs of columns, so that each stores eight columns of a row at once.
#pragma once
#include "int8_matmul_epilogue.cuh"

constexpr int kQuad = 4, kColumnGroups = kTile / kVector / kQuad, kThreadRows = 2;

// GELU and quantization. row: this thread's first row; its second is 8 below.
template <int Threads>
DEVICE void quantize_sums(float (&sum)[64], const Epilogue& out, int row, int tile_row, int tile_column, int m, int n, float* partials) {
    int first_column = tile_column * kTile, lane_in_quad = threadIdx.x % kQuad;
    float amax = 0;
#pragma unroll
    for (int chunk = 0; chunk < kQuad * kColumnGroups; chunk++) {
        int column = first_column + chunk * kVector;
        float2 bias = {};
        if (out.bias != nullptr && column < n) bias = load2(out.bias + column + 2 * lane_in_quad);
#pragma unroll
        for (int i = 0; i < kQuad; i++) {
            float& v = sum[chunk * kQuad + i];
            v = gelu(v + (i % 2 == 0 ? bias.x : bias.y));
            if (column < n && row + i / 2 * 8 < m) amax = fmaxf(amax, fabsf(v));
        }
    }
    float quantum = block_scale(reduce_over_threads<Threads, true>(amax, partials)), inverse = 1.0f / quantum;
    if (threadIdx.x == 0 && tile_row * kTile < m && first_column < n)
        out.scales[static_cast<u64>(tile_row) * ((n + kTile - 1) / kTile) + tile_column] = quantum;
#pragma unroll
    for (int group = 0; group < kColumnGroups; group++) {
        // The lower half of a word is the first row's pair, the upper half the second's.
        u32 words[kQuad];
#pragma unroll
        for (int i = 0; i < kQuad; i++) {
            const float* v = sum + (group * kQuad + i) * kQuad;
            words[i] = to_int8(v[0] * inverse) | to_int8(v[1] * inverse) << 8 | to_int8(v[2] * inverse) << 16 | to_int8(v[3] * inverse) << 24;
        }
        transpose_quad(words);
        int column = first_column + (group * kQuad + lane_in_quad) * kVector;
#pragma unroll
        for (int r = 0; r < kThreadRows; r++) {
            u32 select = r == 0 ? 0x5410u : 0x7632u;
            uint2 raw;
            raw.x = __byte_perm(words[0], words[1], select), raw.y = __byte_perm(words[2], words[3], select);
            if (row + r * 8 < m && column < n)
                *reinterpret_cast<uint2*>(out.values + static_cast<u64>(row + r * 8) * n + column) = raw;
        }
    }
}

// Bias, gate and residual.
DEVICE void store_sums(const float (&sum)[64], const Epilogue& out, int row, int tile_column, int m, int n) {
    // Groups whose residual is under way at once, as many as 32 registers hold.
    constexpr int kAhead = 8 / sizeof(OUTPUT);
    int first_column = tile_column * kTile, lane_in_quad = threadIdx.x % kQuad;
#pragma unroll
    for (int first = 0; first < kColumnGroups; first += kAhead) {
        Raw8<OUTPUT> residual[kAhead][kThreadRows];
        if (EPILOGUE == 2)
#pragma unroll
            for (int ahead = 0; ahead < kAhead; ahead++)
#pragma unroll
                for (int r = 0; r < kThreadRows; r++) {
                    int column = first_column + ((first + ahead) * kQuad + lane_in_quad) * kVector;
                    if (row + r * 8 < m && column < n)
                        load_raw8(out.residual + static_cast<u64>(row + r * 8) * n + column, residual[ahead][r]);
                }
#pragma unroll
        for (int ahead = 0; ahead < kAhead; ahead++) {
            int group = first + ahead, column = first_column + (group * kQuad + lane_in_quad) * kVector;
            float bias[kVector] = {};
            if (out.bias != nullptr && column < n) load8(out.bias + column, bias);
#pragma unroll
            for (int r = 0; r < kThreadRows; r++) {
                float even[kQuad], odd[kQuad], v[kVector];
#pragma unroll
                for (int i = 0; i < kQuad; i++) {
                    even[i] = sum[(group * kQuad + i) * kQuad + r * 2];
                    odd[i] = sum[(group * kQuad + i) * kQuad + r * 2 + 1];
                }
                transpose_quad(even);
                transpose_quad(odd);
#pragma unroll
                for (int i = 0; i < kQuad; i++) v[2 * i] = even[i] + bias[2 * i], v[2 * i + 1] = odd[i] + bias[2 * i + 1];
                if (row + r * 8 >= m || column >= n) continue;
                if (EPILOGUE == 2) {
                    float added[kVector];
                    widen8(residual[ahead][r], added);
                    add_residual8(out, added, row + r * 8, column, n, v);
                }
                store8(out.y + static_cast<u64>(row + r * 8) * n + column, v);
            }
        }
    }
}

// sum: 64×128 of the tile per warpgroup, laid out as wgmma_s8 says. row: this thread's first row; its second is 8 below. The
// first Threads threads of the block call it. partials: one float per warp, as reduce_over_threads asks.
template <int Threads>
DEVICE void finish_sums(float (&sum)[64], const Epilogue& out, int row, int tile_row, int tile_column, int m, int n, float* partials) {
    if constexpr (EPILOGUE == 1) quantize_sums<Threads>(sum, out, row, tile_row, tile_column, m, n, partials);
    else store_sums(sum, out, row, tile_column, m, n);
}
