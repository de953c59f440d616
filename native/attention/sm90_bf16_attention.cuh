// What the attention kernels of Hopper in bf16 share: a warpgroup's 64 queries and blocks of 64 keys. Both products of the softmax take
// bf16, P among it, and sum in float32; the softmax is float32 as the blocks come.
#pragma once
#include "sm90_attention.cuh"

constexpr int kKeyBlock = 64;
// 64 channels of the keys or values of a block.
constexpr int kHalfBytes = kKeyBlock * kBoxWidth;
constexpr int kMmaDepth = 16;
static_assert(4 * kHalfBytes == kStageBytes);

// The warp's 16 rows of the tile of queries, as the products take them from registers.
DEVICE void load_queries(u32 (&query)[kHeadDim / kMmaDepth][4], const u8* queries) {
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
#pragma unroll
    for (int depth = 0; depth < kHeadDim / kMmaDepth; depth++)
        ldmatrix_x4(query[depth], shared_address(queries) + tile_chunk<kRows>(warp * 16 + lane % 16, depth * 2 + lane / 16));
}

// score = q·kᵀ of a block of keys.
DEVICE void multiply_keys(float (&score)[32], const u32 (&query)[kHeadDim / kMmaDepth][4], u32 keys) {
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < kHeadDim / kMmaDepth; depth++)
        wgmma_bf16(score, query[depth], swizzled_operand(keys + depth / 4 * kHalfBytes + depth % 4 * kMmaBytes), depth > 0);
    wgmma_commit();
    wgmma_wait<0>(score);
}

// A block's part of the softmax: output = output · rescale + P·v, with P = 2^(score · factor − reference) of rows lane / 4 and lane / 4 + 8
// of the warp's 16. The references rise to the highest score so far; the totals are this lane's share of the sums of P.
DEVICE void add_values(float (&output)[64], float (&reference)[2], float (&total)[2], float (&score)[32], u32 values, float factor) {
    float rescale[2];
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float highest = __uint_as_float(kMinusInfinityBits);
#pragma unroll
        for (int i = 2 * row; i < 32; i += 4) highest = fmaxf(highest, fmaxf(score[i], score[i + 1]));
        float next = fmaxf(reference[row], reduce_row<true>(highest) * factor);
        rescale[row] = exp2_fast(reference[row] - next);
        reference[row] = next;
        float sum = 0;
#pragma unroll
        for (int i = 2 * row; i < 32; i += 4)
#pragma unroll
            for (int e = i; e < i + 2; e++) {
                score[e] = exp2_fast(__fmaf_rn(score[e], factor, -next));
                sum += score[e];
            }
        total[row] = total[row] * rescale[row] + sum;
    }
    u32 weights[kKeyBlock / kMmaDepth][4];
#pragma unroll
    for (int depth = 0; depth < kKeyBlock / kMmaDepth; depth++)
#pragma unroll
        for (int i = 0; i < 4; i++) weights[depth][i] = pack_bf16(score[depth * 8 + i * 2], score[depth * 8 + i * 2 + 1]);
#pragma unroll
    for (int i = 0; i < 64; i++) output[i] *= rescale[i / 2 % 2];
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < kKeyBlock / kMmaDepth; depth++)
        wgmma_bf16_rows(output, weights[depth], swizzled_operand_rows(values + depth * kMmaDepth * kBoxWidth, kHalfBytes), 1);
    wgmma_commit();
    wgmma_wait<0>(output);
}
