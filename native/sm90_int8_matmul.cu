// W8A8 matmul in the published 128×128 block format on Hopper (wgmma, TMA, mbarrier); int8_matmul.cu is the portable form.
//   sum[i, j] = Σ over blocks of K of int32 sums · (activation scale · weight scale), in float32, then the epilogue.
// One thread block per 128×256 tile. A ninth warp has the copy engine fill a ring of STAGES blocks of K; each of two
// warpgroups has 64 rows. The scales change with every block of K, so the int32 sums of a block are added up in float32: one
// half of the columns at a time, so that both fit into registers, and the two warpgroups take turns at issuing, so that the
// tensor cores work for one while the other adds up.
//   STAGES  blocks of K under way
//   GROUP   tile rows that run through the tile columns together, so that their activations stay in L2
//   OUTPUT, EPILOGUE  see int8_matmul_epilogue.cuh
#include "int8_matmul_epilogue.cuh"
#include "ptx_sm90.cuh"

constexpr int kWarpgroups = 2;
constexpr int kConsumers = kWarpgroups * kWarpgroup;
constexpr int kThreads = kConsumers + kWarpSize;
constexpr int kHalves = 2;
constexpr int kMmaRows = 64, kMmaDepth = 32;
constexpr int kBoxBytes = kBlock * kBlock;
constexpr int kStageBytes = (1 + kHalves) * kBoxBytes;
constexpr int kAlignment = 1024;
constexpr int kConsumerBarrier = 2, kTurnBarrier = 3;

// a [m, k] and b [n, k] through maps with boxes of 128×128; k % 16 == 0, n % 8 == 0; a_scales [⌈m/128⌉, ⌈k/128⌉],
// b_scales [⌈n/128⌉, ⌈k/128⌉].
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_int8_matmul(const __grid_constant__ TensorMap a, const float* a_scales, const __grid_constant__ TensorMap b, const float* b_scales,
                 Epilogue out, int m, int n, int k) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) u64 full[STAGES], empty[STAGES];
    __shared__ float partials[kHalves][kConsumers / kWarpSize];

    int row_tiles = (m + kTile - 1) / kTile, column_blocks = (n + kTile - 1) / kTile, column_tiles = (column_blocks + kHalves - 1) / kHalves;
    int group = blockIdx.x / (GROUP * column_tiles), in_group = blockIdx.x % (GROUP * column_tiles);
    int group_rows = min(GROUP, row_tiles - group * GROUP);
    int tile_row = group * GROUP + in_group % group_rows, first_column = in_group / group_rows * kHalves;
    int blocks = (k + kBlock - 1) / kBlock;

    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    u32 ring = shared_address(aligned);
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            mbarrier_init(shared_address(&full[stage]), 1);
            mbarrier_init(shared_address(&empty[stage]), kConsumers / kWarpSize);
        }
        mbarrier_init_fence();
    }
    __syncthreads();

    if (threadIdx.x >= kConsumers) {
        if (threadIdx.x == kConsumers) {
            prefetch_map(&a);
            prefetch_map(&b);
            for (int block = 0; block < blocks; block++) {
                int stage = block % STAGES, round = block / STAGES;
                // A fresh barrier's phase before the first counts as over: the first round does not wait.
                mbarrier_wait(shared_address(&empty[stage]), (round & 1) ^ 1);
                u32 destination = ring + stage * kStageBytes, barrier = shared_address(&full[stage]);
                mbarrier_arrive_expect(barrier, kStageBytes);
                copy_box(destination, &a, block * kBlock, tile_row * kTile, barrier);
#pragma unroll
                for (int half = 0; half < kHalves; half++)
                    copy_box(destination + (1 + half) * kBoxBytes, &b, block * kBlock, (first_column + half) * kTile, barrier);
            }
        }
        return;
    }

    int warpgroup = threadIdx.x / kWarpgroup, lane = threadIdx.x % kWarpSize;
    float total[kHalves][64] = {};
    // The first turn is the first warpgroup's.
    if (warpgroup == 1) named_barrier_arrive<kConsumers>(kTurnBarrier);
    const float* a_scale = a_scales + static_cast<u64>(tile_row) * blocks;
    const float* b_scale = b_scales + static_cast<u64>(first_column) * blocks;
    // The second half may lie outside of the matrix; its products are zeros.
    u64 second = first_column + 1 < column_blocks ? blocks : 0;

    for (int block = 0; block < blocks; block++) {
        int stage = block % STAGES;
        float scales[kHalves] = {a_scale[block] * b_scale[block], a_scale[block] * b_scale[second + block]};
        mbarrier_wait(shared_address(&full[stage]), block / STAGES & 1);
        u32 operand = ring + stage * kStageBytes;
#pragma unroll
        for (int half = 0; half < kHalves; half++) {
            int sum[64];
            named_barrier_sync<kConsumers>(kTurnBarrier + warpgroup);
            wgmma_fence();
#pragma unroll
            for (int step = 0; step < kBlock / kMmaDepth; step++)
                wgmma_s8(sum, swizzled_operand(operand + warpgroup * kMmaRows * kBlock + step * kMmaDepth),
                         swizzled_operand(operand + (1 + half) * kBoxBytes + step * kMmaDepth), step > 0);
            wgmma_commit();
            // The other's products queue up behind; after the last, nobody waits for a turn of the first warpgroup's.
            if (warpgroup == 0 || half + 1 < kHalves || block + 1 < blocks)
                named_barrier_arrive<kConsumers>(kTurnBarrier + 1 - warpgroup);
            wgmma_wait<0>(sum);
            if (half + 1 == kHalves && lane == 0) mbarrier_arrive(shared_address(&empty[stage]));
#pragma unroll
            for (int i = 0; i < 64; i++) total[half][i] += scales[half] * static_cast<float>(sum[i]);
        }
    }

    // The ring becomes the tiles: every copy has been waited for, and both warpgroups are done reading.
    named_barrier_sync<kConsumers>(kConsumerBarrier);
    float* tiles = reinterpret_cast<float*>(aligned);
#pragma unroll
    for (int half = 0; half < kHalves; half++)
#pragma unroll
        for (int i = 0; i < 64; i += 2) {
            int row = threadIdx.x / kWarpSize * 16 + lane / 4 + i % 4 / 2 * 8, column = i / 4 * 8 + lane % 4 * 2;
            float2 pair;
            pair.x = total[half][i], pair.y = total[half][i + 1];
            *reinterpret_cast<float2*>(tiles + half * kTile * kTileStride + row * kTileStride + column) = pair;
        }
    named_barrier_sync<kConsumers>(kConsumerBarrier);
#pragma unroll
    for (int half = 0; half < kHalves; half++)
        if (first_column + half < column_blocks)
            finish_tile<kConsumers>(tiles + half * kTile * kTileStride, out, tile_row, first_column + half, m, n, partials[half]);
}
