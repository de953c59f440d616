// What the attention kernels of Hopper share. A thread block has 128 queries of a head: two warpgroups with 64 each, and a third
// that has the copy engine fill a ring of stages, which both work through.
//   STAGES  stages of the ring
#pragma once
#include "vector.cuh"
#include "ptx_sm90.cuh"

constexpr int kHeadDim = 128;
constexpr int kWarpgroups = 2;
constexpr int kConsumers = kWarpgroups * kWarpgroup;
constexpr int kThreads = kConsumers + kWarpgroup;
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
constexpr int kQueryRows = 64;
constexpr int kRows = kWarpgroups * kQueryRows;
// Rows of a box of the copy engine are 128 bytes: 64 channels in bf16.
constexpr int kBoxWidth = 128;
constexpr int kStageBytes = 32 << 10;
constexpr int kMmaBytes = 32;
constexpr int kAlignment = 1024;
constexpr int kChunk = 16;
constexpr int kWarpgroupBarrier = 2;
constexpr float kEps = 1e-5f;
constexpr u32 kMinusInfinityBits = 0xff800000u;

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

// The barriers of the ring, in shared memory.
struct Barriers {
    u64 full[STAGES], empty[STAGES], query;
};

// The ring as one thread sees it: stages are counted on, round after round.
struct Ring {
    u32 data;
    Barriers* barriers;

    DEVICE_MEMBER void init() {
        for (int stage = 0; stage < STAGES; stage++) {
            mbarrier_init(shared_address(&barriers->full[stage]), 1);
            mbarrier_init(shared_address(&barriers->empty[stage]), kConsumers / kWarpSize);
        }
        mbarrier_init(shared_address(&barriers->query), 1);
        mbarrier_init_fence();
    }

    // Where a step's stage lies, from the ring's beginning.
    DEVICE_MEMBER u32 offset(int step) const { return step % STAGES * kStageBytes; }

    DEVICE_MEMBER u32 full(int step) const { return shared_address(&barriers->full[step % STAGES]); }

    // For the producer: waits until a step's stage is free, and expects its bytes.
    DEVICE_MEMBER void begin(int step) const {
        // A fresh barrier's phase before the first counts as over: the first round does not wait.
        mbarrier_wait(shared_address(&barriers->empty[step % STAGES]), (step / STAGES & 1) ^ 1);
        mbarrier_arrive_expect(full(step), kStageBytes);
    }

    // For the consumers, whole warps: waits for a step's stage; gives it back.
    DEVICE_MEMBER void wait(int step) const { mbarrier_wait(full(step), step / STAGES & 1); }

    DEVICE_MEMBER void release(int step) const {
        __syncwarp();
        if (threadIdx.x % kWarpSize == 0) mbarrier_arrive(shared_address(&barriers->empty[step % STAGES]));
    }
};

// Byte offset of a 16-byte chunk of a row of 128 bf16 in a tile of Rows rows, as two boxes of the copy engine hold it.
template <int Rows>
DEVICE u32 tile_chunk(int row, int chunk) {
    return chunk / 8 * (Rows * kBoxWidth) + row * kBoxWidth + (chunk % 8 ^ row % 8) * kChunk;
}

// Rows of y [B, length, H, 128].
struct Output {
    bf16* y;
    int length, heads, first_row;
    // Of the batch and its heads.
    int sequence;

    // Where a row of the thread block begins; null past the end.
    DEVICE_MEMBER bf16* row(int at) const {
        int batch = sequence / heads, head = sequence % heads, row = first_row + at;
        return row < length ? y + ((static_cast<u64>(batch) * length + row) * heads + head) * kHeadDim : nullptr;
    }
};

// Ends sparse-linear attention for the 64 rows of a warpgroup:
//   y = output · sparse + φ(q)·M / (1e-5 + φ(q)·z) + bias.
// features: where both warpgroups' rows of φ(q) lie, a tile of 128 rows; mix: M [128 outputs, 128 features], likewise. z [128], bias
// [128]. The rows of y take the place of the warpgroup's features, and leave in whole lines.
DEVICE void add_linear_branch(const float (&output)[64], const float (&sparse)[2], u8* features, u8* mix, const float* z, const float* bias, const Output& out) {
    int warpgroup = threadIdx.x / kWarpgroup, thread = threadIdx.x % kWarpgroup, warp = thread / kWarpSize, lane = threadIdx.x % kWarpSize;
    u32 left = shared_address(features) + warpgroup * kQueryRows * kBoxWidth, right = shared_address(mix);
    float linear[64];
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < 2 * kHeadDim / kMmaBytes; depth++) {
        u32 at = depth / 4 * (kRows * kBoxWidth) + depth % 4 * kMmaBytes;
        wgmma_bf16(linear, swizzled_operand(left + at), swizzled_operand(right + at), depth > 0);
    }
    wgmma_commit();

    // φ(q)·z of the thread's two rows, a quarter of the channels per lane.
    int first = warpgroup * kQueryRows + warp * 16 + lane / 4;
    float divisor[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int chunk = lane % 4 + i * 4;
        float sums[kVector];
        load8(z + chunk * kVector, sums);
#pragma unroll
        for (int row = 0; row < 2; row++) {
            float feature[kVector];
            load8(reinterpret_cast<const bf16*>(features + tile_chunk<kRows>(first + row * 8, chunk)), feature);
#pragma unroll
            for (int j = 0; j < kVector; j++) divisor[row] += feature[j] * sums[j];
        }
    }
#pragma unroll
    for (int row = 0; row < 2; row++) divisor[row] = 1.0f / (kEps + reduce_row<false>(divisor[row]));
    wgmma_wait<0>(linear);

    // All are done with the features.
    named_barrier_sync<kWarpgroup>(kWarpgroupBarrier + warpgroup);
#pragma unroll
    for (int i = 0; i < 64; i += 2) {
        int row = i / 2 % 2, chunk = i / 4;
        float2 shift = *reinterpret_cast<const float2*>(bias + chunk * 8 + lane % 4 * 2);
        *reinterpret_cast<u32*>(features + tile_chunk<kRows>(first + row * 8, chunk) + lane % 4 * 4) =
            pack_bf16(output[i] * sparse[row] + linear[i] * divisor[row] + shift.x, output[i + 1] * sparse[row] + linear[i + 1] * divisor[row] + shift.y);
    }
    named_barrier_sync<kWarpgroup>(kWarpgroupBarrier + warpgroup);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int at = warpgroup * kQueryRows + i * 8 + thread / 16, chunk = thread % 16;
        bf16* y = out.row(at);
        if (y) *reinterpret_cast<uint4*>(y + chunk * kVector) = *reinterpret_cast<const uint4*>(features + tile_chunk<kRows>(at, chunk));
    }
}

// Ends attention without it for the 64 rows of a warpgroup: y = output · factor · channels [128].
DEVICE void store_rows(const float (&output)[64], const float (&factor)[2], const float* channels, const Output& out) {
    int lane = threadIdx.x % kWarpSize, first = threadIdx.x / kWarpSize * 16 + lane / 4;
#pragma unroll
    for (int row = 0; row < 2; row++) {
        bf16* y = out.row(first + row * 8);
        if (!y) continue;
#pragma unroll
        for (int i = 2 * row; i < 64; i += 4) {
            int column = i / 4 * 8 + lane % 4 * 2;
            float2 scale = *reinterpret_cast<const float2*>(channels + column);
            *reinterpret_cast<u32*>(y + column) = pack_bf16(output[i] * factor[row] * scale.x, output[i + 1] * factor[row] * scale.y);
        }
    }
}

// The same for the 16 rows of a warp, in whole lines by way of a tile of 128 rows, of which it takes its own.
DEVICE void store_rows_by_tile(const float (&output)[64], const float (&factor)[2], u8* tile, const Output& out) {
    int lane = threadIdx.x % kWarpSize, first = threadIdx.x / kWarpSize * 16;
#pragma unroll
    for (int i = 0; i < 64; i += 2) {
        int row = i / 2 % 2;
        *reinterpret_cast<u32*>(tile + tile_chunk<kRows>(first + row * 8 + lane / 4, i / 4) + lane % 4 * 4) =
            pack_bf16(output[i] * factor[row], output[i + 1] * factor[row]);
    }
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int at = first + i * 2 + lane / 16, chunk = lane % 16;
        bf16* y = out.row(at);
        if (y) *reinterpret_cast<uint4*>(y + chunk * kVector) = *reinterpret_cast<const uint4*>(tile + tile_chunk<kRows>(at, chunk));
    }
}
