// CUDA C++ as the kernels use it, in the host's C++: qualifiers, vector types, built-in variables and functions.
#pragma once
#include <cmath>
#include <cstring>

#include "barriers.h"
#include "shared_memory.h"
#include "types.h"
#include "warps.h"

#define __global__
#define __device__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __shared__ static __attribute__((section("shared_variables")))

struct uint2 { u32 x, y; } __attribute__((aligned(8)));
struct uint3 { u32 x, y, z; };
struct uint4 { u32 x, y, z, w; } __attribute__((aligned(16)));
struct int2 { int x, y; } __attribute__((aligned(8)));
struct int4 { int x, y, z, w; } __attribute__((aligned(16)));
struct float2 { float x, y; } __attribute__((aligned(8)));
struct float4 { float x, y, z, w; } __attribute__((aligned(16)));
typedef uint3 dim3;

inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emulator {

template <class To, class From>
To bits_of(From value) {
    static_assert(sizeof(To) == sizeof(From));
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}

// A lane's value, and the lane whose value it wants.
template <class Value>
struct Shuffle {
    Value value, result;
    int source;
};

// source outside of the warp: the own value.
template <class Value>
Value shuffle(u32 mask, const char* what, Value value, int source) {
    Shuffle<Value> mine = {value, value, source};
    together(mask, what, mine, [mask](Shuffle<Value>* const* lanes) {
        for (int lane = 0; lane < kLanes; lane++)
            if (mask >> lane & 1 && lanes[lane]->source >= 0 && lanes[lane]->source < kLanes) {
                if (!(mask >> lanes[lane]->source & 1)) fail("a shuffle reads from lane %d, which takes no part", lanes[lane]->source);
                lanes[lane]->result = lanes[lanes[lane]->source]->value;
            }
    });
    return mine.result;
}

// The same result for all lanes, of what they bring.
template <class Value, class Combine>
Value reduce(u32 mask, const char* what, Value value, Combine combine) {
    Shuffle<Value> mine = {value, value, 0};
    together(mask, what, mine, [mask, combine](Shuffle<Value>* const* lanes) {
        int first = __builtin_ctz(mask);
        Value total = lanes[first]->value;
        for (int lane = first + 1; lane < kLanes; lane++)
            if (mask >> lane & 1) total = combine(total, lanes[lane]->value);
        for (int lane = first; lane < kLanes; lane++)
            if (mask >> lane & 1) lanes[lane]->result = total;
    });
    return mine.result;
}

}  // namespace emulator

inline void __syncthreads() { emulator::barrier_sync(0, 0); }
inline void __syncwarp(u32 mask = 0xffffffffu) { emulator::reduce(mask, "__syncwarp", 0, [](int, int) { return 0; }); }
inline void __threadfence() {}
inline void __threadfence_block() {}

inline int emulated_lane() { return emulator::self->index % kLanes; }
template <class Value>
Value __shfl_sync(u32 mask, Value value, int source) { return emulator::shuffle(mask, "__shfl_sync", value, source & 31); }
template <class Value>
Value __shfl_xor_sync(u32 mask, Value value, int bits) { return emulator::shuffle(mask, "__shfl_xor_sync", value, emulated_lane() ^ bits); }
template <class Value>
Value __shfl_up_sync(u32 mask, Value value, int by) { return emulator::shuffle(mask, "__shfl_up_sync", value, emulated_lane() - by); }
template <class Value>
Value __shfl_down_sync(u32 mask, Value value, int by) { return emulator::shuffle(mask, "__shfl_down_sync", value, emulated_lane() + by); }

inline u32 __ballot_sync(u32 mask, bool vote) {
    return emulator::reduce(mask, "__ballot_sync", vote ? 1u << emulated_lane() : 0u, [](u32 a, u32 b) { return a | b; });
}
inline bool __any_sync(u32 mask, bool vote) { return __ballot_sync(mask, vote) != 0; }
inline bool __all_sync(u32 mask, bool vote) { return __ballot_sync(mask, vote) == mask; }
template <class Value>
Value __reduce_add_sync(u32 mask, Value value) { return emulator::reduce(mask, "__reduce_add_sync", value, [](Value a, Value b) { return a + b; }); }
template <class Value>
Value __reduce_max_sync(u32 mask, Value value) { return emulator::reduce(mask, "__reduce_max_sync", value, [](Value a, Value b) { return a > b ? a : b; }); }
template <class Value>
Value __reduce_min_sync(u32 mask, Value value) { return emulator::reduce(mask, "__reduce_min_sync", value, [](Value a, Value b) { return a < b ? a : b; }); }

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline u32 min(u32 a, u32 b) { return a < b ? a : b; }
inline u32 max(u32 a, u32 b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }
inline u64 min(u64 a, u64 b) { return a < b ? a : b; }
inline u64 max(u64 a, u64 b) { return a > b ? a : b; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }

inline float __uint_as_float(u32 bits) { return emulator::bits_of<float>(bits); }
inline float __int_as_float(int bits) { return emulator::bits_of<float>(bits); }
inline u32 __float_as_uint(float value) { return emulator::bits_of<u32>(value); }
inline int __float_as_int(float value) { return emulator::bits_of<int>(value); }
inline float __int2float_rn(int value) { return static_cast<float>(value); }
inline int __float2int_rn(float value) { return static_cast<int>(lrintf(value)); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }

inline int __popc(u32 bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(bits); }
template <class Value>
Value __ldg(const Value* place) { return *place; }

// Four of the eight bytes of a pair of words.
inline u32 __byte_perm(u32 low, u32 high, u32 select) {
    u64 both = static_cast<u64>(high) << 32 | low;
    u32 result = 0;
    for (int i = 0; i < 4; i++) result |= static_cast<u32>(both >> (select >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return result;
}

inline u64 __cvta_generic_to_shared(const void* pointer) { return emulator::shared_address_of(pointer); }

template <class Value>
Value atomicAdd(Value* place, Value value) {
    Value former = *place;
    *place = former + value;
    return former;
}
