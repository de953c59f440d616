// The epilogues straight from the registers that a warpgroup's products leave, without a tile in shared memory. Four
// neighbouring lanes, which have a pair of columns each of the same rows, exchange some, so that each stores more of a row at once.
#pragma once
#include "int8_matmul_epilogue.cuh"

constexpr int kQuad = 4, kColumnGroups = kTile / kVector / kQuad, kThreadRows = 2, kHalfVector = kVector / 2;

// GELU and quantization. row: this thread's first row; its second is 8 below.
template <int Threads>
DEVICE void quantize_sums(float (&sum)[64], const Epilogue& out, int row, int tile_row, int tile_column, int m, int n, float* partials) {
    int first_column = tile_column * kTile, lane_in_quad = threadIdx.x % kQuad;
    // Columns beyond n are zeros; rows beyond m have the bias.
    float amax[kThreadRows] = {};
#pragma unroll
    for (int chunk = 0; chunk < kQuad * kColumnGroups; chunk++) {
        int column = first_column + chunk * kVector;
        float2 bias = {};
        if (out.bias != nullptr && column < n) bias = load2(out.bias + column + 2 * lane_in_quad);
#pragma unroll
        for (int i = 0; i < kQuad; i++) {
            float& v = sum[chunk * kQuad + i];
            v = gelu(v + (i % 2 == 0 ? bias.x : bias.y));
            amax[i / 2] = fmaxf(amax[i / 2], fabsf(v));
        }
    }
    float largest = fmaxf(row < m ? amax[0] : 0.0f, row + 8 < m ? amax[1] : 0.0f);
    float quantum = block_scale(reduce_over_threads<Threads, true>(largest, partials)), inverse = 1.0f / quantum;
    if (threadIdx.x == 0 && tile_row * kTile < m && first_column < n)
        out.scales[static_cast<u64>(tile_row) * ((n + kTile - 1) / kTile) + tile_column] = quantum;
#pragma unroll
    for (int group = 0; group < kColumnGroups; group++) {
        // The lower half of a word is the first row's pair, the upper half the second's.
        u32 words[kQuad];
#pragma unroll
        for (int i = 0; i < kQuad; i++) {
            const float* v = sum + (group * kQuad + i) * kQuad;
            words[i] = pack_int8(v[0], v[1], v[2], v[3], inverse);
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

// Bias, gate and residual. Neighbouring lanes exchange a pair of columns, so that each has four neighbours of a row: the even
// lane of the first of two groups of eight columns, the odd one of the second.
DEVICE void store_sums(const float (&sum)[64], const Epilogue& out, int row, int tile_column, int m, int n) {
    // The residual of so many pairs is under way at once: as many as 32 registers hold.
    constexpr int kPairs = kTile / kVector / 2, kAhead = 16 / sizeof(OUTPUT);
    bool odd = threadIdx.x % 2;
    int first_column = tile_column * kTile + (odd ? kVector : 0) + threadIdx.x % kQuad / 2 * kHalfVector;
    // What lies outside reads at 0 and writes nothing: reads without a branch are all under way at once.
    auto column_of = [&](int pair) { return first_column + pair * 2 * kVector < n ? first_column + pair * 2 * kVector : 0; };
    bool inside[kThreadRows];
    u64 offset[kThreadRows];
    const float* gate[kThreadRows];
#pragma unroll
    for (int r = 0; r < kThreadRows; r++) {
        inside[r] = row + r * 8 < m;
        int within = inside[r] ? row + r * 8 : 0;
        offset[r] = static_cast<u64>(within) * n;
        if (EPILOGUE == 2) gate[r] = out.gate == nullptr ? nullptr : out.gate + static_cast<u64>(within / out.rows_per_batch) * n;
    }
#pragma unroll
    for (int from = 0; from < kPairs; from += kAhead) {
        Raw4<OUTPUT> residual[kAhead][kThreadRows];
        if (EPILOGUE == 2)
#pragma unroll
            for (int ahead = 0; ahead < kAhead; ahead++)
#pragma unroll
                for (int r = 0; r < kThreadRows; r++) load_raw4(out.residual + offset[r] + column_of(from + ahead), residual[ahead][r]);
#pragma unroll
        for (int ahead = 0; ahead < kAhead; ahead++) {
            int pair = from + ahead, column = column_of(pair);
            float bias[kHalfVector] = {};
            if (out.bias != nullptr) load4(out.bias + column, bias);
#pragma unroll
            for (int r = 0; r < kThreadRows; r++) {
                const float *first = sum + pair * 8 + r * 2, *second = first + 4;
                float v[kHalfVector];
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float received = __shfl_xor_sync(kFullWarp, odd ? first[i] : second[i], 1);
                    v[i] = odd ? received : first[i];
                    v[2 + i] = odd ? second[i] : received;
                }
#pragma unroll
                for (int i = 0; i < kHalfVector; i++) v[i] += bias[i];
                if (EPILOGUE == 2) {
                    float added[kHalfVector], factor[kHalfVector] = {1, 1, 1, 1};
                    widen4(residual[ahead][r], added);
                    if (gate[r] != nullptr) load4(gate[r] + column, factor);
#pragma unroll
                    for (int i = 0; i < kHalfVector; i++) v[i] = added[i] + factor[i] * v[i];
                }
                if (inside[r] && first_column + pair * 2 * kVector < n) store4(out.y + offset[r] + column, v);
            }
        }
    }
}

// Has L2 fetch the residual of 128×128 of the tile, while its products are made. The first 256 threads of the block call it.
DEVICE void prefetch_residual(const Epilogue& out, int first_row, int first_column, int m, int n) {
    constexpr int kLine = 128, kLines = kTile * sizeof(OUTPUT) / kLine, kThreadsPerRow = 2;
    int row = first_row + threadIdx.x / kThreadsPerRow;
#pragma unroll
    for (int line = 0; line < kLines / kThreadsPerRow; line++) {
        int column = first_column + (line * kThreadsPerRow + threadIdx.x % kThreadsPerRow) * static_cast<int>(kLine / sizeof(OUTPUT));
        if (row < m && column < n) prefetch_l2(out.residual + static_cast<u64>(row) * n + column);
    }
}

// sum: 64×128 of the tile per warpgroup, laid out as wgmma_s8 says. row: this thread's first row; its second is 8 below. The
// first Threads threads of the block call it. partials: one float per warp, as reduce_over_threads asks.
template <int Threads>
DEVICE void finish_sums(float (&sum)[64], const Epilogue& out, int row, int tile_row, int tile_column, int m, int n, float* partials) {
    if constexpr (EPILOGUE == 1) quantize_sums<Threads>(sum, out, row, tile_row, tile_column, m, n, partials);
    else store_sums(sum, out, row, tile_column, m, n);
}
