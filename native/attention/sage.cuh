// What the kernels of sparse-linear attention share: how a token's channels of one head are normalised and rotated, the
// feature map of the linear branch, and rounding to int8. A row of 128 channels is 16 neighbouring threads with 8 each.
//   NORMALIZE  1: q and k come as the projections left them; 0: normalised and rotated
#pragma once
#include "vector.cuh"

constexpr int kHeadDim = 128;
constexpr int kThreadsPerRow = kHeadDim / kVector;
constexpr int kChunk = 16;

// q or k of a batch of sequences. What follows the stride is for NORMALIZE only.
struct Tokens {
    const bf16* x;         // [B, length, stride], head h in channels h · 128 …
    const float* inverse;  // [B, length]: 1 / root mean square of the token
    const bf16* weight;    // [H · 128]
    const float* cosines;  // [length, 64]
    const float* sines;    // [length, 64]
    int stride;
};

DEVICE uint4 load_raw(const bf16* source) { return *reinterpret_cast<const uint4*>(source); }

DEVICE void unpack8(uint4 raw, float (&v)[kVector]) {
    v[0] = low_bf16(raw.x), v[1] = high_bf16(raw.x), v[2] = low_bf16(raw.y), v[3] = high_bf16(raw.y);
    v[4] = low_bf16(raw.z), v[5] = high_bf16(raw.z), v[6] = low_bf16(raw.w), v[7] = high_bf16(raw.w);
}

DEVICE uint4 pack8(const float (&v)[kVector]) {
    uint4 raw;
    raw.x = pack_bf16(v[0], v[1]), raw.y = pack_bf16(v[2], v[3]), raw.z = pack_bf16(v[4], v[5]), raw.w = pack_bf16(v[6], v[7]);
    return raw;
}

// v · inverse · weight, rotated pair by pair and rounded to bf16. cosines and sines: of this position and these channels.
DEVICE void normalize_rotate(float (&v)[kVector], float inverse, const float (&weight)[kVector], const float* cosines, const float* sines) {
    float4 c = *reinterpret_cast<const float4*>(cosines), s = *reinterpret_cast<const float4*>(sines);
    float cs[] = {c.x, c.y, c.z, c.w}, sn[] = {s.x, s.y, s.z, s.w};
#pragma unroll
    for (int i = 0; i < kVector; i += 2) {
        float even = v[i] * (inverse * weight[i]), odd = v[i + 1] * (inverse * weight[i + 1]);
        u32 pair = pack_bf16(even * cs[i / 2] - odd * sn[i / 2], even * sn[i / 2] + odd * cs[i / 2]);
        v[i] = low_bf16(pair), v[i + 1] = high_bf16(pair);
    }
}

// The same of one token (batch and position) of a head, where it is not done yet.
DEVICE void prepare(const Tokens& tokens, float (&v)[kVector], int batch, int length, int position, int channel, const float (&weight)[kVector]) {
#if NORMALIZE
    u64 pair = static_cast<u64>(position) * (kHeadDim / 2) + channel / 2;
    normalize_rotate(v, tokens.inverse[static_cast<u64>(batch) * length + position], weight, tokens.cosines + pair, tokens.sines + pair);
#endif
}

// softmax over the 128 channels of a row.
DEVICE void softmax_row(const float (&v)[kVector], float (&features)[kVector]) {
    float highest = v[0], sum = 0;
#pragma unroll
    for (int i = 1; i < kVector; i++) highest = fmaxf(highest, v[i]);
#pragma unroll
    for (int lane = 1; lane < kThreadsPerRow; lane *= 2) highest = fmaxf(highest, __shfl_xor_sync(kFullWarp, highest, lane));
#pragma unroll
    for (int i = 0; i < kVector; i++) {
        features[i] = exp2_fast((v[i] - highest) * 1.4426950408889634f);
        sum += features[i];
    }
#pragma unroll
    for (int lane = 1; lane < kThreadsPerRow; lane *= 2) sum += __shfl_xor_sync(kFullWarp, sum, lane);
    float inverse = 1.0f / sum;
#pragma unroll
    for (int i = 0; i < kVector; i++) features[i] *= inverse;
}

// Round half away from zero.
DEVICE u32 to_int8_away(float scaled) {
    int rounded = static_cast<int>(scaled + copysignf(0.5f, scaled));
    return static_cast<u32>(max(-128, min(127, rounded))) & 0xffu;
}

DEVICE void store8_int8_away(i8* destination, const float (&v)[kVector], float inverse_scale) {
    u32 word[2] = {};
#pragma unroll
    for (int i = 0; i < kVector; i++) word[i / 4] |= to_int8_away(v[i] * inverse_scale) << i % 4 * 8;
    uint2 raw;
    raw.x = word[0], raw.y = word[1];
    *reinterpret_cast<uint2*>(destination) = raw;
}

// Eight values of a row: bf16 ones are stored when they are known, int8 ones when the scale of their block is.
DEVICE void store_unscaled(bf16* destination, const float (&v)[kVector]) { store8(destination, v); }
DEVICE void store_unscaled(i8*, const float (&)[kVector]) {}
DEVICE void store_scaled(bf16*, const float (&)[kVector], float) {}
DEVICE void store_scaled(i8* destination, const float (&v)[kVector], float scale) { store8_int8_away(destination, v, 1.0f / scale); }

// The scale of int8 values.
DEVICE float int8_scale(float amax) { return amax / 127.0f + 1e-7f; }

// Byte offset of a 16-byte chunk in rows of RowBytes, so that 8 neighbouring rows of a chunk lie in different banks.
template <int RowBytes>
DEVICE u32 swizzled(int row, int chunk) {
    return row * RowBytes + (chunk ^ (row & 7)) * kChunk;
}
