//   HEADS      not 0: the form in sage_queries_heads.cuh
#if HEADS
#include "sage_queries_heads.cuh"
#else
// What sparse-linear attention needs of q, in one pass over it: normalised and rotated (see sage.cuh), in bf16 or in int8 with a scale
// per block of tokens and head; the mean of each block, by which key blocks are chosen; and the features of the linear branch.
//   value = round x / scale, scale = amax / 127 + 1e-7; features = softmax over the channels
// One thread block per token block and head, the values held in registers.
//   BLOCK      tokens of a block: 64 or 128
//   ELEMENT    of the values: i8 or bf16
//   FEATURES   1: the features, too
//   NORMALIZE  see sage.cuh
#include "sage.cuh"

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kRowsAtOnce = kThreads / kThreadsPerRow;
constexpr int kPasses = BLOCK / kRowsAtOnce;

// values [B, H, length, 128], scales [B, H, blocks], pooled [B, H, blocks, 128], features [B, H, length, 128].
// Grid: blocks, B · H.
extern "C" __global__ void __launch_bounds__(kThreads)
sage_queries(Tokens q, ELEMENT* values, float* scales, bf16* pooled, bf16* features, int length, int heads) {
    __shared__ float partials[kWarps];
    __shared__ float sums[kWarps][kHeadDim];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int batch = blockIdx.y / heads, head = blockIdx.y % heads, first = blockIdx.x * BLOCK;
    int channel = threadIdx.x % kThreadsPerRow * kVector, row_in_pass = threadIdx.x / kThreadsPerRow;
    u64 sequence = blockIdx.y;
    const bf16* x = q.x + static_cast<u64>(batch) * length * q.stride + head * kHeadDim + channel;

    uint4 raw[kPasses];
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int row = first + pass * kRowsAtOnce + row_in_pass;
        raw[pass] = row < length ? load_raw(x + static_cast<u64>(row) * q.stride) : uint4{};
    }
    float weight[kVector] = {};
#if NORMALIZE
    load8(q.weight + head * kHeadDim + channel, weight);
#endif
    float sum[kVector] = {};
    float amax = 0;
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int row = first + pass * kRowsAtOnce + row_in_pass;
        float v[kVector];
        unpack8(raw[pass], v);
        // Rows past the end are zeros; their position is one that exists.
        prepare(q, v, batch, length, min(row, length - 1), channel, weight);
        raw[pass] = pack8(v);
        if (row < length) store_unscaled(values + (sequence * length + row) * kHeadDim + channel, v);
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            amax = fmaxf(amax, fabsf(v[i]));
            sum[i] += v[i];
        }
        if (FEATURES) {
            float feature[kVector];
            softmax_row(v, feature);
            if (row < length) store8(features + (sequence * length + row) * kHeadDim + channel, feature);
        }
    }

    // Lanes 16 apart have the same channels.
#pragma unroll
    for (int i = 0; i < kVector; i++) {
        sum[i] += __shfl_xor_sync(kFullWarp, sum[i], kThreadsPerRow);
        if (lane < kThreadsPerRow) sums[warp][channel + i] = sum[i];
    }
    // Its barrier also publishes the sums.
    float scale = int8_scale(reduce_over_threads<kThreads, true>(amax, partials));
    u64 block = sequence * gridDim.x + blockIdx.x;
    if (threadIdx.x == 0) scales[block] = scale;
    if (threadIdx.x < kHeadDim / 2) {
        float low = 0, high = 0;
#pragma unroll
        for (int w = 0; w < kWarps; w++) low += sums[w][2 * threadIdx.x], high += sums[w][2 * threadIdx.x + 1];
        float count = min(BLOCK, length - first);
        reinterpret_cast<u32*>(pooled + block * kHeadDim)[threadIdx.x] = pack_bf16(low / count, high / count);
    }
#pragma unroll
    for (int pass = 0; pass < kPasses; pass++) {
        int row = first + pass * kRowsAtOnce + row_in_pass;
        if (row >= length) continue;
        float v[kVector];
        unpack8(raw[pass], v);
        store_scaled(values + (sequence * length + row) * kHeadDim + channel, v, scale);
    }
}
#endif
