// What sparse-linear attention needs of k and v, in one pass over them: k normalised and rotated (see sage.cuh), in bf16, or less
// its mean in int8 with a scale per block of tokens and head; the mean of each block, less that of all; the state of the linear branch,
//   S = Σ softmax(k)ᵀ · v, z = Σ softmax(k), over the channels of k;
// and, for the copy engine, v in fp8 or int8 with a scale per block, transposed.
// A thread block takes blocks_per_chunk blocks of a head and keeps its part of the state in registers (mma.sync). It has half of a
// multiprocessor, where there is shared memory for two: one loads while the other works. A thread reads the keys and values that it
// loaded itself, so that they come by without a barrier, and the next keys take the place of those that it has quantized.
//   BLOCK         tokens of a block: 64 or 128
//   FEATURE_ROWS  tokens whose features there is room for: BLOCK or half of it, as shared memory allows
//   VALUES        1: v in fp8 too (sm_89 and later; BLOCK 128); 2: in int8, with a scale per channel, too
//   ELEMENT       of the keys: i8 or bf16
//   STATE         1: the state of the linear branch, too
//   NORMALIZE     see sage.cuh
#pragma once
#include "sage.cuh"

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = BLOCK / kRowsAtOnce;
constexpr int kParts = BLOCK / FEATURE_ROWS;
constexpr int kRowBytes = 2 * kHeadDim;
constexpr int kTileBytes = BLOCK * kRowBytes;
// A warp has 32 channels of k by 64 of v of the state.
constexpr int kWarpKeys = 32, kWarpValues = 64, kMmaRows = 16, kMmaColumns = 8, kMmaDepth = 16;
constexpr u32 kOnes = 0x3f803f80;

struct Keys {
    ELEMENT* values; // [B, H, length, 128]
    float* scales; // [B, H, blocks]; of int8
    bf16* pooled;  // [B, H, blocks, 128]
};

struct Values {
    const bf16* x;  // [B, length, stride], head h in channels h · 128 …
    u8* values;     // [B, H, blocks, 128 channels, 128 tokens]; in each 16, token 8 · j + 2 · t + e is at 4 · t + 2 · j + e
    float* scales;  // [B, H, blocks]
    const float* channels;  // [B, H, 128]: what the channels are divided by before anything else; of int8
    int stride;
};

struct State {
    float* products;  // [B, H, chunks, 128 of k, 128 of v]
    float* sums;      // [B, H, chunks, 128]
};

#if VALUES
constexpr float kMaxValue = VALUES == 2 ? 127.0f : 448.0f;

// Two values to two bytes, low in the lower.
DEVICE u32 pack_values(float low, float high) {
    if constexpr (VALUES == 2) return to_int8(low) | to_int8(high) << 8;
    else return pack_fp8(low, high);
}
#endif

// mean [B, H, 128] of k. Grid: chunks, B · H. Dynamic shared memory: a tile of keys, one of values, one of features.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
sage_keys(Tokens k, const bf16* mean, Keys keys, Values v, State state, int length, int heads, int blocks_per_chunk) {
    DYNAMIC_SHARED(shared);
    __shared__ float sums[kWarps][kHeadDim];
    __shared__ float amaxes[2][kWarps];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int batch = blockIdx.y / heads, head = blockIdx.y % heads;
    int channel = threadIdx.x % kThreadsPerRow * kVector, chunk = threadIdx.x % kThreadsPerRow, row_in_pass = threadIdx.x / kThreadsPerRow;
    int blocks = (length + BLOCK - 1) / BLOCK, first_block = blockIdx.x * blocks_per_chunk, end_block = min(first_block + blocks_per_chunk, blocks);
    u64 sequence = blockIdx.y, offset = static_cast<u64>(batch) * length;
    const bf16* key = k.x + offset * k.stride + head * kHeadDim + channel;
    const bf16* value = v.x + offset * v.stride + head * kHeadDim + channel;
    u8 *key_tile = shared, *value_tile = shared + kTileBytes, *feature_tile = shared + 2 * kTileBytes;

    // This thread's part of a block of keys or values; zeros past the end.
    auto load = [&](u8* tile, const bf16* source, int stride, int block) {
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row_in_block = pass * kRowsAtOnce + row_in_pass, row = block * BLOCK + row_in_block;
            bool inside = block < end_block && row < length;
            cp_async_16(shared_address(tile + swizzled<kRowBytes>(row_in_block, chunk)), source + (inside ? static_cast<u64>(row) * stride : 0), inside);
        }
        cp_async_commit();
    };
    auto load_keys = [&](int block) { load(key_tile, key, k.stride, block); };
    auto load_values = [&](int block) {
        if (VALUES || STATE) load(value_tile, value, v.stride, block);
    };

    // Not in registers, of which there are few.
    __shared__ __align__(16) bf16 centres[kHeadDim];
    if (threadIdx.x < kHeadDim) centres[threadIdx.x] = mean[sequence * kHeadDim + threadIdx.x];
#if NORMALIZE
    __shared__ __align__(16) bf16 weights[kHeadDim];
    if (threadIdx.x < kHeadDim) weights[threadIdx.x] = k.weight[head * kHeadDim + threadIdx.x];
#endif
#if VALUES == 2
    // 1 / what a channel is divided by.
    __shared__ __align__(16) float channel_inverses[kHeadDim];
    if (threadIdx.x < kHeadDim) {
        float most = v.channels[sequence * kHeadDim + threadIdx.x];
        channel_inverses[threadIdx.x] = most > 0 ? 1.0f / most : 0.0f;
    }
#endif
    __syncthreads();

    float product[kWarpKeys / kMmaRows][kWarpValues / kMmaColumns][4] = {};
    // Of the warps with the first values: the sums of the features, in every column.
    float feature_sums[kWarpKeys / kMmaRows][4] = {};
    int row_tile = warp / 2 * kWarpKeys, column_tile = warp % 2 * kWarpValues;
    load_keys(first_block);
    load_values(first_block);
    for (int block = first_block; block < end_block; block++) {
        float sum[kVector] = {};
        u32 key_most = 0;
#pragma unroll
        for (int part = 0; part < kParts; part++) {
            // Of the first part: the keys; the values may still be under way.
            if (part == 0 && (VALUES || STATE)) cp_async_wait<1>();
            else cp_async_wait<0>();
// More at once would need more registers than there are.
#pragma unroll 1
            for (int pass = part * kPasses / kParts; pass < (part + 1) * kPasses / kParts; pass++) {
                int row = pass * kRowsAtOnce + row_in_pass, token = block * BLOCK + row;
                bool inside = token < length;
                uint4* place = reinterpret_cast<uint4*>(key_tile + swizzled<kRowBytes>(row, chunk));
                float x[kVector], weight[kVector] = {};
                unpack8(*place, x);
#if NORMALIZE
                load8(weights + channel, weight);
#endif
                prepare(k, x, batch, length, min(token, length - 1), channel, weight);
                if (inside) store_unscaled(keys.values + (sequence * length + token) * kHeadDim + channel, x);
                if (STATE) {
                    float feature[kVector];
                    softmax_row(x, feature);
                    *reinterpret_cast<uint4*>(feature_tile + swizzled<kRowBytes>(row % FEATURE_ROWS, chunk)) = inside ? pack8(feature) : uint4{};
                }
                float centre[kVector];
                load8(centres + channel, centre);
#pragma unroll
                for (int i = 0; i < kVector; i++) x[i] -= centre[i];
                // The difference is rounded to bf16, as in the plain form.
                uint4 centred = inside ? pack8(x) : uint4{};
                if (sizeof(ELEMENT) == sizeof(i8)) *place = centred;
                key_most = max_magnitude(centred, key_most);
                unpack8(centred, x);
#pragma unroll
                for (int i = 0; i < kVector; i++) sum[i] += x[i];
            }
            if (part == 0) {
                cp_async_wait<0>();
                float value_amax = 0;
                u32 value_most = 0;
#pragma unroll
                for (int pass = 0; pass < (VALUES ? kPasses : 0); pass++) {
                    uint4 raw = *reinterpret_cast<const uint4*>(value_tile + swizzled<kRowBytes>(pass * kRowsAtOnce + row_in_pass, chunk));
#if VALUES == 2
                    float x[kVector], inverses[kVector];
                    unpack8(raw, x);
                    load8(channel_inverses + channel, inverses);
#pragma unroll
                    for (int i = 0; i < kVector; i++) value_amax = fmaxf(value_amax, fabsf(x[i] * inverses[i]));
#else
                    value_most = max_magnitude(raw, value_most);
#endif
                }
                value_amax = max_over_warp(fmaxf(value_amax, fmaxf(low_bf16(value_most), high_bf16(value_most))));
                if (lane == 0) amaxes[1][warp] = value_amax;
            }
            if (part == kParts - 1) {
                // Lanes 16 apart have the same channels.
#pragma unroll
                for (int i = 0; i < kVector; i++) {
                    sum[i] += __shfl_xor_sync(kFullWarp, sum[i], kThreadsPerRow);
                    if (lane < kThreadsPerRow) sums[warp][channel + i] = sum[i];
                }
                float key_amax = max_over_warp(fmaxf(low_bf16(key_most), high_bf16(key_most)));
                if (lane == 0) amaxes[0][warp] = key_amax;
            }
            __syncthreads();

            if (part == kParts - 1) {
                float scale = int8_scale(max_over_warp(amaxes[0][lane % kWarps]));
                u64 index = sequence * blocks + block;
                if (threadIdx.x == 0) keys.scales[index] = scale;
                if (threadIdx.x < kHeadDim / 2) {
                    float low = 0, high = 0;
#pragma unroll
                    for (int w = 0; w < kWarps; w++) low += sums[w][2 * threadIdx.x], high += sums[w][2 * threadIdx.x + 1];
                    float count = min(BLOCK, length - block * BLOCK);
                    reinterpret_cast<u32*>(keys.pooled + index * kHeadDim)[threadIdx.x] = pack_bf16(low / count, high / count);
                }
#pragma unroll
                for (int pass = 0; pass < (sizeof(ELEMENT) == sizeof(i8) ? kPasses : 0); pass++) {
                    int row = pass * kRowsAtOnce + row_in_pass, token = block * BLOCK + row;
                    if (token >= length) continue;
                    float x[kVector];
                    unpack8(*reinterpret_cast<const uint4*>(key_tile + swizzled<kRowBytes>(row, chunk)), x);
                    store_scaled(keys.values + (sequence * length + token) * kHeadDim + channel, x, scale);
                }
                load_keys(block + 1);
#if VALUES
                // A thread has two channels of 16 tokens at a time.
                constexpr int kPairs = kHeadDim / 2, kGroup = 16;
                float value_scale = fmaxf(max_over_warp(amaxes[1][lane % kWarps]), 1e-12f) / kMaxValue, inverse = 1.0f / value_scale;
                if (threadIdx.x == 0) v.scales[index] = value_scale;
                int pair = threadIdx.x % kPairs;
                float low_inverse = inverse, high_inverse = inverse;
#if VALUES == 2
                low_inverse *= channel_inverses[2 * pair], high_inverse *= channel_inverses[2 * pair + 1];
#endif
#pragma unroll 1
                for (int group = threadIdx.x / kPairs; group < BLOCK / kGroup; group += kThreads / kPairs) {
                    u32 low[4], high[4];
#pragma unroll
                    for (int t = 0; t < 4; t++) {
                        u32 quad[4];
#pragma unroll
                        for (int i = 0; i < 4; i++)
                            quad[i] = *reinterpret_cast<const u32*>(value_tile + swizzled<kRowBytes>(group * kGroup + i / 2 * 8 + 2 * t + i % 2, pair / 4) + pair % 4 * 4);
                        low[t] = pack_values(low_bf16(quad[0]) * low_inverse, low_bf16(quad[1]) * low_inverse) |
                                 pack_values(low_bf16(quad[2]) * low_inverse, low_bf16(quad[3]) * low_inverse) << 16;
                        high[t] = pack_values(high_bf16(quad[0]) * high_inverse, high_bf16(quad[1]) * high_inverse) |
                                  pack_values(high_bf16(quad[2]) * high_inverse, high_bf16(quad[3]) * high_inverse) << 16;
                    }
                    uint4* out = reinterpret_cast<uint4*>(v.values + (index * kHeadDim + 2 * pair) * BLOCK + group * kGroup);
                    out[0] = {low[0], low[1], low[2], low[3]};
                    out[BLOCK / kGroup] = {high[0], high[1], high[2], high[3]};
                }
#endif
            }

            if (STATE) {
                u32 feature_address = shared_address(feature_tile), value_address = shared_address(value_tile) + part * FEATURE_ROWS * kRowBytes;
#pragma unroll
                for (int depth = 0; depth < FEATURE_ROWS / kMmaDepth; depth++) {
                    // Both lie with the tokens as rows. Left: channels of k by tokens; right: tokens by channels of v.
                    u32 left[kWarpKeys / kMmaRows][4];
#pragma unroll
                    for (int i = 0; i < kWarpKeys / kMmaRows; i++)
                        ldmatrix_x4_transposed(left[i], feature_address + swizzled<kRowBytes>(depth * kMmaDepth + lane / 16 * 8 + lane % 8, (row_tile + i * kMmaRows) / kVector + lane / 8 % 2));
#pragma unroll
                    for (int j = 0; j < kWarpValues / kMmaColumns; j += 2) {
                        u32 right[4];
                        ldmatrix_x4_transposed(right, value_address + swizzled<kRowBytes>(depth * kMmaDepth + lane % 16, column_tile / kVector + j + lane / 16));
#pragma unroll
                        for (int i = 0; i < kWarpKeys / kMmaRows; i++) {
                            mma_bf16(product[i][j], left[i], right[0], right[1]);
                            mma_bf16(product[i][j + 1], left[i], right[2], right[3]);
                        }
                    }
                    if (column_tile == 0)
#pragma unroll
                        for (int i = 0; i < kWarpKeys / kMmaRows; i++) mma_bf16(feature_sums[i], left[i], kOnes, kOnes);
                }
            }
            // The next features and values take these ones' place.
            __syncthreads();
        }
        load_values(block + 1);
    }

    if (!STATE) return;
    u64 chunk_index = sequence * gridDim.x + blockIdx.x;
    float* out = state.products + chunk_index * kHeadDim * kHeadDim;
#pragma unroll
    for (int i = 0; i < kWarpKeys / kMmaRows; i++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int row = row_tile + i * kMmaRows + half * 8 + lane / 4;
#pragma unroll
            for (int j = 0; j < kWarpValues / kMmaColumns; j++) {
                float2 pair;
                pair.x = product[i][j][2 * half], pair.y = product[i][j][2 * half + 1];
                *reinterpret_cast<float2*>(out + row * kHeadDim + column_tile + j * kMmaColumns + lane % 4 * 2) = pair;
            }
            if (column_tile == 0 && lane % 4 == 0) state.sums[chunk_index * kHeadDim + row] = feature_sums[i][2 * half];
        }
}
