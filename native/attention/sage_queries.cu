// What sparse-linear attention needs of q, in one pass over it: normalised and rotated (see sage.cuh), in bf16 or in int8 with a scale
// per block of tokens and head; the mean of each block, by which key blocks are chosen; and the features of the linear branch.
//   value = round x / scale, scale = amax / 127 + 1e-7; features = softmax over the channels
// One thread block per token block and HEADS heads, whose rotations it holds in registers; a head's values are there when their turn comes.
//   BLOCK      tokens of a block: 64 or 128
//   HEADS      heads of a thread block, a divisor of all
//   ELEMENT    of the values: i8 or bf16
//   FEATURES   1: the features, too
//   NORMALIZE  see sage.cuh
#include "sage.cuh"

constexpr float kLog2E = 1.4426950408889634f;
// A float32 beside which one of at most 2²² has no fraction, and the integer's bits are the lowest: to the nearest. An exact half, of which a
// division by a scale leaves hardly any, goes to the even neighbour and not away from zero.
constexpr float kIntegers = 12582912.0f;
constexpr int kPasses = 4;
constexpr int kRowsAtOnce = BLOCK / kPasses;
constexpr int kThreads = kRowsAtOnce * kThreadsPerRow;
constexpr int kWarps = kThreads / kWarpSize;

// What softmax_row and store_scaled of sage.cuh do, in fewer instructions, which sage_keys has no registers for.
DEVICE void softmax_row_fast(const float (&v)[kVector], float (&features)[kVector]) {
    float highest = v[0], sum = 0;
#pragma unroll
    for (int i = 1; i < kVector; i++) highest = fmaxf(highest, v[i]);
#pragma unroll
    for (int lane = 1; lane < kThreadsPerRow; lane *= 2) highest = fmaxf(highest, __shfl_xor_sync(kFullWarp, highest, lane));
#pragma unroll
    for (int i = 0; i < kVector; i++) {
        features[i] = exp2_fast(fmaf(v[i], kLog2E, -highest * kLog2E));
        sum += features[i];
    }
#pragma unroll
    for (int lane = 1; lane < kThreadsPerRow; lane *= 2) sum += __shfl_xor_sync(kFullWarp, sum, lane);
    float inverse = __fdividef(1.0f, sum);
#pragma unroll
    for (int i = 0; i < kVector; i++) features[i] *= inverse;
}

DEVICE void store_scaled_fast(bf16*, const float (&)[kVector], float) {}
DEVICE void store_scaled_fast(i8* destination, const float (&v)[kVector], float scale) {
    float inverse_scale = 1.0f / scale;
    u32 bits[kVector];
#pragma unroll
    for (int i = 0; i < kVector; i++) bits[i] = __float_as_uint(fmaf(v[i], inverse_scale, kIntegers));
    uint2 raw;
    raw.x = __byte_perm(__byte_perm(bits[0], bits[1], 0x0040), __byte_perm(bits[2], bits[3], 0x0040), 0x5410);
    raw.y = __byte_perm(__byte_perm(bits[4], bits[5], 0x0040), __byte_perm(bits[6], bits[7], 0x0040), 0x5410);
    *reinterpret_cast<uint2*>(destination) = raw;
}

// The largest magnitude among four pairs of bf16 and one.
DEVICE u32 max_magnitude(uint4 raw, u32 most) {
    constexpr u32 kMagnitude = 0x7fff7fff;
    return max_bf16(max_bf16(max_bf16(raw.x & kMagnitude, raw.y & kMagnitude), max_bf16(raw.z & kMagnitude, raw.w & kMagnitude)), most);
}

// values [B, H, length, 128], scales [B, H, blocks], pooled [B, H, blocks, 128], features [B, H, length, 128].
// Grid: blocks, B · H / HEADS.
extern "C" __global__ void __launch_bounds__(kThreads, 512 / kThreads)
sage_queries(Tokens q, ELEMENT* values, float* scales, bf16* pooled, bf16* features, int length, int heads) {
    // Two sets, so that one barrier a head is enough.
    __shared__ float partials[2][kWarps];
    __shared__ float sums[2][kWarps][kHeadDim];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int first_sequence = blockIdx.y * HEADS, batch = first_sequence / heads, first_head = first_sequence % heads, first = blockIdx.x * BLOCK;
    int channel = threadIdx.x % kThreadsPerRow * kVector, row_in_pass = threadIdx.x / kThreadsPerRow;
    const bf16* x = q.x + static_cast<u64>(batch) * length * q.stride + first_head * kHeadDim + channel;

    uint4 next[kPasses];
    auto load = [&](int head) {
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first + pass * kRowsAtOnce + row_in_pass;
            next[pass] = row < length ? load_raw(x + static_cast<u64>(row) * q.stride + head * kHeadDim) : uint4{};
        }
    };
    load(0);
#if NORMALIZE
    // cosines and sines, times 1 / root mean square.
    float turns[kPasses][kVector];
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        // Rows past the end are zeros; their position is one that exists.
        int row = min(first + pass * kRowsAtOnce + row_in_pass, length - 1);
        u64 pair = static_cast<u64>(row) * (kHeadDim / 2) + channel / 2;
        float inverse = q.inverse[static_cast<u64>(batch) * length + row];
        float4 c = *reinterpret_cast<const float4*>(q.cosines + pair), s = *reinterpret_cast<const float4*>(q.sines + pair);
        float pairs[] = {c.x, s.x, c.y, s.y, c.z, s.z, c.w, s.w};
#pragma unroll
        for (int i = 0; i < kVector; i++) turns[pass][i] = inverse * pairs[i];
    }
#endif

#pragma unroll 1
    for (int head = 0; head < HEADS; head++) {
        u64 sequence = first_sequence + head, block = sequence * gridDim.x + blockIdx.x;
        uint4 raw[kPasses];
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) raw[pass] = next[pass];
        if (head + 1 < HEADS) load(head + 1);
#if NORMALIZE
        float weight[kVector];
        load8(q.weight + (first_head + head) * kHeadDim + channel, weight);
#endif
        float sum[kVector] = {};
        u32 most = 0;
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first + pass * kRowsAtOnce + row_in_pass;
            float v[kVector];
            unpack8(raw[pass], v);
#if NORMALIZE
#pragma unroll
            for (int i = 0; i < kVector; i += 2) {
                float even = v[i] * weight[i], odd = v[i + 1] * weight[i + 1], cosine = turns[pass][i], sine = turns[pass][i + 1];
                v[i] = even * cosine - odd * sine, v[i + 1] = even * sine + odd * cosine;
            }
            raw[pass] = pack8(v);
            unpack8(raw[pass], v);
#endif
            u64 at = (sequence * length + row) * kHeadDim + channel;
            if (row < length) store_unscaled(values + at, v);
            most = max_magnitude(raw[pass], most);
#pragma unroll
            for (int i = 0; i < kVector; i++) sum[i] += v[i];
            if (FEATURES) {
                float feature[kVector];
                softmax_row_fast(v, feature);
                if (row < length) store8(features + at, feature);
            }
        }

        // Lanes 16 apart have the same channels.
        float(&sums_of_head)[kWarps][kHeadDim] = sums[head % 2];
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            sum[i] += __shfl_xor_sync(kFullWarp, sum[i], kThreadsPerRow);
            if (lane < kThreadsPerRow) sums_of_head[warp][channel + i] = sum[i];
        }
        // Its barrier also publishes the sums.
        float amax = reduce_over_threads<kThreads, true>(fmaxf(low_bf16(most), high_bf16(most)), partials[head % 2]);
        float scale = int8_scale(amax);
        if (threadIdx.x == 0) scales[block] = scale;
        if (threadIdx.x < kHeadDim / 2) {
            float low = 0, high = 0;
#pragma unroll
            for (int w = 0; w < kWarps; w++) low += sums_of_head[w][2 * threadIdx.x], high += sums_of_head[w][2 * threadIdx.x + 1];
            float count = min(BLOCK, length - first);
            reinterpret_cast<u32*>(pooled + block * kHeadDim)[threadIdx.x] = pack_bf16(low / count, high / count);
        }
#pragma unroll
        for (int pass = 0; pass < kPasses; pass++) {
            int row = first + pass * kRowsAtOnce + row_in_pass;
            if (row >= length) continue;
            float v[kVector];
            unpack8(raw[pass], v);
            store_scaled_fast(values + (sequence * length + row) * kHeadDim + channel, v, scale);
        }
    }
}
