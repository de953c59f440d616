// Sparse-linear attention on Hopper (wgmma, TMA, mbarrier); sage_sparse_attention.cu is the portable form of its sparse branch.
//   y = softmax over the chosen keys of (q·kᵀ/√128) · v + φ(q)·M / (1e-5 + φ(q)·z) + bias
// q·kᵀ in int8, the softmax in float32 as the blocks come, P·V in fp8 with V in blocks of their own scale, and the linear
// branch in bf16: φ(q) are the features, M the projected state of the head, z its sum of features.
// A thread block has two query blocks of 64, a warpgroup each. A third warpgroup merges their lists of key blocks and has the copy
// engine fill a ring of stages with them, so that a block both have chosen comes once; a stage says whom it is for. The ring's
// last two stages are the features and M.
//   STAGES  key blocks under way
#include "vector.cuh"
#include "ptx_sm90.cuh"

constexpr int kHeadDim = 128;
constexpr int kQueryBlock = 64, kKeyBlock = 128;
constexpr int kWarpgroups = 2;
constexpr int kConsumers = kWarpgroups * kWarpgroup;
constexpr int kThreads = kConsumers + kWarpgroup;
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
constexpr int kRows = kWarpgroups * kQueryBlock;
constexpr int kBoxRows = 128, kBoxBytes = kBoxRows * 128;
// Keys and values; or the two halves of the channels in bf16.
constexpr int kStageBytes = 2 * kBoxBytes;
constexpr int kMmaBytes = 32;
constexpr int kAlignment = 1024;
constexpr int kQueryBytes = kRows * kHeadDim;
constexpr int kWarpgroupBarrier = 2;
constexpr int kEnd = -1;
constexpr float kEps = 1e-5f;

// An int32 of this plus n, |n| < 2²², has the bits of the float32 12582912 + n: integer sums that start from it are
// floats without a conversion.
constexpr int kFloatBits = 0x4b400000;
constexpr float kFloatOffset = 12582912.0f;
constexpr u32 kMinusInfinityBits = 0xff800000u;
// P is at most about 2⁸, where fp8 ends at 448: small weights stay above its smallest number.
constexpr float kWeightExponent = 8.0f;

// What the copies of a stage hold.
struct Stage {
    int block;  // of keys, or kEnd: the features, and M in the stage after it
    int users;  // a bit for each warpgroup
    float key_scale, value_scale;
};

template <bool Maximum>
DEVICE float reduce_row(float value) {
#pragma unroll
    for (int lane = 1; lane < 4; lane *= 2) {
        float other = __shfl_xor_sync(kFullWarp, value, lane);
        value = Maximum ? fmaxf(value, other) : value + other;
    }
    return value;
}

// Through maps with boxes of 128 rows and 128 bytes: q, k int8 [B·H·length, 128]; v fp8 [B·H·key blocks·128 channels, 128]
// as sage_keys leaves it; features bf16 [B·H·length, 128]; mix (M) bf16 [B·H·128 outputs, 128].
// q_scales [B, H, query blocks], k_scales, v_scales [B, H, key blocks]; kept [B, H, query blocks, count], ascending; sums (z)
// [B, H, 128]; bias [128]; y [B, length, H, 128]. Grid: pairs of query blocks, B · H. factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_sage_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
                    const __grid_constant__ TensorMap features, const __grid_constant__ TensorMap mix, const float* q_scales,
                    const float* k_scales, const float* v_scales, const int* kept, const float* sums, const float* bias, bf16* y,
                    int length, int heads, int count, float factor) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) u64 full[STAGES], empty[STAGES], query_barrier;
    __shared__ Stage stages[STAGES];

    int query_blocks = (length + kQueryBlock - 1) / kQueryBlock, key_blocks = (length + kKeyBlock - 1) / kKeyBlock;
    int first_row = blockIdx.x * kRows;
    u64 sequence = blockIdx.y;
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    u32 ring = shared_address(aligned), queries = ring + STAGES * kStageBytes;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            mbarrier_init(shared_address(&full[stage]), 1);
            mbarrier_init(shared_address(&empty[stage]), kConsumers / kWarpSize);
        }
        mbarrier_init(shared_address(&query_barrier), 1);
        mbarrier_init_fence();
    }
    __syncthreads();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x != kConsumers) return;
        int row = static_cast<int>(sequence) * length + first_row;
        mbarrier_arrive_expect(shared_address(&query_barrier), kQueryBytes);
        copy_box(queries, &q, 0, row, shared_address(&query_barrier));

        int step = 0;
        // Fills the next stage with two boxes.
        auto fill = [&](Stage content, const TensorMap* left, int left_row, const TensorMap* right, int right_column, int right_row) {
            int stage = step % STAGES;
            // A fresh barrier's phase before the first counts as over: the first round does not wait.
            mbarrier_wait(shared_address(&empty[stage]), (step / STAGES & 1) ^ 1);
            stages[stage] = content;
            u32 destination = ring + stage * kStageBytes, barrier = shared_address(&full[stage]);
            mbarrier_arrive_expect(barrier, kStageBytes);
            copy_box(destination, left, 0, left_row, barrier);
            copy_box(destination + kBoxBytes, right, right_column, right_row, barrier);
            step++;
        };
        const int* lists[] = {kept + (sequence * query_blocks + kWarpgroups * blockIdx.x) * count, nullptr};
        lists[1] = lists[0] + count;
        int first = 0, second = kWarpgroups * blockIdx.x + 1 < query_blocks ? 0 : count;
        while (first < count || second < count) {
            int a = first < count ? lists[0][first] : key_blocks, b = second < count ? lists[1][second] : key_blocks, block = min(a, b);
            first += a == block, second += b == block;
            u64 index = sequence * key_blocks + block;
            fill({block, (a == block) | (b == block) << 1, k_scales[index], v_scales[index]}, &k, static_cast<int>(sequence) * length + block * kKeyBlock, &v, 0,
                 static_cast<int>(index) * kHeadDim);
        }
        fill({kEnd, 0, 0, 0}, &features, row, &features, kBoxRows, row);
        fill({kEnd, 0, 0, 0}, &mix, static_cast<int>(sequence) * kHeadDim, &mix, kBoxRows, static_cast<int>(sequence) * kHeadDim);
        return;
    }

    claim_registers<kConsumerRegisters>();
    int warpgroup = threadIdx.x / kWarpgroup, thread = threadIdx.x % kWarpgroup, warp = thread / kWarpSize, lane = threadIdx.x % kWarpSize;
    int query_block = kWarpgroups * blockIdx.x + warpgroup;
    float query_scale = q_scales[sequence * query_blocks + min(query_block, query_blocks - 1)] * factor;
    u32 query = queries + warpgroup * kQueryBlock * kHeadDim;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until
    // the end. The output is in units of value_scale.
    float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
    float output[64] = {};
    float value_scale = 1;
    mbarrier_wait(shared_address(&query_barrier), 0);

    int step = 0;
    for (;; step++) {
        int stage = step % STAGES;
        mbarrier_wait(shared_address(&full[stage]), step / STAGES & 1);
        Stage content = stages[stage];
        if (content.block == kEnd) break;
        u32 keys = ring + stage * kStageBytes, values = keys + kBoxBytes;
        if (content.users >> warpgroup & 1) {
            int score[64];
#pragma unroll
            for (int i = 0; i < 64; i++) score[i] = kFloatBits;
            wgmma_fence();
#pragma unroll
            for (int depth = 0; depth < kHeadDim / kMmaBytes; depth++)
                wgmma_s8(score, swizzled_operand(query + depth * kMmaBytes), swizzled_operand(keys + depth * kMmaBytes), 1);
            wgmma_commit();
            wgmma_wait<0>(score);

            int valid = length - content.block * kKeyBlock;
            if (valid < kKeyBlock) {
#pragma unroll
                for (int i = 0; i < 64; i++)
                    if (i / 4 * 8 + lane % 4 * 2 + i % 2 >= valid) score[i] = kMinusInfinityBits;
            }
            float scale = query_scale * content.key_scale;
            float unit = __fdividef(value_scale, content.value_scale);
            value_scale = content.value_scale;
            float rescale[2];
            u32 weights[4][4];
#pragma unroll
            for (int row = 0; row < 2; row++) {
                float highest = minus_infinity;
#pragma unroll
                for (int i = 2 * row; i < 64; i += 4) highest = fmaxf(highest, fmaxf(__int_as_float(score[i]), __int_as_float(score[i + 1])));
                highest = (reduce_row<true>(highest) - kFloatOffset) * scale;
                // score · scale − reference in one step. What is subtracted is rounded; the reference that was meant by it is
                // what it says without the offset, exactly.
                float subtracted = __fmaf_rn(kFloatOffset, scale, fmaxf(reference[row], highest - kWeightExponent));
                float next = __fmaf_rn(-kFloatOffset, scale, subtracted);
                float change = exp2_fast(reference[row] - next);
                reference[row] = next;
                rescale[row] = change * unit;
                float sum = 0;
#pragma unroll
                for (int i = 2 * row; i < 64; i += 4)
#pragma unroll
                    for (int e = i; e < i + 2; e++) {
                        float weight = exp2_fast(__fmaf_rn(__int_as_float(score[e]), scale, -subtracted));
                        sum += weight;
                        score[e] = __float_as_int(weight);
                    }
                total[row] = total[row] * change + sum;
                // Neighbouring tiles of 8 keys become neighbouring pairs, as the values' tokens lie.
#pragma unroll
                for (int depth = 0; depth < 4; depth++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        int i = (depth * 4 + half * 2) * 4 + 2 * row;
                        weights[depth][2 * half + row] = pack_fp8(__int_as_float(score[i]), __int_as_float(score[i + 1])) |
                                                         pack_fp8(__int_as_float(score[i + 4]), __int_as_float(score[i + 5])) << 16;
                    }
            }

            // Apart from the output: the tensor cores' sums of fp8 products have fewer bits than float32.
            float product[64];
            wgmma_fence();
#pragma unroll
            for (int depth = 0; depth < kKeyBlock / kMmaBytes; depth++)
                wgmma_fp8(product, weights[depth], swizzled_operand(values + depth * kMmaBytes), depth > 0);
            wgmma_commit();
            wgmma_wait<0>(product);
#pragma unroll
            for (int i = 0; i < 64; i++) output[i] = output[i] * rescale[i / 2 % 2] + product[i];
        }
        __syncwarp();
        if (lane == 0) mbarrier_arrive(shared_address(&empty[stage]));
    }

    // The linear branch.
    u32 feature_stage = step % STAGES * kStageBytes;
    step++;
    mbarrier_wait(shared_address(&full[step % STAGES]), step / STAGES & 1);
    u32 mix_stage = step % STAGES * kStageBytes;
    float linear[64];
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < 2 * kHeadDim / kMmaBytes; depth++) {
        u32 at = depth / 4 * kBoxBytes + depth % 4 * kMmaBytes;
        wgmma_bf16(linear, swizzled_operand(ring + feature_stage + at + warpgroup * kQueryBlock * 128), swizzled_operand(ring + mix_stage + at), depth > 0);
    }
    wgmma_commit();

    // φ(q)·z of the same two rows, a quarter of the channels per lane.
    u8* tile = aligned + feature_stage + warpgroup * kQueryBlock * 128;
    float divisor[2] = {0, 0};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        int chunk = lane % 4 + i * 4;
        float z[kVector];
        load8(sums + sequence * kHeadDim + chunk * kVector, z);
#pragma unroll
        for (int row = 0; row < 2; row++) {
            int at = warp * 16 + row * 8 + lane / 4;
            float feature[kVector];
            load8(reinterpret_cast<const bf16*>(tile + chunk / 8 * kBoxBytes + at * 128 + (chunk % 8 ^ at % 8) * 16), feature);
#pragma unroll
            for (int j = 0; j < kVector; j++) divisor[row] += feature[j] * z[j];
        }
    }
    float sparse[2];
#pragma unroll
    for (int row = 0; row < 2; row++) {
        divisor[row] = 1.0f / (kEps + reduce_row<false>(divisor[row]));
        sparse[row] = value_scale / reduce_row<false>(total[row]);
    }
    wgmma_wait<0>(linear);

    // Both are done with the features: the rows of y take their place, and leave in whole lines.
    named_barrier_sync<kWarpgroup>(kWarpgroupBarrier + warpgroup);
#pragma unroll
    for (int i = 0; i < 64; i += 2) {
        int row = i / 2 % 2, at = warp * 16 + row * 8 + lane / 4, chunk = i / 4;
        float2 shift = *reinterpret_cast<const float2*>(bias + chunk * 8 + lane % 4 * 2);
        *reinterpret_cast<u32*>(tile + chunk / 8 * kBoxBytes + at * 128 + (chunk % 8 ^ at % 8) * 16 + lane % 4 * 4) =
            pack_bf16(output[i] * sparse[row] + linear[i] * divisor[row] + shift.x, output[i + 1] * sparse[row] + linear[i + 1] * divisor[row] + shift.y);
    }
    named_barrier_sync<kWarpgroup>(kWarpgroupBarrier + warpgroup);
    int batch = blockIdx.y / heads, head = blockIdx.y % heads;
#pragma unroll
    for (int i = 0; i < 8; i++) {
        int at = i * 8 + thread / 16, chunk = thread % 16, row = first_row + warpgroup * kQueryBlock + at;
        if (row >= length) continue;
        *reinterpret_cast<uint4*>(y + ((static_cast<u64>(batch) * length + row) * heads + head) * kHeadDim + chunk * kVector) =
            *reinterpret_cast<const uint4*>(tile + chunk / 8 * kBoxBytes + at * 128 + (chunk % 8 ^ at % 8) * 16);
    }
}
