// RMS normalisation over the channels of every pixel, SiLU, and each frame beside the two before it:
//   z[t] = silu(x[t] / max(‖x[t]‖, 1e-12) · gamma),   windows[t] = z[t − 2] ‖ z[t − 1] ‖ z[t]
// so that a causal convolution over three frames is one over the channels of one. LANES neighbouring threads hold a pixel; they walk
// through its frames with the last two in registers, so that x is read once.
//   LANES    threads of a pixel, a power of two up to 32
//   VECTORS  vectors of 8 channels per thread: LANES · VECTORS · 8 = channels
#include "vector.cuh"

constexpr int kChannels = LANES * VECTORS * kVector;

DEVICE float sum_over_lanes(float value) {
#pragma unroll
    for (int lane = LANES / 2; lane > 0; lane /= 2) value += __shfl_xor_sync(kFullWarp, value, lane);
    return value;
}

// x bf16 [frames, pixels, channels]; gamma float32 [channels], √channels in it; bias float32 [channels], added to x, or null;
// past bf16 [2, pixels, channels], or null: zeros; windows bf16 [frames, pixels, 3, channels]; next bf16 [2, pixels, channels].
extern "C" __global__ void __launch_bounds__(256)
causal_rms_silu(const bf16* x, const float* gamma, const float* bias, const bf16* past, bf16* windows, bf16* next, int frames, u64 pixels) {
    u64 thread = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x, pixel = thread / LANES;
    int lane = thread % LANES;
    bool inside = pixel < pixels;
    // Threads past the end take part in the sums.
    if (!inside) pixel = pixels - 1;
    u64 frame = pixels * kChannels, at = pixel * kChannels;

    uint4 before[2][VECTORS];
    float weight[VECTORS][kVector], added[VECTORS][kVector];
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int channel = (i * LANES + lane) * kVector;
        load8(gamma + channel, weight[i]);
#pragma unroll
        for (int j = 0; j < kVector; j++) added[i][j] = 0;
        if (bias != nullptr) load8(bias + channel, added[i]);
#pragma unroll
        for (int t = 0; t < 2; t++) {
            uint4 zero = {0, 0, 0, 0};
            before[t][i] = past == nullptr ? zero : *reinterpret_cast<const uint4*>(past + t * frame + at + channel);
        }
    }
    for (int t = 0; t < frames; t++) {
        float v[VECTORS][kVector], squares = 0;
#pragma unroll
        for (int i = 0; i < VECTORS; i++) {
            load8(x + t * frame + at + (i * LANES + lane) * kVector, v[i]);
#pragma unroll
            for (int j = 0; j < kVector; j++) {
                v[i][j] += added[i][j];
                squares += v[i][j] * v[i][j];
            }
        }
        float inverse = 1.0f / fmaxf(sqrtf(sum_over_lanes(squares)), 1e-12f);
#pragma unroll
        for (int i = 0; i < VECTORS; i++) {
#pragma unroll
            for (int j = 0; j < kVector; j++) {
                float normed = v[i][j] * inverse * weight[i][j];
                v[i][j] = normed / (1.0f + __expf(-normed));
            }
            uint4 now;
            now.x = pack_bf16(v[i][0], v[i][1]), now.y = pack_bf16(v[i][2], v[i][3]), now.z = pack_bf16(v[i][4], v[i][5]), now.w = pack_bf16(v[i][6], v[i][7]);
            if (inside) {
                uint4* window = reinterpret_cast<uint4*>(windows + (t * pixels + pixel) * 3 * kChannels + (i * LANES + lane) * kVector);
                window[0] = before[0][i], window[kChannels / kVector] = before[1][i], window[2 * kChannels / kVector] = now;
            }
            before[0][i] = before[1][i], before[1][i] = now;
        }
    }
    if (!inside) return;
#pragma unroll
    for (int t = 0; t < 2; t++)
#pragma unroll
        for (int i = 0; i < VECTORS; i++)
            *reinterpret_cast<uint4*>(next + t * frame + at + (i * LANES + lane) * kVector) = before[t][i];
}
