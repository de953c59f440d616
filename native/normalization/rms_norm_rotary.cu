// Root-mean-square normalisation over the whole width and rotary embedding of q and k in one launch:
//   y = rotate(x / √(mean x² + ε) · weight), rounded once
// One thread block per token, the token held in registers; blockIdx.y chooses q or k.
//   ELEMENT  bf16 or float
//   THREADS  threads of a block
//   VECTORS  vectors of 8 channels per thread: THREADS · VECTORS · 8 ≥ width
#include "vector.cuh"

struct Operand {
    const ELEMENT* x;       // [tokens, stride]
    const ELEMENT* weight;  // [width]
    ELEMENT* y;             // [tokens, width]
};

// cosines, sines [length, head_dim / 2], or null: no rotation. Tokens of a batch are positions 0 … length − 1.
// width % 8 == 0, stride % 8 == 0, head_dim % 8 == 0.
extern "C" __global__ void __launch_bounds__(THREADS)
rms_norm_rotary(Operand q, Operand k, const float* cosines, const float* sines, int stride, int width, int head_dim, int length,
                float eps) {
    __shared__ float partials[THREADS / kWarpSize];
    Operand operand = blockIdx.y == 0 ? q : k;
    const ELEMENT* x = operand.x + static_cast<u64>(blockIdx.x) * stride;
    ELEMENT* y = operand.y + static_cast<u64>(blockIdx.x) * width;

    float v[VECTORS][kVector];
    float squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int channel = (i * THREADS + threadIdx.x) * kVector;
        if (channel >= width) continue;
        load8(x + channel, v[i]);
#pragma unroll
        for (int j = 0; j < kVector; j++) squares += v[i][j] * v[i][j];
    }
    float inverse = rsqrtf(reduce_over_threads<THREADS, false>(squares, partials) / width + eps);

    u64 position = static_cast<u64>(blockIdx.x % length) * (head_dim / 2);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int channel = (i * THREADS + threadIdx.x) * kVector;
        if (channel >= width) continue;
        float weight[kVector];
        load8(operand.weight + channel, weight);
#pragma unroll
        for (int j = 0; j < kVector; j++) v[i][j] *= inverse * weight[j];
        if (cosines != nullptr) {
            u64 pair = position + channel % head_dim / 2;
            float4 c = *reinterpret_cast<const float4*>(cosines + pair), s = *reinterpret_cast<const float4*>(sines + pair);
            float cs[] = {c.x, c.y, c.z, c.w}, sn[] = {s.x, s.y, s.z, s.w};
#pragma unroll
            for (int j = 0; j < kVector / 2; j++) {
                float even = v[i][2 * j], odd = v[i][2 * j + 1];
                v[i][2 * j] = even * cs[j] - odd * sn[j];
                v[i][2 * j + 1] = even * sn[j] + odd * cs[j];
            }
        }
        store8(y + channel, v[i]);
    }
}
