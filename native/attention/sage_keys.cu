// What sparse-linear attention needs of k and v, in one pass over them: k normalised and rotated (see sage.cuh), in bf16, or less
// its mean in int8 with a scale per block of tokens and head; the mean of each block, less that of all; the state of the linear branch,
//   S = Σ softmax(k)ᵀ · v, z = Σ softmax(k), over the channels of k;
// and, for the copy engine, v in fp8 or int8 with a scale per block, transposed.
// A thread block takes blocks_per_chunk blocks of a head and keeps its part of the state in registers (mma.sync).
//   BLOCK        tokens of a block: 64 or 128
//   VALUE_TILES  1 or 2, as shared memory allows: with 2, the next block is on its way while one is worked on
//   VALUES       1: v in fp8 too (sm_89 and later; BLOCK 128); 2: in int8, with a scale per channel, too
//   ELEMENT      of the keys: i8 or bf16
//   STATE        1: the state of the linear branch, too
//   NORMALIZE    see sage.cuh
#include "sage.cuh"

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = BLOCK / kRowsAtOnce;
constexpr int kRowBytes = 2 * kHeadDim;
constexpr int kTileBytes = BLOCK * kRowBytes;
// A warp has 32 channels of k by 32 of v of the state.
constexpr int kWarpChannels = 32, kMmaRows = 16, kMmaColumns = 8, kMmaDepth = 16;

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
    if constexpr (VALUES == 2) return to_int8_away(low) | to_int8_away(high) << 8;
    else return pack_fp8(low, high);
}
#endif

// mean [B, H, 128] of k. Grid: chunks, B · H. Dynamic shared memory: 1 + VALUE_TILES tiles.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
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
    u32 feature_address = shared_address(shared);

    // Keys wait in registers, values in the tile that they are used from.
    uint4 raw_keys[kPasses];
    auto load_keys = [&](int block) {
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = block * BLOCK + pass * kRowsAtOnce + row_in_pass;
            bool inside = block < end_block && row < length;
            raw_keys[pass] = inside ? load_raw(key + static_cast<u64>(row) * k.stride) : uint4{};
        }
    };
    auto load_values = [&](int block) {
        if (!VALUES && !STATE) return;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row_in_block = pass * kRowsAtOnce + row_in_pass, row = block * BLOCK + row_in_block;
            bool inside = block < end_block && row < length;
            cp_async_16(feature_address + (1 + block % VALUE_TILES) * kTileBytes + swizzled<kRowBytes>(row_in_block, chunk),
                        value + (inside ? static_cast<u64>(row) * v.stride : 0), inside);
        }
        cp_async_commit();
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

    float product[kWarpChannels / kMmaRows][kWarpChannels / kMmaColumns][4] = {};
    float feature_sum[kVector] = {};
    load_keys(first_block);
    load_values(first_block);
    for (int block = first_block; block < end_block; block++) {
        u8* value_tile = shared + (1 + block % VALUE_TILES) * kTileBytes;
        u32 value_address = shared_address(value_tile);
        // This thread's own; the barrier below makes those of all known.
        cp_async_wait<0>();
        uint4 centred[kPasses];
        float sum[kVector] = {};
        float key_amax = 0, value_amax = 0;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = pass * kRowsAtOnce + row_in_pass, token = block * BLOCK + row;
            bool inside = token < length;
            float x[kVector];
            if (VALUES) {
                unpack8(*reinterpret_cast<const uint4*>(value_tile + swizzled<kRowBytes>(row, chunk)), x);
#if VALUES == 2
                float inverses[kVector];
                load8(channel_inverses + channel, inverses);
#pragma unroll
                for (int i = 0; i < kVector; i++) x[i] *= inverses[i];
#endif
#pragma unroll
                for (int i = 0; i < kVector; i++) value_amax = fmaxf(value_amax, fabsf(x[i]));
            }

            unpack8(raw_keys[pass], x);
            float weight[kVector] = {};
#if NORMALIZE
            load8(weights + channel, weight);
#endif
            prepare(k, x, batch, length, min(token, length - 1), channel, weight);
            if (inside) store_unscaled(keys.values + (sequence * length + token) * kHeadDim + channel, x);
            if (STATE) {
                float feature[kVector];
                softmax_row(x, feature);
                uint4 packed = inside ? pack8(feature) : uint4{};
                *reinterpret_cast<uint4*>(shared + swizzled<kRowBytes>(row, chunk)) = packed;
                // As the product below sees them.
                unpack8(packed, feature);
#pragma unroll
                for (int i = 0; i < kVector; i++) feature_sum[i] += feature[i];
            }
            float centre[kVector];
            load8(centres + channel, centre);
#pragma unroll
            for (int i = 0; i < kVector; i++) x[i] = inside ? x[i] - centre[i] : 0;
            // The difference is rounded to bf16, as in the plain form.
            centred[pass] = pack8(x);
            unpack8(centred[pass], x);
#pragma unroll
            for (int i = 0; i < kVector; i++) {
                key_amax = fmaxf(key_amax, fabsf(x[i]));
                sum[i] += x[i];
            }
        }
        // Lanes 16 apart have the same channels.
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            sum[i] += __shfl_xor_sync(kFullWarp, sum[i], kThreadsPerRow);
            if (lane < kThreadsPerRow) sums[warp][channel + i] = sum[i];
        }
        key_amax = max_over_warp(key_amax), value_amax = max_over_warp(value_amax);
        if (lane == 0) amaxes[0][warp] = key_amax, amaxes[1][warp] = value_amax;
        __syncthreads();

        if (VALUE_TILES > 1) load_keys(block + 1), load_values(block + 1);
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
        for (int pass = 0; pass < kPasses; pass++) {
            int token = block * BLOCK + pass * kRowsAtOnce + row_in_pass;
            if (token >= length) continue;
            float x[kVector];
            unpack8(centred[pass], x);
            store_scaled(keys.values + (sequence * length + token) * kHeadDim + channel, x, scale);
        }

#if VALUES
        {
            // A thread has two channels of 16 tokens.
            constexpr int kPairs = kHeadDim / 2, kGroup = 16;
            static_assert(BLOCK == kThreads / kPairs * kGroup);
            float value_scale = fmaxf(max_over_warp(amaxes[1][lane % kWarps]), 1e-12f) / kMaxValue, inverse = 1.0f / value_scale;
            if (threadIdx.x == 0) v.scales[index] = value_scale;
            int pair = threadIdx.x % kPairs, group = threadIdx.x / kPairs;
            float low_inverse = inverse, high_inverse = inverse;
#if VALUES == 2
            low_inverse *= channel_inverses[2 * pair], high_inverse *= channel_inverses[2 * pair + 1];
#endif
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

        int row_tile = warp / 4 * kWarpChannels, column_tile = warp % 4 * kWarpChannels;
#pragma unroll
        for (int depth = 0; depth < (STATE ? BLOCK / kMmaDepth : 0); depth++) {
            // Both lie with the tokens as rows. Left: channels of k by tokens; right: tokens by channels of v.
            u32 left[kWarpChannels / kMmaRows][4], right[kWarpChannels / kMmaColumns / 2][4];
#pragma unroll
            for (int i = 0; i < kWarpChannels / kMmaRows; i++)
                ldmatrix_x4_transposed(left[i], feature_address + swizzled<kRowBytes>(depth * kMmaDepth + lane / 16 * 8 + lane % 8, (row_tile + i * kMmaRows) / kVector + lane / 8 % 2));
#pragma unroll
            for (int j = 0; j < kWarpChannels / kMmaColumns / 2; j++)
                ldmatrix_x4_transposed(right[j], value_address + swizzled<kRowBytes>(depth * kMmaDepth + lane % 16, column_tile / kVector + 2 * j + lane / 16));
#pragma unroll
            for (int i = 0; i < kWarpChannels / kMmaRows; i++)
#pragma unroll
                for (int j = 0; j < kWarpChannels / kMmaColumns; j++) mma_bf16(product[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
        }
        // The next block takes the tiles' place.
        __syncthreads();
        if (VALUE_TILES == 1) load_keys(block + 1), load_values(block + 1);
    }

    if (!STATE) return;
    u64 part = sequence * gridDim.x + blockIdx.x;
    float* out = state.products + part * kHeadDim * kHeadDim;
#pragma unroll
    for (int i = 0; i < kWarpChannels / kMmaRows; i++)
#pragma unroll
        for (int j = 0; j < kWarpChannels / kMmaColumns; j++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = warp / 4 * kWarpChannels + i * kMmaRows + half * 8 + lane / 4, column = warp % 4 * kWarpChannels + j * kMmaColumns + lane % 4 * 2;
                float2 pair;
                pair.x = product[i][j][2 * half], pair.y = product[i][j][2 * half + 1];
                *reinterpret_cast<float2*>(out + row * kHeadDim + column) = pair;
            }
#pragma unroll
    for (int i = 0; i < kVector; i++) {
        feature_sum[i] += __shfl_xor_sync(kFullWarp, feature_sum[i], kThreadsPerRow);
        if (lane < kThreadsPerRow) sums[warp][channel + i] = feature_sum[i];
    }
    __syncthreads();
    if (threadIdx.x < kHeadDim) {
        float total = 0;
#pragma unroll
        for (int w = 0; w < kWarps; w++) total += sums[w][threadIdx.x];
        state.sums[part * kHeadDim + threadIdx.x] = total;
    }
}
