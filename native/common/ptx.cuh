// Number types, conversions and the instructions that CUDA C++ has no name for. NVRTC brings no headers of its own, so
// everything that the kernels share is here.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// The upper half of a float32.
struct bf16 {
    u16 bits;
};

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) u8 name[]

constexpr u32 kFullWarp = 0xffffffffu;
constexpr int kWarpSize = 32;

DEVICE float low_bf16(u32 pair) { return __uint_as_float(pair << 16); }
DEVICE float high_bf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

// Two float32 to two bf16, round to nearest even; low in the lower half.
DEVICE u32 pack_bf16(float low, float high) {
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
}

// The larger of each of two pairs of bf16.
DEVICE u32 max_bf16(u32 a, u32 b) {
    u32 larger;
    asm("max.bf16x2 %0, %1, %2;" : "=r"(larger) : "r"(a), "r"(b));
    return larger;
}

// Two float32 to two fp8 e4m3, round to nearest even, saturating; low in the lower byte. From sm_89 on.
DEVICE u32 pack_fp8(float low, float high) {
    u16 pair;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(high), "f"(low));
    return pair;
}

// The sum of four bytes and another.
DEVICE u32 add_bytes(u32 bytes, u32 sum) {
    u32 total;
    asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(total) : "r"(bytes), "r"(0x01010101u), "r"(sum));
    return total;
}

// A value that is the same in all lanes, so that the compiler knows.
DEVICE int uniform(int value) { return __shfl_sync(kFullWarp, value, 0); }

// Waits at one of the 16 barriers of the block (0 is __syncthreads) until Threads threads have come to it.
template <int Threads>
DEVICE void named_barrier_sync(int barrier) {
    asm volatile("bar.sync %0, %1;" ::"r"(barrier), "n"(Threads) : "memory");
}

// Comes to a barrier without waiting.
template <int Threads>
DEVICE void named_barrier_arrive(int barrier) {
    asm volatile("bar.arrive %0, %1;" ::"r"(barrier), "n"(Threads) : "memory");
}

constexpr int kReductionBarrier = 1;

// The address of shared memory as the instructions below take it.
DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

DEVICE void store_shared(u32 address, u32 word) { asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(word) : "memory"); }

// Copies 16 bytes from global to shared memory, asynchronously; zeros where !valid (source must still be an address).
DEVICE void cp_async_16(u32 destination, const void* source, bool valid) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(destination), "l"(source), "r"(valid ? 16 : 0) : "memory");
}

DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Pending of this thread's groups are under way.
template <int Pending>
DEVICE void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

// Four 8×16-byte matrices. Lane l gives the address of row l % 8 of matrix l / 8 and gets bytes 4·(l % 4) … +3 of row
// l / 4 of each matrix.
DEVICE void ldmatrix_x4(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// d [16, 8] += a [16, 32] · b [32, 8], int8 with int32 sums. d[0..1]: row l / 4, columns 2·(l % 4) + {0, 1}; d[2..3]: 8 rows below.
DEVICE void mma_s8(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// As ldmatrix_x4 on 8×8 matrices of 16-bit elements, each transposed: lane l gets rows 2·(l % 4) + {0, 1} of column l / 4.
DEVICE void ldmatrix_x4_transposed(u32 (&r)[4], u32 address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// d [16, 8] += a [16, 16] · b [16, 8], bf16 with float32 sums; d as in mma_s8.
DEVICE void mma_bf16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// tanh x, to a relative 2⁻¹¹.
DEVICE float tanh_fast(float x) {
    float y;
    asm("tanh.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 2^x, to about 2 units in the last place; 0 for −∞.
DEVICE float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
