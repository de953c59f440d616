// Attention in 8 bits on Hopper (wgmma, TMA, mbarrier): over all keys, or over chosen key blocks with the linear branch.
//   y = softmax over the keys of (q·kᵀ/√128) · v [+ φ(q)·M / (1e-5 + φ(q)·z) + bias]
// q·kᵀ in int8, the softmax in float32 as the blocks come. Over chosen blocks P·V in fp8, with a scale for each block of V, and the
// linear branch in bf16: φ(q) are the features, M the projected state of the head, z its sum of features. Over all keys P·V in int8,
// which is half as far off: P against the block's own maximum, V with a scale for each channel and one for each block.
// A thread block has two query blocks of 64, a warpgroup each. A stage of the ring is a block of 128 keys and its values; an entry of
// the list says for whom. With the linear branch the last two stages are the features and M.
//   STAGES  see sm90_attention.cuh
//   CHOSEN  1: the key blocks of a list, P·V in fp8, and the linear branch; 0: all key blocks, and P·V in int8
#include "sm90_attention.cuh"
#include "block_list.cuh"

constexpr int kKeyBlock = 128;
constexpr int kBoxBytes = kKeyBlock * kBoxWidth;
constexpr int kQueryBytes = kRows * kHeadDim;
static_assert(2 * kBoxBytes == kStageBytes);

// An int32 of this plus n, |n| < 2²², has the bits of the float32 12582912 + n: integer sums that start from it are floats without a
// conversion.
constexpr int kFloatBits = 0x4b400000;
constexpr float kFloatOffset = 12582912.0f;
// The exponent of the highest P. In fp8, which ends at 448, small weights stay above its smallest number; in int8 it is 127, and less
// what rounding may add.
constexpr float kWeightExponent = CHOSEN ? 8.0f : 6.988f;

// The key blocks of the thread block.
struct Blocks {
    const BlockEntry* entries;                  // [B·H, pairs of query blocks, capacity]
    const int* lengths;                         // [B·H, pairs of query blocks]
    const float *key_scales, *value_scales;     // [B·H, key blocks]
    int capacity;

    DEVICE_MEMBER u64 pair() const { return static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x; }

    DEVICE_MEMBER int count(int key_blocks) const { return CHOSEN ? lengths[pair()] : key_blocks; }

    DEVICE_MEMBER int block(int step) const { return CHOSEN ? entries[pair() * capacity + step].block : step; }

    DEVICE_MEMBER BlockEntry entry(int step, int key_blocks) const {
        if (CHOSEN) return entries[pair() * capacity + step];
        u64 index = static_cast<u64>(blockIdx.y) * key_blocks + step;
        return {step, 3, key_scales[index], value_scales[index]};
    }
};

// Through maps with boxes of 128 rows and 128 bytes: q, k int8 [B·H·length, 128]; v fp8 [B·H·key blocks·128 channels, 128] as sage_keys
// leaves it; features bf16 [B·H·length, 128]; mix (M) bf16 [B·H·128 outputs, 128]. q_scales [B, H, query blocks]; sums (z) [B, H, 128];
// bias [128]; y [B, length, H, 128]. With chosen blocks alone: features, mix, sums, bias; over all keys alone: channels [B, H, 128], what
// the channels of v were divided by.
// Grid: pairs of query blocks, B · H. factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_int8_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
                    const __grid_constant__ TensorMap features, const __grid_constant__ TensorMap mix, const float* q_scales, Blocks blocks,
                    const float* sums, const float* bias, const float* channels, bf16* y, int length, int heads, float factor) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) Barriers barriers;
    int query_blocks = (length + kQueryRows - 1) / kQueryRows, key_blocks = (length + kKeyBlock - 1) / kKeyBlock;
    int first_row = blockIdx.x * kRows, count = blocks.count(key_blocks);
    u64 sequence = blockIdx.y;
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    Ring ring{shared_address(aligned), &barriers};
    u32 queries = ring.data + STAGES * kStageBytes;
    if (threadIdx.x == 0) ring.init();
    __syncthreads();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x >= kConsumers + kWarpSize) return;
        int lane = threadIdx.x % kWarpSize, row = static_cast<int>(sequence) * length;
        if (lane == 0) {
            prefetch_map(&q), prefetch_map(&k), prefetch_map(&v);
            if (CHOSEN) prefetch_map(&features), prefetch_map(&mix);
            mbarrier_arrive_expect(shared_address(&barriers.query), kQueryBytes);
            copy_box(queries, &q, 0, row + first_row, shared_address(&barriers.query));
        }
        // Fills a step's stage with two boxes.
        auto fill = [&](int step, const TensorMap* left, int left_row, const TensorMap* right, int right_column, int right_row) {
            ring.begin(step);
            u32 destination = ring.data + ring.offset(step), barrier = ring.full(step);
            copy_box(destination, left, 0, left_row, barrier);
            copy_box(destination + kBoxBytes, right, right_column, right_row, barrier);
        };
        // A warp's worth of the list at a time, and the next on its way: so its entries are in L1 when the consumers want them.
        int next = lane < count ? blocks.block(lane) : 0;
        for (int start = 0; start < count; start += kWarpSize) {
            int mine = next, ahead = start + kWarpSize + lane;
            next = ahead < count ? blocks.block(ahead) : 0;
            for (int step = start; step < min(start + kWarpSize, count); step++) {
                int block = __shfl_sync(kFullWarp, mine, step - start);
                if (lane == 0) fill(step, &k, row + block * kKeyBlock, &v, 0, (static_cast<int>(sequence) * key_blocks + block) * kHeadDim);
            }
        }
        if (CHOSEN && lane == 0) {
            int state = static_cast<int>(sequence) * kHeadDim;
            fill(count, &features, row + first_row, &features, kBoxWidth, row + first_row);
            fill(count + 1, &mix, state, &mix, kBoxWidth, state);
        }
        return;
    }

    claim_registers<kConsumerRegisters>();
    int warpgroup = threadIdx.x / kWarpgroup, lane = threadIdx.x % kWarpSize;
    int query_block = kWarpgroups * blockIdx.x + warpgroup;
    float query_scale = q_scales[sequence * query_blocks + min(query_block, query_blocks - 1)] * factor;
    u32 query = queries + warpgroup * kQueryRows * kHeadDim;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until
    // the end. With fp8 the output is in units of value_scale.
    float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
    float output[64] = {};
    float value_scale = 1;
    mbarrier_wait(shared_address(&barriers.query), 0);

    for (int step = 0; step < count; step++) {
        // On its way while the warp waits.
        BlockEntry content = blocks.entry(step, key_blocks);
        ring.wait(step);
        u32 keys = ring.data + ring.offset(step), values = keys + kBoxBytes;
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
            u32 weights[4][4];
#if CHOSEN
            float unit = __fdividef(value_scale, content.value_scale);
            value_scale = content.value_scale;
            float rescale[2];
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
#else
            float rescale[2], unit[2];
#pragma unroll
            for (int row = 0; row < 2; row++) {
                float highest = minus_infinity;
#pragma unroll
                for (int i = 2 * row; i < 64; i += 4) highest = fmaxf(highest, fmaxf(__int_as_float(score[i]), __int_as_float(score[i + 1])));
                highest = (reduce_row<true>(highest) - kFloatOffset) * scale;
                // As with fp8; but where scores are so large that it matters, half a unit of what is subtracted is below the scale.
                float subtracted = __fmaf_rn(kFloatOffset, scale, highest - (kWeightExponent - scale));
                float local = __fmaf_rn(-kFloatOffset, scale, subtracted), next = fmaxf(reference[row], local);
                rescale[row] = exp2_fast(reference[row] - next);
                float change = exp2_fast(local - next);
                unit[row] = change * content.value_scale;
                reference[row] = next;
                // The lowest byte is the rounded weight.
#pragma unroll
                for (int i = 2 * row; i < 64; i += 4)
#pragma unroll
                    for (int e = i; e < i + 2; e++)
                        score[e] = __float_as_int(exp2_fast(__fmaf_rn(__int_as_float(score[e]), scale, -subtracted)) + kFloatOffset);
                u32 sum = 0;
#pragma unroll
                for (int depth = 0; depth < 4; depth++)
#pragma unroll
                    for (int half = 0; half < 2; half++) {
                        int i = (depth * 4 + half * 2) * 4 + 2 * row;
                        u32 four =
                            __byte_perm(__byte_perm(score[i], score[i + 1], 0x0040), __byte_perm(score[i + 4], score[i + 5], 0x0040), 0x5410);
                        weights[depth][2 * half + row] = four;
                        sum = add_bytes(four, sum);
                    }
                // Of the rounded weights, so that they are shares of one whole.
                total[row] = total[row] * rescale[row] + static_cast<float>(sum) * change;
            }
            int product[64];
#pragma unroll
            for (int i = 0; i < 64; i++) product[i] = fresh_constant<kFloatBits>();
            wgmma_fence();
#pragma unroll
            for (int depth = 0; depth < kKeyBlock / kMmaBytes; depth++)
                wgmma_s8(product, weights[depth], swizzled_operand(values + depth * kMmaBytes), 1);
            wgmma_commit();
            wgmma_wait<0>(product);
#pragma unroll
            for (int i = 0; i < 64; i++) {
                int row = i / 2 % 2;
                output[i] = __fmaf_rn(__int_as_float(product[i]), unit[row], __fmaf_rn(output[i], rescale[row], -kFloatOffset * unit[row]));
            }
#endif
        }
        ring.release(step);
    }

    float sparse[2];
#pragma unroll
    for (int row = 0; row < 2; row++) sparse[row] = value_scale / reduce_row<false>(total[row]);
    Output out{y, length, heads, first_row};
    if (CHOSEN) {
        ring.wait(count);
        ring.wait(count + 1);
        add_linear_branch(output, sparse, aligned + ring.offset(count), aligned + ring.offset(count + 1), sums + sequence * kHeadDim, bias, out);
    } else {
        store_rows(output, sparse, channels + sequence * kHeadDim, out);
    }
}
