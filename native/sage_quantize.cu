// What sparse int8 attention needs of q or k, in one pass over it: int8 with a scale per block of tokens and head, and the
// mean of each block, by which blocks are chosen.
//   value = round half away from zero (x − mean) / scale, scale = amax / 127 + 1e-7
// One thread block per token block and head, the values held in registers.
//   BLOCK  tokens of a block: 64 or 128
#include "vector.cuh"

constexpr int kHeadDim = 128;
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kThreadsPerRow = kHeadDim / kVector;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = BLOCK / kRowsAtOnce;

DEVICE u32 to_int8_away(float scaled) {
    int rounded = static_cast<int>(scaled + copysignf(0.5f, scaled));
    return static_cast<u32>(max(-128, min(127, rounded))) & 0xffu;
}

// x [B, length, H, 128]; mean [B, H, 128] or null: none is taken off; values [B, H, length, 128], scales [B, H, blocks],
// pooled [B, H, blocks, 128]. Grid: blocks, B · H.
extern "C" __global__ void __launch_bounds__(kThreads)
sage_quantize(const bf16* x, const bf16* mean, i8* values, float* scales, bf16* pooled, int length, int heads) {
    __shared__ float partials[kWarps];
    __shared__ float sums[kWarps][kHeadDim];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int batch = blockIdx.y / heads, head = blockIdx.y % heads, first = blockIdx.x * BLOCK;
    int channel = threadIdx.x % kThreadsPerRow * kVector;
    u64 sequence = blockIdx.y;

    float offset[kVector] = {};
    if (mean != nullptr) load8(mean + sequence * kHeadDim + channel, offset);
    float v[kPasses][kVector];
    float sum[kVector] = {};
    float amax = 0;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int row = first + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
        if (row >= length) continue;
        load8(x + ((static_cast<u64>(batch) * length + row) * heads + head) * kHeadDim + channel, v[pass]);
#pragma unroll
        for (int i = 0; i < kVector; i += 2) {
            // The difference is rounded to bf16, as in the plain form.
            u32 pair = pack_bf16(v[pass][i] - offset[i], v[pass][i + 1] - offset[i + 1]);
            v[pass][i] = low_bf16(pair), v[pass][i + 1] = high_bf16(pair);
        }
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            amax = fmaxf(amax, fabsf(v[pass][i]));
            sum[i] += v[pass][i];
        }
    }

    // Lanes 16 apart have the same channels.
#pragma unroll
    for (int i = 0; i < kVector; i++) {
        sum[i] += __shfl_xor_sync(kFullWarp, sum[i], kThreadsPerRow);
        if (lane < kThreadsPerRow) sums[warp][channel + i] = sum[i];
    }
    // Its barrier also publishes the sums.
    float scale = reduce_over_threads<kThreads, true>(amax, partials) / 127.0f + 1e-7f;
    u64 block = sequence * gridDim.x + blockIdx.x;
    if (threadIdx.x == 0) scales[block] = scale;
    if (threadIdx.x < kHeadDim / 2) {
        float low = 0, high = 0;
#pragma unroll
        for (int w = 0; w < kWarps; w++) low += sums[w][2 * threadIdx.x], high += sums[w][2 * threadIdx.x + 1];
        float count = min(BLOCK, length - first);
        reinterpret_cast<u32*>(pooled + block * kHeadDim)[threadIdx.x] = pack_bf16(low / count, high / count);
    }

    float inverse = 1.0f / scale;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int row = first + pass * kRowsAtOnce + threadIdx.x / kThreadsPerRow;
        if (row >= length) continue;
        u32 word[2] = {};
#pragma unroll
        for (int i = 0; i < kVector; i++) word[i / 4] |= to_int8_away(v[pass][i] * inverse) << i % 4 * 8;
        uint2 raw;
        raw.x = word[0], raw.y = word[1];
        *reinterpret_cast<uint2*>(values + (sequence * length + row) * kHeadDim + channel) = raw;
    }
}
