// The end of a residual block, in one pass: y = x + bias + residual, rounded once. Channels last.
#include "vector.cuh"

// x, residual, y bf16 [pixels, channels]; bias float32 [channels]; channels % 8 == 0.
extern "C" __global__ void __launch_bounds__(256)
bias_residual(const bf16* x, const float* bias, const bf16* residual, bf16* y, u64 vectors, int vectors_of_pixel) {
    u64 at = static_cast<u64>(blockIdx.x) * 256 + threadIdx.x;
    if (at >= vectors) return;
    float a[kVector], b[kVector], c[kVector];
    load8(x + at * kVector, a), load8(residual + at * kVector, b), load8(bias + at % vectors_of_pixel * kVector, c);
#pragma unroll
    for (int j = 0; j < kVector; j++) a[j] = a[j] + c[j] + b[j];
    store8(y + at * kVector, a);
}
