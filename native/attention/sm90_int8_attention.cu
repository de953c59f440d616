// Attention in 8 bits on Hopper (wgmma, TMA, mbarrier): over all keys, or over chosen key blocks with the linear branch.
//   y = softmax over the keys of (q·kᵀ/√128) · v [+ φ(q)·M / (1e-5 + φ(q)·z) + bias]
// q·kᵀ in int8, the softmax in float32 as the blocks come. Over chosen blocks P·V in fp8, with a scale for each block of V, and the
// linear branch in bf16: φ(q) are the features, M the projected state of the head, z its sum of features. Over all keys P·V in int8,
// which is half as far off: P against the block's own maximum, V with a scale for each channel and one for each block. There the next
// block's q·kᵀ is under way while half of P·V is added up, and the other half when the next softmax begins.
// A thread block has two query blocks of 64, a warpgroup each. A stage of the ring is a block of 128 keys and its values; with chosen
// blocks, one that both have chosen comes once, and the last two stages are the features and M.
// sage_sparse_attention.cu is the portable form of both, less the linear branch.
//   STAGES  see sm90_attention.cuh
//   CHOSEN  1: the key blocks of two lists, P·V in fp8, and the linear branch; 0: all key blocks, and P·V in int8
#include "sm90_attention.cuh"

constexpr int kKeyBlock = 128;
constexpr int kBoxBytes = kKeyBlock * kBoxWidth;
constexpr int kQueryBytes = kRows * kHeadDim;
static_assert(2 * kBoxBytes == kStageBytes);

// An int32 n, |n| < 2²², plus this has the bits of the float32 12582912 + n, exactly: an addition makes floats of integer sums, in a
// quarter of a conversion's time.
constexpr int kFloatBits = 0x4b400000;
constexpr float kFloatOffset = 12582912.0f;
// The exponent of the highest P. In fp8, which ends at 448, small weights stay above its smallest number; in int8 it is 127, and less
// what rounding may add.
constexpr float kWeightExponent = CHOSEN ? 8.0f : 6.988f;

// The key blocks of a thread block, as each thread goes through them by itself: those of the ascending lists of its two query blocks,
// merged, or all of a sequence. What next() reads is wanted a step later: no step waits for it.
struct Blocks {
    const int* lists;  // [2, count]
    const float *key_scales, *value_scales;  // [key blocks]
    int count, key_blocks;
    // In the lists, or, without them, head[0] alone.
    int at[kWarpgroups], head[kWarpgroups];
    // Where it is: at or past key_blocks after the last.
    int block;
    // A bit for each query block that attends to it.
    int users;
    float key_scale, value_scale;

    // both: the second query block is there.
    DEVICE_MEMBER void begin(bool both) {
        at[0] = 0, at[1] = both ? 0 : count;
        head[0] = CHOSEN ? lists[0] : 0, head[1] = CHOSEN && both ? lists[count] : key_blocks;
        next();
    }

    DEVICE_MEMBER bool ended() const { return block >= key_blocks; }

    DEVICE_MEMBER void next() {
        block = CHOSEN ? min(head[0], head[1]) : head[0];
        users = CHOSEN ? (head[0] == block) | (head[1] == block) << 1 : 3;
        int index = min(block, key_blocks - 1);
        key_scale = key_scales[index], value_scale = value_scales[index];
        if (CHOSEN) {
#pragma unroll
            for (int i = 0; i < kWarpgroups; i++)
                if (head[i] == block) head[i] = ++at[i] < count ? lists[i * count + at[i]] : key_blocks;
        } else {
            head[0]++;
        }
    }
};

// score = q·kᵀ of a block of keys, issued as a group.
DEVICE void multiply_keys(int (&score)[64], u32 query, u32 keys) {
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < kHeadDim / kMmaBytes; depth++)
        wgmma_s8(score, swizzled_operand(query + depth * kMmaBytes), swizzled_operand(keys + depth * kMmaBytes), depth > 0);
    wgmma_commit();
}

// Keys past the first valid ones: a score less than any, which becomes −∞.
DEVICE void hide_keys(int (&score)[64], int valid) {
    if (valid >= kKeyBlock) return;
    int lane = threadIdx.x % kWarpSize;
#pragma unroll
    for (int i = 0; i < 64; i++)
        if (i / 4 * 8 + lane % 4 * 2 + i % 2 >= valid) score[i] = static_cast<int>(kMinusInfinityBits) - kFloatBits;
}

// kFloatOffset + sum.
DEVICE float offset_float(int sum) { return __int_as_float(sum + kFloatBits); }

// The highest score of one of the thread's two rows: of integers, of which an instruction takes three, and in two halves, since each
// comparison waits for the one before.
DEVICE float highest_score(const int (&score)[64], int row) {
    int highest[2] = {score[2 * row], score[2 * row + 4]};
#pragma unroll
    for (int i = 2 * row; i < 64; i += 4) {
        int& of = highest[i / 4 % 2];
        of = max(max(of, score[i]), score[i + 1]);
    }
    return reduce_row<true>(offset_float(max(highest[0], highest[1]))) - kFloatOffset;
}

#if CHOSEN
// A block's part of the softmax: the weights in fp8, as the product takes them. references and totals: see the kernel; change: what the
// totals so far are multiplied by.
DEVICE void weigh(u32 (&weights)[4][4], int (&score)[64], float scale, float (&reference)[2], float (&total)[2], float (&change)[2]) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        float highest = highest_score(score, row) * scale;
        // score · scale − reference in one step. What is subtracted is rounded; the reference that was meant by it is what it says
        // without the offset, exactly.
        float subtracted = __fmaf_rn(kFloatOffset, scale, fmaxf(reference[row], highest - kWeightExponent));
        float next = __fmaf_rn(-kFloatOffset, scale, subtracted);
        change[row] = exp2_fast(reference[row] - next);
        reference[row] = next;
        float sum = 0;
#pragma unroll
        for (int i = 2 * row; i < 64; i += 4)
#pragma unroll
            for (int e = i; e < i + 2; e++) {
                float weight = exp2_fast(__fmaf_rn(offset_float(score[e]), scale, -subtracted));
                sum += weight;
                score[e] = __float_as_int(weight);
            }
        total[row] = total[row] * change[row] + sum;
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
}
#else
// A block's part of the softmax, in two steps: the lowest byte of a score becomes its rounded weight; rescale: what the output and the
// totals so far are multiplied by; change: what the block's are.
DEVICE void weigh(int (&score)[64], float scale, float (&reference)[2], float (&rescale)[2], float (&change)[2]) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        // As with fp8; but where scores are so large that it matters, half a unit of what is subtracted is below the scale.
        float subtracted = __fmaf_rn(kFloatOffset, scale, highest_score(score, row) * scale - (kWeightExponent - scale));
        float local = __fmaf_rn(-kFloatOffset, scale, subtracted), next = fmaxf(reference[row], local);
        rescale[row] = exp2_fast(reference[row] - next);
        change[row] = exp2_fast(local - next);
        reference[row] = next;
#pragma unroll
        for (int i = 2 * row; i < 64; i += 4)
#pragma unroll
            for (int e = i; e < i + 2; e++)
                score[e] = __float_as_int(exp2_fast(__fmaf_rn(offset_float(score[e]), scale, -subtracted)) + kFloatOffset);
    }
}

// The weights as the product takes them, and their sums: of the rounded ones, so that they are shares of one whole.
DEVICE void pack(u32 (&weights)[4][4], const int (&score)[64], u32 (&sum)[2]) {
#pragma unroll
    for (int row = 0; row < 2; row++) {
        sum[row] = 0;
#pragma unroll
        for (int depth = 0; depth < 4; depth++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int i = (depth * 4 + half * 2) * 4 + 2 * row;
                u32 four = __byte_perm(__byte_perm(score[i], score[i + 1], 0x0040), __byte_perm(score[i + 4], score[i + 5], 0x0040), 0x5410);
                weights[depth][2 * half + row] = four;
                sum[row] = add_bytes(four, sum[row]);
            }
    }
}

// product = P·V of 64 channels, issued as a group.
DEVICE void multiply_values(int (&product)[32], const u32 (&weights)[4][4], u32 values) {
    wgmma_fence();
#pragma unroll
    for (int depth = 0; depth < kKeyBlock / kMmaBytes; depth++)
        wgmma_s8(product, weights[depth], swizzled_operand(values + depth * kMmaBytes), depth > 0);
    wgmma_commit();
}

// output = output · rescale + product · unit, from the output's First on.
template <int First>
DEVICE void add_product(float (&output)[64], const int (&product)[32], const float (&rescale)[2], const float (&unit)[2]) {
#pragma unroll
    for (int i = 0; i < 32; i++) {
        int row = i / 2 % 2;
        float& sum = output[First + i];
        sum = __fmaf_rn(offset_float(product[i]), unit[row], __fmaf_rn(sum, rescale[row], -kFloatOffset * unit[row]));
    }
}
#endif

// Through maps with boxes of 128 rows and 128 bytes: q, k int8 [B·H·length, 128]; v fp8 or int8 [B·H·key blocks·128 channels, 128] as
// sage_keys leaves it; features bf16 [B·H·length, 128]; mix (M) bf16 [B·H·128 outputs, 128]. q_scales [B, H, query blocks]; k_scales,
// v_scales [B, H, key blocks]; kept [B, H, query blocks, count], ascending; sums (z) [B, H, 128]; bias [128]; y [B, length, H, 128].
// With chosen blocks alone: features, mix, kept, count, sums, bias; over all keys alone: channels [B, H, 128], what the channels of v
// were divided by. Grid: pairs of query blocks, B · H. factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_int8_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
                    const __grid_constant__ TensorMap features, const __grid_constant__ TensorMap mix, const float* q_scales,
                    const float* k_scales, const float* v_scales, const int* kept, const float* sums, const float* bias,
                    const float* channels, bf16* y, int length, int heads, int count, float factor) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) Barriers barriers;
    int query_blocks = (length + kQueryRows - 1) / kQueryRows, key_blocks = (length + kKeyBlock - 1) / kKeyBlock;
    int first_row = blockIdx.x * kRows, first_query_block = kWarpgroups * blockIdx.x;
    u64 sequence = blockIdx.y;
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    Ring ring{shared_address(aligned), &barriers};
    u32 queries = ring.data + STAGES * kStageBytes;
    if (threadIdx.x == 0) ring.init();
    __syncthreads();

    Blocks blocks{CHOSEN ? kept + (sequence * query_blocks + first_query_block) * count : nullptr, k_scales + sequence * key_blocks,
                  v_scales + sequence * key_blocks, count, key_blocks};
    bool both = first_query_block + 1 < query_blocks;

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x != kConsumers) return;
        int row = static_cast<int>(sequence) * length, state = static_cast<int>(sequence) * kHeadDim, step = 0;
        prefetch_map(&q), prefetch_map(&k), prefetch_map(&v);
        if (CHOSEN) prefetch_map(&features), prefetch_map(&mix);
        mbarrier_arrive_expect(shared_address(&barriers.query), kQueryBytes);
        copy_box(queries, &q, 0, row + first_row, shared_address(&barriers.query));
        // Fills the next stage with two boxes.
        auto fill = [&](const TensorMap* left, int left_row, const TensorMap* right, int right_column, int right_row) {
            ring.begin(step);
            u32 destination = ring.data + ring.offset(step), barrier = ring.full(step);
            copy_box(destination, left, 0, left_row, barrier);
            copy_box(destination + kBoxBytes, right, right_column, right_row, barrier);
            step++;
        };
        for (blocks.begin(both); !blocks.ended();) {
            int block = blocks.block;
            blocks.next();
            fill(&k, row + block * kKeyBlock, &v, 0, (static_cast<int>(sequence) * key_blocks + block) * kHeadDim);
        }
        if (CHOSEN) {
            fill(&features, row + first_row, &features, kBoxWidth, row + first_row);
            fill(&mix, state, &mix, kBoxWidth, state);
        }
        return;
    }

    claim_registers<kConsumerRegisters>();
    int warpgroup = threadIdx.x / kWarpgroup;
    float query_scale = q_scales[sequence * query_blocks + min(first_query_block + warpgroup, query_blocks - 1)] * factor;
    u32 query = queries + warpgroup * kQueryRows * kHeadDim;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until
    // the end. With fp8 the output is in units of value_scale.
    float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
    float output[64] = {};
    float value_scale = 1;
    int step = 0;
    blocks.begin(both);
    mbarrier_wait(shared_address(&barriers.query), 0);

#if CHOSEN
    for (; !blocks.ended(); step++) {
        int valid = length - blocks.block * kKeyBlock;
        bool mine = blocks.users >> warpgroup & 1;
        float scale = query_scale * blocks.key_scale, next_value_scale = blocks.value_scale;
        blocks.next();
        ring.wait(step);
        if (mine) {
            u32 keys = ring.data + ring.offset(step), values = keys + kBoxBytes;
            int score[64];
            multiply_keys(score, query, keys);
            wgmma_wait<0>(score);
            hide_keys(score, valid);
            float unit = __fdividef(value_scale, next_value_scale), change[2];
            value_scale = next_value_scale;
            u32 weights[4][4];
            weigh(weights, score, scale, reference, total, change);
            float rescale[2] = {change[0] * unit, change[1] * unit};

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
        ring.release(step);
    }
#else
    auto multiply_keys_of = [&](int (&score)[64], int at) { multiply_keys(score, query, ring.data + ring.offset(at)); };

    // Of the block that is worked on; its product is over when its step begins.
    int score[64];
    ring.wait(0);
    multiply_keys_of(score, 0);
    wgmma_wait<0>(score);
    // Of the block before, whose second half is under way.
    float rescale[2] = {1, 1}, unit[2] = {0, 0};
    int product[32] = {};
    for (; step < key_blocks; step++) {
        float scale = query_scale * blocks.key_scale, of_values = blocks.value_scale;
        blocks.next();
        u32 values = ring.data + ring.offset(step) + kBoxBytes, weights[4][4], sum[2];
        // After the last block comes the last once more, whose stage nobody writes to, so that every step is alike.
        int ahead = min(step + 1, key_blocks - 1);
        hide_keys(score, length - step * kKeyBlock);
        float next_rescale[2], change[2];
        weigh(score, scale, reference, next_rescale, change);
        wgmma_wait<0>(product);
        add_product<32>(output, product, rescale, unit);
        if (step > 0) ring.release(step - 1);
        pack(weights, score, sum);
#pragma unroll
        for (int row = 0; row < 2; row++) {
            rescale[row] = next_rescale[row];
            unit[row] = change[row] * of_values;
            total[row] = __fmaf_rn(total[row], rescale[row], static_cast<float>(sum[row]) * change[row]);
        }

        ring.wait(ahead);
        // Other registers, as the compiler sees it, than those of the scores before, which nobody reads any more.
        int next[64];
        multiply_values(product, weights, values);
        multiply_keys_of(next, ahead);
        wgmma_wait<1>(product);
        add_product<0>(output, product, rescale, unit);
        multiply_values(product, weights, values + kHeadDim / 2 * kBoxWidth);
        wgmma_wait<1>(next);
#pragma unroll
        for (int i = 0; i < 64; i++) score[i] = next[i];
    }
    wgmma_wait<0>(product);
    add_product<32>(output, product, rescale, unit);
#endif

    float sparse[2];
#pragma unroll
    for (int row = 0; row < 2; row++) sparse[row] = value_scale / reduce_row<false>(total[row]);
    Output out{y, length, heads, first_row, static_cast<int>(sequence)};
#if CHOSEN
    ring.wait(step);
    ring.wait(step + 1);
    add_linear_branch(output, sparse, aligned + ring.offset(step), aligned + ring.offset(step + 1), sums + sequence * kHeadDim, bias, out);
#else
    store_rows(output, sparse, channels + sequence * kHeadDim, out);
#endif
}
