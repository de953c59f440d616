//   SHARE    not 0: the form in sage_statistics_registers.cuh
#if SHARE
#include "sage_statistics_registers.cuh"
#else
// What must be known of all tokens before sparse-linear attention can quantize q and k: 1 / root mean square of every token
// over the whole width, and the sum over tokens of the normalised, rotated k, from which its mean comes.
// One thread block per CHUNK tokens. Each warp takes a token of q and one of k; then the threads, by channels, add up the
// same tokens of k, which are still in L1.
//   CHUNK    tokens of a thread block, a multiple of 8
//   VECTORS  vectors of 8 channels per lane: VECTORS · 32 · 8 ≥ width
#define NORMALIZE 1
#include "sage.cuh"

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpSize;
constexpr int kVectorsPerThread = (VECTORS * kWarpSize + kThreads - 1) / kThreads;

// 1 / √(mean x² + ε), in every lane.
DEVICE float inverse_rms(const bf16* x, int width, float eps) {
    int lane = threadIdx.x % kWarpSize;
    uint4 raw[VECTORS];
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int channel = (i * kWarpSize + lane) * kVector;
        raw[i] = channel < width ? load_raw(x + channel) : uint4{};
    }
    float squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        float v[kVector];
        unpack8(raw[i], v);
#pragma unroll
        for (int j = 0; j < kVector; j++) squares += v[j] * v[j];
    }
    return rsqrtf(sum_over_warp(squares) / width + eps);
}

// q_inverse, k_inverse [B, length]; key_sums [B, chunks, width].
// Grid: chunks, B. width % 128 == 0.
extern "C" __global__ void __launch_bounds__(kThreads, VECTORS <= 8 ? 4 : 2)
sage_statistics(Tokens q, Tokens k, float* q_inverse, float* k_inverse, float* key_sums, int width, int length, float eps, int, float factor) {
    __shared__ float inverses[kWarps];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int first = blockIdx.x * CHUNK, end = min(first + CHUNK, length);
    u64 batch = static_cast<u64>(blockIdx.y) * length;
    float sum[kVectorsPerThread][kVector] = {};

    for (int start = first; start < end; start += kWarps) {
        int token = start + warp;
        if (token < end) {
            float query = inverse_rms(q.x + (batch + token) * q.stride, width, eps);
            float key = inverse_rms(k.x + (batch + token) * k.stride, width, eps);
            if (lane == 0) q_inverse[batch + token] = query, k_inverse[batch + token] = key, inverses[warp] = key;
        }
        __syncthreads();
        int tokens = min(kWarps, end - start);
#pragma unroll
        for (int i = 0; i < kVectorsPerThread; i++) {
            int channel = (i * kThreads + threadIdx.x) * kVector;
            if (channel >= width) continue;
            float weight[kVector];
            load8(k.weight + channel, weight);
#pragma unroll 2
            for (int t = 0; t < tokens; t++) {
                float v[kVector];
                load8(k.x + (batch + start + t) * k.stride + channel, v);
                u64 pair = static_cast<u64>(start + t) * (kHeadDim / 2) + channel % kHeadDim / 2;
                normalize_rotate(v, inverses[t], weight, k.cosines + pair, k.sines + pair);
#pragma unroll
                for (int j = 0; j < kVector; j++) sum[i][j] += v[j];
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < kVectorsPerThread; i++) {
        int channel = (i * kThreads + threadIdx.x) * kVector;
#pragma unroll
        for (int j = 0; j < kVector; j++) sum[i][j] *= factor;
        if (channel < width) store8(key_sums + (static_cast<u64>(blockIdx.y) * gridDim.x + blockIdx.x) * width + channel, sum[i]);
    }
}
#endif
