// Eight neighbouring elements at a time, in float32: 16 bytes of bf16 or 32 of float. Addresses are 16-byte aligned.
#pragma once
#include "ptx.cuh"

constexpr int kVector = 8;

DEVICE void load8(const bf16* source, float (&v)[kVector]) {
    uint4 raw = *reinterpret_cast<const uint4*>(source);
    v[0] = low_bf16(raw.x), v[1] = high_bf16(raw.x), v[2] = low_bf16(raw.y), v[3] = high_bf16(raw.y);
    v[4] = low_bf16(raw.z), v[5] = high_bf16(raw.z), v[6] = low_bf16(raw.w), v[7] = high_bf16(raw.w);
}

DEVICE void load8(const float* source, float (&v)[kVector]) {
    float4 a = reinterpret_cast<const float4*>(source)[0], b = reinterpret_cast<const float4*>(source)[1];
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

DEVICE void store8(bf16* destination, const float (&v)[kVector]) {
    uint4 raw;
    raw.x = pack_bf16(v[0], v[1]), raw.y = pack_bf16(v[2], v[3]), raw.z = pack_bf16(v[4], v[5]), raw.w = pack_bf16(v[6], v[7]);
    *reinterpret_cast<uint4*>(destination) = raw;
}

DEVICE void store8(float* destination, const float (&v)[kVector]) {
    float4 a, b;
    a.x = v[0], a.y = v[1], a.z = v[2], a.w = v[3], b.x = v[4], b.y = v[5], b.z = v[6], b.w = v[7];
    reinterpret_cast<float4*>(destination)[0] = a, reinterpret_cast<float4*>(destination)[1] = b;
}

// Four neighbouring elements likewise, at an address of their size.
DEVICE void load4(const bf16* source, float (&v)[4]) {
    uint2 raw = *reinterpret_cast<const uint2*>(source);
    v[0] = low_bf16(raw.x), v[1] = high_bf16(raw.x), v[2] = low_bf16(raw.y), v[3] = high_bf16(raw.y);
}

DEVICE void load4(const float* source, float (&v)[4]) {
    float4 raw = *reinterpret_cast<const float4*>(source);
    v[0] = raw.x, v[1] = raw.y, v[2] = raw.z, v[3] = raw.w;
}

DEVICE void store4(bf16* destination, const float (&v)[4]) {
    uint2 raw;
    raw.x = pack_bf16(v[0], v[1]), raw.y = pack_bf16(v[2], v[3]);
    *reinterpret_cast<uint2*>(destination) = raw;
}

DEVICE void store4(float* destination, const float (&v)[4]) {
    float4 raw;
    raw.x = v[0], raw.y = v[1], raw.z = v[2], raw.w = v[3];
    *reinterpret_cast<float4*>(destination) = raw;
}

// Four elements as they lie in memory, to be widened when they are needed.
template <class Element>
struct Raw4 {
    uint2 words[sizeof(Element) / 2];
};

DEVICE void load_raw4(const bf16* source, Raw4<bf16>& raw) { raw.words[0] = *reinterpret_cast<const uint2*>(source); }

DEVICE void load_raw4(const float* source, Raw4<float>& raw) {
    float4 v = *reinterpret_cast<const float4*>(source);
    raw.words[0].x = __float_as_uint(v.x), raw.words[0].y = __float_as_uint(v.y);
    raw.words[1].x = __float_as_uint(v.z), raw.words[1].y = __float_as_uint(v.w);
}

DEVICE void widen4(const Raw4<bf16>& raw, float (&v)[4]) {
    v[0] = low_bf16(raw.words[0].x), v[1] = high_bf16(raw.words[0].x), v[2] = low_bf16(raw.words[0].y), v[3] = high_bf16(raw.words[0].y);
}

DEVICE void widen4(const Raw4<float>& raw, float (&v)[4]) {
    v[0] = __uint_as_float(raw.words[0].x), v[1] = __uint_as_float(raw.words[0].y);
    v[2] = __uint_as_float(raw.words[1].x), v[3] = __uint_as_float(raw.words[1].y);
}

// Two neighbouring elements, in float32.
DEVICE float2 load2(const float* source) { return *reinterpret_cast<const float2*>(source); }

DEVICE float2 load2(const bf16* source) {
    u32 raw = *reinterpret_cast<const u32*>(source);
    float2 v;
    v.x = low_bf16(raw), v.y = high_bf16(raw);
    return v;
}

// Of four neighbouring lanes l, each with x[0..3]: x[i] of lane l becomes x[l] of lane i.
template <class Word>
DEVICE void transpose_quad(Word (&x)[4]) {
#pragma unroll
    for (int distance = 1; distance < 4; distance *= 2) {
        bool upper = threadIdx.x & distance;
#pragma unroll
        for (int pair = 0; pair < 2; pair++) {
            int low = distance == 1 ? 2 * pair : pair, high = low + distance;
            Word received = __shfl_xor_sync(kFullWarp, upper ? x[low] : x[high], distance);
            x[low] = upper ? received : x[low];
            x[high] = upper ? x[high] : received;
        }
    }
}

DEVICE float sum_over_warp(float value) {
#pragma unroll
    for (int lane = kWarpSize / 2; lane > 0; lane /= 2) value += __shfl_xor_sync(kFullWarp, value, lane);
    return value;
}

DEVICE float max_over_warp(float value) {
#pragma unroll
    for (int lane = kWarpSize / 2; lane > 0; lane /= 2) value = fmaxf(value, __shfl_xor_sync(kFullWarp, value, lane));
    return value;
}

// The sum or maximum over the first Threads threads of the block, whole warps. partials: one float per warp, not in use by
// an earlier call that a thread may still be reading.
template <int Threads, bool Maximum>
DEVICE float reduce_over_threads(float value, float* partials) {
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    value = Maximum ? max_over_warp(value) : sum_over_warp(value);
    if (lane == 0) partials[warp] = value;
    named_barrier_sync<Threads>(kReductionBarrier);
    value = lane < Threads / kWarpSize ? partials[lane] : (Maximum ? -3.402823466e38f : 0.0f);
    return Maximum ? max_over_warp(value) : sum_over_warp(value);
}
