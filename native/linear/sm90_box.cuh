// 64 rows of 128 bytes in shared memory, at a multiple of 1024, 16-byte chunks swizzled with the row modulo 8 as the copy engine does:
// what one warpgroup has of a box.
#pragma once
#include "ptx_sm90.cuh"

constexpr int kBoxRows = 64, kBoxRowBytes = 128, kBoxChunk = 16;

// Where ldmatrix_x4 and stmatrix_x4 find a warp's 16 rows of two neighbouring chunks: rows 0–7 and 8–15 of the first, then of the
// second. In 16-bit elements that is how sums lie in registers, in bytes how wgmma takes activations from them.
DEVICE u32 box_fragment(u32 box, int chunk) {
    int lane = threadIdx.x % kWarpSize, row = threadIdx.x % kWarpgroup / kWarpSize * 16 + lane % 16;
    return box + row * kBoxRowBytes + ((chunk + lane / 16) ^ (row % 8)) * kBoxChunk;
}
