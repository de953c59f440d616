// The parts of the linear branch's state become what a token's features are multiplied by: S = Σ parts, z = Σ parts of the
// sums, M = W · Sᵀ with the projection's weight W. So the branch is one product per token: (φ(q)·S)·Wᵀ = φ(q)·Mᵀ.
// One thread block per 16 of the 128 features and head.
#include "vector.cuh"

constexpr int kHeadDim = 128;
constexpr int kThreads = 256;
constexpr int kFeatures = 16;
constexpr int kFeaturesPerThread = kFeatures * kHeadDim / kThreads;

// products [B·H, chunks, 128 features, 128 values], sums [B·H, chunks, 128], weight [128 outputs, 128 values];
// mix [B·H, 128 outputs, 128 features], total [B·H, 128]. Grid: 128 / 16, B · H.
extern "C" __global__ void __launch_bounds__(kThreads)
sage_state(const float* products, const float* sums, const float* weight, bf16* mix, float* total, int chunks) {
    __shared__ __align__(16) float state[kFeatures][kHeadDim];
    u64 sequence = blockIdx.y;
    int first = blockIdx.x * kFeatures;
    int row = threadIdx.x / kFeatures, column = threadIdx.x % kFeatures * kVector;
    float sum[kVector] = {};
#pragma unroll 4
    for (int chunk = 0; chunk < chunks; chunk++) {
        float part[kVector];
        load8(products + ((sequence * chunks + chunk) * kHeadDim + first + row) * kHeadDim + column, part);
#pragma unroll
        for (int i = 0; i < kVector; i++) sum[i] += part[i];
    }
    store8(&state[row][column], sum);
    if (threadIdx.x < kFeatures) {
        float z = 0;
        for (int chunk = 0; chunk < chunks; chunk++) z += sums[(sequence * chunks + chunk) * kHeadDim + first + threadIdx.x];
        total[sequence * kHeadDim + first + threadIdx.x] = z;
    }
    __syncthreads();

    // A thread has an output and 8 features.
    int output = threadIdx.x % kHeadDim, feature = threadIdx.x / kHeadDim * kFeaturesPerThread;
    static_assert(kFeaturesPerThread == kVector);
    float mixed[kVector] = {};
#pragma unroll 2
    for (int value = 0; value < kHeadDim; value += 4) {
        float4 w = *reinterpret_cast<const float4*>(weight + output * kHeadDim + value);
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            float4 s = *reinterpret_cast<const float4*>(&state[feature + i][value]);
            mixed[i] += w.x * s.x + w.y * s.y + w.z * s.z + w.w * s.w;
        }
    }
    store8(mix + (sequence * kHeadDim + output) * kHeadDim + first + feature, mixed);
}
