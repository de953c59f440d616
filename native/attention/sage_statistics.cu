// What must be known of all tokens before sparse-linear attention can quantize q and k: 1 / root mean square of every token
// over the whole width, and the sum over tokens of the normalised, rotated k, from which its mean comes.
// Each thread block takes a chunk of tokens; SHARE of its warps take a token of q and of k, whose channels stay in registers until they
// are added to the sums there. A lane has the same place in every head, and so one rotation for all of them.
//   SHARE    warps that share a token: 1, 2, 4 or 8
//   VECTORS  vectors of 8 channels per lane and token: SHARE · VECTORS · 32 · 8 ≥ width
#define NORMALIZE 1
#include "sage.cuh"

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kTokensAtOnce = kWarps / SHARE;
constexpr int kStep = kWarpSize * kVector;
constexpr int kTokenBarrier = 1;

DEVICE float sum_of_squares(const uint4 (&raw)[VECTORS]) {
    float squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        float v[kVector];
        unpack8(raw[i], v);
#pragma unroll
        for (int j = 0; j < kVector; j++) squares += v[j] * v[j];
    }
    return sum_over_warp(squares);
}

// q_inverse, k_inverse [B, length]; key_sums [B, chunks, width], each times factor. Grid: chunks, B. width % 128 == 0.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
sage_statistics(Tokens q, Tokens k, float* q_inverse, float* k_inverse, float* key_sums, int width, int length, float eps, int chunk, float factor) {
    __shared__ float2 partials[2][kWarps];
    __shared__ __align__(16) float sums[SHARE * VECTORS * kStep];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize, group = warp / SHARE;
    int first_channel = warp % SHARE * (VECTORS * kStep) + lane * kVector;
    int first = blockIdx.x * chunk, end = min(first + chunk, length), turn = 0;
    u64 batch = static_cast<u64>(blockIdx.y) * length;
    float sum[VECTORS][kVector] = {};

    for (int token = first + group; token < end; token += kTokensAtOnce, turn ^= 1) {
        const bf16 *of_q = q.x + (batch + token) * q.stride + first_channel, *of_k = k.x + (batch + token) * k.stride + first_channel;
        uint4 raw_q[VECTORS], raw_k[VECTORS];
#pragma unroll
        for (int i = 0; i < VECTORS; i++) raw_q[i] = first_channel + i * kStep < width ? load_raw(of_q + i * kStep) : uint4{};
#pragma unroll
        for (int i = 0; i < VECTORS; i++) raw_k[i] = first_channel + i * kStep < width ? load_raw(of_k + i * kStep) : uint4{};
        u64 pair = static_cast<u64>(token) * (kHeadDim / 2) + lane % kThreadsPerRow * (kVector / 2);
        float2 squares = {sum_of_squares(raw_q), sum_of_squares(raw_k)};
        if (SHARE > 1) {
            // Two sets, so that one barrier a token is enough.
            if (lane == 0) partials[turn][warp] = squares;
            named_barrier_sync<SHARE * kWarpSize>(kTokenBarrier + group);
            squares = {0, 0};
#pragma unroll
            for (int i = 0; i < SHARE; i++) {
                float2 part = partials[turn][group * SHARE + i];
                squares.x += part.x, squares.y += part.y;
            }
        }
        float inverse = rsqrtf(squares.y / width + eps);
        if (lane == 0 && warp % SHARE == 0) q_inverse[batch + token] = rsqrtf(squares.x / width + eps), k_inverse[batch + token] = inverse;
#pragma unroll
        for (int i = 0; i < VECTORS; i++) {
            if (first_channel + i * kStep >= width) continue;
            float v[kVector], weight[kVector];
            unpack8(raw_k[i], v);
            load8(k.weight + first_channel + i * kStep, weight);
            normalize_rotate(v, inverse, weight, k.cosines + pair, k.sines + pair);
#pragma unroll
            for (int j = 0; j < kVector; j++) sum[i][j] += v[j];
        }
    }

    // The groups one after the other.
    for (int i = threadIdx.x; i < SHARE * VECTORS * kStep; i += kThreads) sums[i] = 0;
#pragma unroll 1
    for (int turn_of = 0; turn_of < kTokensAtOnce; turn_of++) {
        __syncthreads();
        if (group != turn_of) continue;
#pragma unroll
        for (int i = 0; i < VECTORS; i++) {
            float so_far[kVector];
            load8(sums + first_channel + i * kStep, so_far);
#pragma unroll
            for (int j = 0; j < kVector; j++) so_far[j] += sum[i][j];
            store8(sums + first_channel + i * kStep, so_far);
        }
    }
    __syncthreads();
    float* out = key_sums + (static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x) * width;
    for (int i = threadIdx.x; i < width; i += kThreads) out[i] = sums[i] * factor;
}
