// The published W8A8 format: int8 in 128×128 blocks, scale = max(amax, 1e-8) / 128, round half to even, saturate.
#pragma once
#include "vector.cuh"

constexpr int kBlock = 128;
constexpr float kMinAmax = 1e-8f;

DEVICE float block_scale(float amax) { return fmaxf(amax, kMinAmax) * (1.0f / 128.0f); }

DEVICE u32 to_int8(float scaled) { return static_cast<u32>(max(-128, min(127, __float2int_rn(scaled)))) & 0xffu; }

// Eight values of a block whose 1/scale is given.
DEVICE void store8_int8(i8* destination, const float (&v)[kVector], float inverse_scale) {
    uint2 raw;
    raw.x = to_int8(v[0] * inverse_scale) | to_int8(v[1] * inverse_scale) << 8 | to_int8(v[2] * inverse_scale) << 16 |
            to_int8(v[3] * inverse_scale) << 24;
    raw.y = to_int8(v[4] * inverse_scale) | to_int8(v[5] * inverse_scale) << 8 | to_int8(v[6] * inverse_scale) << 16 |
            to_int8(v[7] * inverse_scale) << 24;
    *reinterpret_cast<uint2*>(destination) = raw;
}
