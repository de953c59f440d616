// Softmax attention over chosen key blocks, portable form (mma.sync, sm_80 and later): int8 q·kᵀ with a scale per block, the
// softmax in float32 as the blocks come, P·V in bf16.
// One thread block per query block and head, 16 queries per warp; k and v of the next key block are on their way while one
// is worked on.
//   QUERY_BLOCK  queries per scale and thread block: 64 or 128
//   KEY_BLOCK    keys per scale and step: 64 or 128
#include "ptx.cuh"

constexpr int kHeadDim = 128;
constexpr int kWarpRows = 16;
constexpr int kThreads = QUERY_BLOCK / kWarpRows * kWarpSize;
constexpr int kMmaColumns = 8, kInt8Depth = 32, kBf16Depth = 16;
constexpr int kChunk = 16;
constexpr int kKeyBytes = KEY_BLOCK * kHeadDim, kValueBytes = 2 * kKeyBytes;
constexpr int kStageBytes = kKeyBytes + kValueBytes;
constexpr int kStages = 2;
constexpr int kScoreTiles = KEY_BLOCK / kMmaColumns, kOutputTiles = kHeadDim / kMmaColumns;
constexpr u32 kMinusInfinityBits = 0xff800000u;

// Byte offset of a 16-byte chunk in rows of RowBytes, so that 8 neighbouring rows of a chunk lie in different banks.
template <int RowBytes>
DEVICE u32 swizzled(int row, int chunk) {
    return row * RowBytes + (chunk ^ (row & 7)) * kChunk;
}

// Starts the copy of Rows rows of RowBytes, pitch bytes apart; zeros from row valid on.
template <int Rows, int RowBytes>
DEVICE void copy_rows(u32 destination, const void* source, u64 pitch, int valid) {
    constexpr int kChunksPerRow = RowBytes / kChunk;
    // Not all at once: the addresses would take too many registers.
#pragma unroll 2
    for (int i = 0; i < Rows * kChunksPerRow / kThreads; i++) {
        int index = i * kThreads + threadIdx.x, row = index / kChunksPerRow, chunk = index % kChunksPerRow;
        const u8* from = static_cast<const u8*>(source) + (row < valid ? row * pitch : 0) + chunk * kChunk;
        cp_async_16(destination + swizzled<RowBytes>(row, chunk), from, row < valid);
    }
}

// The maximum or sum over the four lanes that share a row of a product.
template <bool Maximum>
DEVICE float reduce_row(float value) {
#pragma unroll
    for (int lane = 1; lane < 4; lane *= 2) {
        float other = __shfl_xor_sync(kFullWarp, value, lane);
        value = Maximum ? fmaxf(value, other) : value + other;
    }
    return value;
}

// q, k int8 [B, H, length, 128], q_scales, k_scales [B, H, blocks]; v [B, length, H, 128]; kept [B, H, query blocks, count],
// indices of key blocks, each at most once; y float32 [B, length, H, 128]. Grid: query blocks, B · H. factor: 1/√128.
extern "C" __global__ void __launch_bounds__(kThreads)
sage_sparse_attention(const i8* q, const float* q_scales, const i8* k, const float* k_scales, const bf16* v, const int* kept,
                      float* y, int length, int heads, int count, float factor) {
    DYNAMIC_SHARED(shared);
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int batch = blockIdx.y / heads, head = blockIdx.y % heads;
    int key_blocks = (length + KEY_BLOCK - 1) / KEY_BLOCK, first_query = blockIdx.x * QUERY_BLOCK;
    u64 sequence = blockIdx.y;
    const int* chosen = kept + (sequence * gridDim.x + blockIdx.x) * count;
    const i8* keys = k + sequence * length * kHeadDim;
    u64 value_pitch = static_cast<u64>(heads) * kHeadDim;
    const bf16* values = v + static_cast<u64>(batch) * length * value_pitch + head * kHeadDim;

    u32 ring = shared_address(shared);
    auto copy_stage = [&](int step) {
        if (step < count) {
            u32 stage = ring + step % kStages * kStageBytes;
            int first = chosen[step] * KEY_BLOCK, valid = min(KEY_BLOCK, length - first);
            copy_rows<KEY_BLOCK, kHeadDim>(stage, keys + static_cast<u64>(first) * kHeadDim, kHeadDim, valid);
            copy_rows<KEY_BLOCK, 2 * kHeadDim>(stage + kKeyBytes, values + first * value_pitch, 2 * value_pitch, valid);
        }
        cp_async_commit();
    };

    // The queries pass through the second stage into registers.
    copy_rows<QUERY_BLOCK, kHeadDim>(ring + kStageBytes, q + (sequence * length + first_query) * kHeadDim, kHeadDim, min(QUERY_BLOCK, length - first_query));
    cp_async_commit();
    copy_stage(0);
    cp_async_wait<1>();
    __syncthreads();
    u32 query[kHeadDim / kInt8Depth][4];
#pragma unroll
    for (int step = 0; step < kHeadDim / kInt8Depth; step++)
        ldmatrix_x4(query[step], ring + kStageBytes + swizzled<kHeadDim>(warp * kWarpRows + lane % 16, step * 2 + lane / 16));
    __syncthreads();

    // In powers of two: 2^(x · log₂e) is e^x.
    float query_scale = q_scales[sequence * gridDim.x + blockIdx.x] * factor * 1.4426950408889634f;
    float output[kOutputTiles][4] = {};
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    // Of rows lane / 4 and lane / 4 + 8. The sums are this lane's share until the end.
    float highest[2] = {minus_infinity, minus_infinity}, sums[2] = {0, 0};

    for (int step = 0; step < count; step++) {
        copy_stage(step + 1);
        cp_async_wait<1>();
        __syncthreads();
        u32 stage = ring + step % kStages * kStageBytes;
        int block = chosen[step], valid = length - block * KEY_BLOCK;
        float scale = query_scale * k_scales[sequence * key_blocks + block];

        float score[kScoreTiles][4];
#pragma unroll
        for (int pair = 0; pair < kScoreTiles / 2; pair++) {
            int sum[2][4] = {};
#pragma unroll
            for (int depth = 0; depth < kHeadDim / kInt8Depth; depth++) {
                u32 key[4];
                ldmatrix_x4(key, stage + swizzled<kHeadDim>(pair * 2 * kMmaColumns + lane / 16 * 8 + lane % 8, depth * 2 + lane / 8 % 2));
                mma_s8(sum[0], query[depth], key[0], key[1]);
                mma_s8(sum[1], query[depth], key[2], key[3]);
            }
#pragma unroll
            for (int half = 0; half < 2; half++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    int column = (pair * 2 + half) * kMmaColumns + lane % 4 * 2 + e % 2;
                    score[pair * 2 + half][e] = column < valid ? static_cast<float>(sum[half][e]) * scale : minus_infinity;
                }
        }

#pragma unroll
        for (int row = 0; row < 2; row++) {
            float maximum = highest[row];
#pragma unroll
            for (int tile = 0; tile < kScoreTiles; tile++) maximum = fmaxf(maximum, fmaxf(score[tile][2 * row], score[tile][2 * row + 1]));
            maximum = reduce_row<true>(maximum);
            float rescale = exp2_fast(highest[row] - maximum);
            highest[row] = maximum;
            sums[row] *= rescale;
#pragma unroll
            for (int tile = 0; tile < kScoreTiles; tile++)
#pragma unroll
                for (int e = 2 * row; e < 2 * row + 2; e++) {
                    score[tile][e] = exp2_fast(score[tile][e] - maximum);
                    sums[row] += score[tile][e];
                }
#pragma unroll
            for (int tile = 0; tile < kOutputTiles; tile++) output[tile][2 * row] *= rescale, output[tile][2 * row + 1] *= rescale;
        }

#pragma unroll
        for (int depth = 0; depth < KEY_BLOCK / kBf16Depth; depth++) {
            const float(&left)[4] = score[2 * depth];
            const float(&right)[4] = score[2 * depth + 1];
            u32 weights[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]), pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])};
#pragma unroll
            for (int pair = 0; pair < kOutputTiles / 2; pair++) {
                u32 value[4];
                ldmatrix_x4_transposed(value, stage + kKeyBytes + swizzled<2 * kHeadDim>(depth * kBf16Depth + lane % 16, pair * 2 + lane / 16));
                mma_bf16(output[2 * pair], weights, value[0], value[1]);
                mma_bf16(output[2 * pair + 1], weights, value[2], value[3]);
            }
        }
        // The next copies take this stage's place.
        __syncthreads();
    }

#pragma unroll
    for (int row = 0; row < 2; row++) {
        float inverse = 1.0f / reduce_row<false>(sums[row]);
        int at = first_query + warp * kWarpRows + row * 8 + lane / 4;
        if (at >= length) continue;
        float* out = y + (static_cast<u64>(batch) * length + at) * value_pitch + head * kHeadDim;
#pragma unroll
        for (int tile = 0; tile < kOutputTiles; tile++) {
            float2 pair;
            pair.x = output[tile][2 * row] * inverse, pair.y = output[tile][2 * row + 1] * inverse;
            *reinterpret_cast<float2*>(out + tile * kMmaColumns + lane % 4 * 2) = pair;
        }
    }
}
