// Matrix products of a warp (mma.sync) and of a warpgroup (wgmma), whose operands are rows of 32 bytes: a [M, 32 bytes], b [N, 32 bytes].
#pragma once
#include <deque>

#include "threads.h"

namespace emulator {

enum class Format { Int8, E4m3, Bf16 };

constexpr int kWarpgroupThreads = 128, kDepthBytes = 32, kWarpgroupRows = 64, kMostColumns = 256;

// sums [rows, columns] of a · bᵀ. Sums of int8 are exact: they stay below 2²⁴.
void multiply(Format format, const u8* a, const u8* b, int rows, int columns, float* sums);

// mma.sync m16n8: d of this lane, int32 for Int8, else float32.
void warp_product(Format format, void* d, const u32* a, u32 b0, u32 b1);

// One wgmma of a warpgroup.
struct Product {
    Format format;
    int columns, arrived = 0;
    u64 a, b;
    bool accumulate, a_in_registers, b_transposed;
    void* d[kWarpgroupThreads];
    // Of a, as they were at the issue, and where they must still be the same.
    u32 registers[kWarpgroupThreads][4];
    const u32* held[kWarpgroupThreads];
};

// Products in the order of their issue; executed counts those that are over.
struct Warpgroup {
    std::deque<Product> products;
    u64 executed = 0;
    Queue waiting;
};

// Issues a product: d has columns / 2 elements; a of registers where they are given, else of shared memory; b_transposed: the columns
// of b are neighbours (Bf16).
void warpgroup_product(Format format, int columns, void* d, const u32* registers, u64 a, u64 b, bool accumulate, bool b_transposed = false);
void warpgroup_fence();
void warpgroup_commit();
void warpgroup_wait(int pending);

}  // namespace emulator
