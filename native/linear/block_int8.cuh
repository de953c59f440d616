// The published W8A8 format: int8 in 128×128 blocks, scale = max(amax, 1e-8) / 128, round half to even, saturate.
#pragma once
#include "vector.cuh"

constexpr int kBlock = 128;
constexpr float kMinAmax = 1e-8f;

DEVICE float block_scale(float amax) { return fmaxf(amax, kMinAmax) * (1.0f / 128.0f); }

// Four values of a block whose 1/scale is given, in the bytes of a word. None is beyond ±128 steps, so that only 128 saturates.
// Beside 1.5 · 2²³ a float32 has no fraction, and its lowest byte is the integer's.
DEVICE u32 pack_int8(float a, float b, float c, float d, float inverse_scale) {
    constexpr float kBase = 12582912.0f;
    float v[] = {a, b, c, d};
    u32 bits[4];
#pragma unroll
    for (int i = 0; i < 4; i++) bits[i] = __float_as_uint(fminf(fmaf(v[i], inverse_scale, kBase), kBase + 127));
    return __byte_perm(__byte_perm(bits[0], bits[1], 0x0040), __byte_perm(bits[2], bits[3], 0x0040), 0x5410);
}

// Eight values of a block whose 1/scale is given.
DEVICE void store8_int8(i8* destination, const float (&v)[kVector], float inverse_scale) {
    uint2 raw;
    raw.x = pack_int8(v[0], v[1], v[2], v[3], inverse_scale), raw.y = pack_int8(v[4], v[5], v[6], v[7], inverse_scale);
    *reinterpret_cast<uint2*>(destination) = raw;
}
