// The highest scores of each row: the indices of its key blocks, ascending. One warp per row.
//   ITEMS  scores per lane: ITEMS · 32 ≥ columns; columns ≤ 65536
#include "vector.cuh"

constexpr int kThreads = 128;

// A number whose order is that of the score, then that of the negated index.
DEVICE u32 ranked(bf16 score, int index) {
    u32 bits = score.bits;
    // Of the two zeros, too, the earlier wins.
    if (bits == 0x8000u) bits = 0;
    bits = bits & 0x8000u ? ~bits & 0xffffu : bits | 0x8000u;
    return bits << 16 | (0xffffu - index);
}

// Of equal scores the earlier wins, so that every score of a row has a rank of its own; the rank's threshold is found bit by bit.
// chosen: bit l of word i for column 32 · i + l, the same in all lanes. count ≤ columns.
DEVICE void choose_highest(const bf16* scores, int columns, int count, u32 (&chosen)[ITEMS]) {
    int lane = threadIdx.x % kWarpSize;
    u32 rank[ITEMS];
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        int column = i * kWarpSize + lane;
        // Every score ranks above 0.
        rank[i] = column < columns ? ranked(scores[column], column) : 0;
    }
    // The highest number that at least count ranks reach.
    u32 threshold = 0;
    for (u32 bit = 0x80000000u; bit > 0; bit >>= 1) {
        int reached = 0;
#pragma unroll
        for (int i = 0; i < ITEMS; i++) reached += rank[i] >= (threshold | bit);
        if (static_cast<int>(__reduce_add_sync(kFullWarp, reached)) >= count) threshold |= bit;
    }
#pragma unroll
    for (int i = 0; i < ITEMS; i++) chosen[i] = __ballot_sync(kFullWarp, rank[i] >= threshold && rank[i] > 0);
}

// scores [rows, columns]; kept [rows, count], count ≤ columns. Grid: a warp per row.
extern "C" __global__ void __launch_bounds__(kThreads)
block_top_k(const bf16* scores, int* kept, int rows, int columns, int count) {
    int lane = threadIdx.x % kWarpSize, row = blockIdx.x * (kThreads / kWarpSize) + threadIdx.x / kWarpSize;
    if (row >= rows) return;
    u32 chosen[ITEMS];
    choose_highest(scores + static_cast<u64>(row) * columns, columns, count, chosen);
    int before = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        if (chosen[i] >> lane & 1) kept[static_cast<u64>(row) * count + before + __popc(chosen[i] & ((1u << lane) - 1))] = i * kWarpSize + lane;
        before += __popc(chosen[i]);
    }
}
