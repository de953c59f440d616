// W8A8 matmul in the published 128×128 block format, portable form (mma.sync, sm_80 and later):
//   sum[i, j] = Σ over blocks of K of int32 sums · (activation scale · weight scale), in float32, then the epilogue.
// One thread block of 8 warps per 128×128 tile, 64×32 per warp; K passes through shared memory in a ring of STAGES blocks
// of 128, 16-byte chunks swizzled so that ldmatrix meets no bank twice.
//   STAGES  blocks of K under way
//   GROUP   tile rows that run through the tile columns together, so that their activations stay in L2
//   OUTPUT, EPILOGUE  see int8_matmul_epilogue.cuh
#include "int8_matmul_epilogue.cuh"

constexpr int kThreads = 256;
constexpr int kWarpRows = 64, kWarpColumns = 32;
constexpr int kMmaRows = 16, kMmaColumns = 8, kMmaDepth = 32;
constexpr int kRowTiles = kWarpRows / kMmaRows, kColumnTiles = kWarpColumns / kMmaColumns;
constexpr int kChunk = 16;
constexpr int kChunksPerRow = kBlock / kChunk;
constexpr int kOperandBytes = kTile * kBlock;
constexpr int kStageBytes = 2 * kOperandBytes;

// Byte offset of a 16-byte chunk of a 128×128 operand block.
DEVICE u32 swizzled(int row, int chunk) { return row * kBlock + (chunk ^ (row & 7)) * kChunk; }

// Starts the copy of rows first_row … +127, columns block·128 … +127 of source [rows, k]; zeros outside.
DEVICE void copy_block(u32 destination, const i8* source, int first_row, int rows, int block, int k) {
#pragma unroll
    for (int i = 0; i < kTile * kChunksPerRow / kThreads; i++) {
        int index = i * kThreads + threadIdx.x, row = index / kChunksPerRow, chunk = index % kChunksPerRow;
        int column = block * kBlock + chunk * kChunk;
        bool valid = first_row + row < rows && column < k;
        const i8* from = source + (valid ? static_cast<u64>(first_row + row) * k + column : 0);
        cp_async_16(destination + swizzled(row, chunk), from, valid);
    }
}

// a [m, k] and b [n, k], k % 16 == 0, n % 8 == 0; a_scales [⌈m/128⌉, ⌈k/128⌉], b_scales [⌈n/128⌉, ⌈k/128⌉].
extern "C" __global__ void __launch_bounds__(kThreads)
int8_matmul(const i8* a, const float* a_scales, const i8* b, const float* b_scales, Epilogue out, int m, int n, int k) {
    DYNAMIC_SHARED(shared);
    __shared__ float partials[kThreads / kWarpSize];
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    int warp_row = warp / (kTile / kWarpColumns) * kWarpRows, warp_column = warp % (kTile / kWarpColumns) * kWarpColumns;

    int row_tiles = (m + kTile - 1) / kTile, column_tiles = (n + kTile - 1) / kTile;
    int group = blockIdx.x / (GROUP * column_tiles), in_group = blockIdx.x % (GROUP * column_tiles);
    int group_rows = min(GROUP, row_tiles - group * GROUP);
    int tile_row = group * GROUP + in_group % group_rows, tile_column = in_group / group_rows;

    int blocks = (k + kBlock - 1) / kBlock;
    u32 ring = shared_address(shared);
    auto copy_stage = [&](int block) {
        if (block < blocks) {
            u32 stage = ring + block % STAGES * kStageBytes;
            copy_block(stage, a, tile_row * kTile, m, block, k);
            copy_block(stage + kOperandBytes, b, tile_column * kTile, n, block, k);
        }
        cp_async_commit();
    };
#pragma unroll
    for (int block = 0; block < STAGES - 1; block++) copy_stage(block);

    float total[kRowTiles][kColumnTiles][4] = {};
    for (int block = 0; block < blocks; block++) {
        float scale = a_scales[static_cast<u64>(tile_row) * blocks + block] * b_scales[static_cast<u64>(tile_column) * blocks + block];
        cp_async_wait<STAGES - 2>();
        __syncthreads();
        // Every thread is past block − 1, whose place the new copies take.
        copy_stage(block + STAGES - 1);

        u32 stage_a = ring + block % STAGES * kStageBytes, stage_b = stage_a + kOperandBytes;
        int sum[kRowTiles][kColumnTiles][4] = {};
#pragma unroll
        for (int step = 0; step < kBlock / kMmaDepth; step++) {
            u32 fragment_a[kRowTiles][4], fragment_b[kColumnTiles / 2][4];
#pragma unroll
            for (int i = 0; i < kRowTiles; i++)
                ldmatrix_x4(fragment_a[i], stage_a + swizzled(warp_row + i * kMmaRows + lane % 16, step * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < kColumnTiles / 2; j++)
                ldmatrix_x4(fragment_b[j], stage_b + swizzled(warp_column + j * 2 * kMmaColumns + lane / 16 * 8 + lane % 8,
                                                              step * 2 + lane / 8 % 2));
#pragma unroll
            for (int i = 0; i < kRowTiles; i++)
#pragma unroll
                for (int j = 0; j < kColumnTiles; j++)
                    mma_s8(sum[i][j], fragment_a[i], fragment_b[j / 2][j % 2 * 2], fragment_b[j / 2][j % 2 * 2 + 1]);
        }
#pragma unroll
        for (int i = 0; i < kRowTiles; i++)
#pragma unroll
            for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) total[i][j][e] += scale * static_cast<float>(sum[i][j][e]);
    }

    // The ring becomes the tile: nothing is under way any more, and every warp is done reading.
    cp_async_wait<0>();
    __syncthreads();
    float* tile = reinterpret_cast<float*>(shared);
#pragma unroll
    for (int i = 0; i < kRowTiles; i++)
#pragma unroll
        for (int j = 0; j < kColumnTiles; j++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = warp_row + i * kMmaRows + half * 8 + lane / 4, column = warp_column + j * kMmaColumns + lane % 4 * 2;
                float2 pair;
                pair.x = total[i][j][2 * half], pair.y = total[i][j][2 * half + 1];
                *reinterpret_cast<float2*>(tile + row * kTileStride + column) = pair;
            }
    __syncthreads();
    finish_tile<kThreads>(tile, out, tile_row, tile_column, m, n, partials);
}
