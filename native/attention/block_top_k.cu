// The highest scores of each row: the indices of its key blocks, ascending. One warp per row.
//   ITEMS  see block_ranks.cuh
#include "block_ranks.cuh"

constexpr int kThreads = 128;

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
