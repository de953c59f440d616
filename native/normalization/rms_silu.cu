// RMS normalisation over the channels of every pixel and SiLU, frame by frame:
//   z[t] = silu(x[t] / max(‖x[t]‖, 1e-12) · gamma)
// LANES neighbouring threads hold a pixel.
//   LANES    threads of a pixel, a power of two up to 32
//   VECTORS  vectors of 8 channels per thread: LANES · VECTORS · 8 = channels
#include "vector.cuh"

constexpr int kChannels = LANES * VECTORS * kVector, kMostFrames = 8;

struct FrameAddresses {
    bf16* at[kMostFrames];
};

// x bf16 [frames, pixels, channels]; gamma float32 [channels], √channels in it; z: bf16 [pixels, channels] each. Grid: pixels, frames.
extern "C" __global__ void __launch_bounds__(256)
rms_silu(const bf16* x, const float* gamma, const __grid_constant__ FrameAddresses z, u64 pixels) {
    u64 thread = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x, pixel = thread / LANES;
    int lane = thread % LANES;
    bool inside = pixel < pixels;
    // Threads past the end take part in the sums.
    if (!inside) pixel = pixels - 1;
    const bf16* from = x + (blockIdx.y * pixels + pixel) * kChannels;
    bf16* to = z.at[blockIdx.y] + pixel * kChannels;
    float v[VECTORS][kVector], squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) load8(from + (i * LANES + lane) * kVector, v[i]);
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
#pragma unroll
        for (int j = 0; j < kVector; j++) squares += v[i][j] * v[i][j];
#pragma unroll
    for (int distance = LANES / 2; distance > 0; distance /= 2) squares += __shfl_xor_sync(kFullWarp, squares, distance);
    float inverse = 1.0f / fmaxf(sqrtf(squares), 1e-12f);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        float weight[kVector];
        load8(gamma + (i * LANES + lane) * kVector, weight);
#pragma unroll
        for (int j = 0; j < kVector; j++) {
            float normed = v[i][j] * inverse * weight[j];
            v[i][j] = normed / (1.0f + __expf(-normed));
        }
        if (inside) store8(to + (i * LANES + lane) * kVector, v[i]);
    }
}
