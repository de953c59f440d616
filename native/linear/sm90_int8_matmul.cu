// W8A8 matmul in the published 128×128 block format on Hopper (wgmma, TMA, mbarrier); int8_matmul.cu is the portable form.
//   sum[i, j] = Σ over blocks of K of int32 sums · (activation scale · weight scale), in float32, then the epilogue.
// A thread block goes from one 128×256 tile to the next. A warp of a third warpgroup, which gives its registers away, has the
// copy engine fill a ring of STAGES blocks of K, that of the next tile while this one's epilogue runs; each of two warpgroups
// has 64 rows. The scales change with every block of K, so the int32 sums of a block are added up in float32: one half of the
// columns at a time, so that both fit into registers.
//   STAGES   blocks of K under way
//   GROUP    tile rows that run through the tile columns together, so that their activations stay in L2; even
//   CLUSTER  thread blocks that share the weights, 1 or 2: each has 128 rows of its own, reads its half of the 256 rows of
//            weights and sends them to both
//   TURNS    1: the warpgroups take turns at issuing, so that the tensor cores work for one while the other adds up; 0: each
//            issues when it is ready
//   PROMOTE  how an int32 sum becomes a float32: 0: a conversion; 1: the sum starts at the bits of 1.5 · 2²³, which makes it
//            the bits of 1.5 · 2²³ + sum, exactly, as |sum| ≤ 2²¹
//   OUTPUT, EPILOGUE  see int8_matmul_epilogue.cuh
#include "ptx_sm90.cuh"
#include "sm90_int8_matmul_epilogue.cuh"

constexpr int kWarpgroups = 2;
constexpr int kConsumers = kWarpgroups * kWarpgroup;
constexpr int kThreads = kConsumers + kWarpgroup;
// The launch gives each of the three warpgroups 168, and no more than these may be shared out anew.
constexpr int kConsumerRegisters = 240, kProducerRegisters = 24;
constexpr int kHalves = 2;
constexpr int kMmaRows = 64, kMmaDepth = 32;
constexpr int kBoxBytes = kBlock * kBlock;
constexpr int kStageBytes = (1 + kHalves) * kBoxBytes;
constexpr int kAlignment = 1024;
constexpr int kTurnBarrier = 2;
constexpr int kGroup = GROUP / CLUSTER;
constexpr int kPromoteBits = 0x4b400000;
constexpr float kPromoteBase = 12582912.0f;

DEVICE float promoted(int sum) { return PROMOTE ? __int_as_float(sum) - kPromoteBase : static_cast<float>(sum); }

// Which tiles a thread block has: those of a cluster lie below each other, and the last may lie outside of the matrix.
struct Tiles {
    int row_units, column_tiles, rank;

    DEVICE_MEMBER int count() const { return row_units * column_tiles; }

    // The number of the thread block's i-th; not below count() after its last.
    DEVICE_MEMBER int unit(int i) const { return (i * gridDim.x + blockIdx.x) / CLUSTER; }

    DEVICE_MEMBER void place(int unit, int& tile_row, int& first_column) const {
        int group = unit / (kGroup * column_tiles), in_group = unit % (kGroup * column_tiles);
        int group_rows = min(kGroup, row_units - group * kGroup);
        tile_row = (group * kGroup + in_group % group_rows) * CLUSTER + rank;
        first_column = in_group / group_rows * kHalves;
    }
};

// The blocks of K of all tiles of a thread block, counted through: where in the ring, and the parity of the round.
struct Turn {
    int stage;
    u32 parity;

    DEVICE_MEMBER void next() {
        if (++stage == STAGES) stage = 0, parity ^= 1;
    }
};

// a [m, k] and b [n, k] through maps with boxes of 128×128; k % 16 == 0, n % 8 == 0; a_scales [⌈m/128⌉, ⌈k/128⌉],
// b_scales [⌈n/128⌉, ⌈k/128⌉]. A grid of any multiple of CLUSTER.
extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(kThreads, 1)
sm90_int8_matmul(const __grid_constant__ TensorMap a, const float* a_scales, const __grid_constant__ TensorMap b, const float* b_scales,
                 Epilogue out, int m, int n, int k) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) u64 full[STAGES], empty[STAGES];
    // Two sets, since a warp may be a tile ahead.
    __shared__ float partials[2][kHalves][kConsumers / kWarpSize];

    int row_tiles = (m + kTile - 1) / kTile, column_blocks = (n + kTile - 1) / kTile;
    Tiles tiles = {(row_tiles + CLUSTER - 1) / CLUSTER, (column_blocks + kHalves - 1) / kHalves, static_cast<int>(blockIdx.x % CLUSTER)};
    int blocks = (k + kBlock - 1) / kBlock;

    u32 ring = shared_address(shared);
    ring += (kAlignment - ring % kAlignment) % kAlignment;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            mbarrier_init(shared_address(&full[stage]), 1);
            mbarrier_init(shared_address(&empty[stage]), CLUSTER * kConsumers / kWarpSize);
        }
        mbarrier_init_fence();
    }
    if (CLUSTER > 1) cluster_sync();
    else __syncthreads();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x == kConsumers) {
            prefetch_map(&a);
            prefetch_map(&b);
            // A fresh barrier's phase before the first counts as over: the first round does not wait.
            Turn turn = {0, 1};
            for (int i = 0; tiles.unit(i) < tiles.count(); i++) {
                int tile_row, first_column;
                tiles.place(tiles.unit(i), tile_row, first_column);
// Unrolled, it would need more registers than it keeps.
#pragma unroll 1
                for (int block = 0; block < blocks; block++, turn.next()) {
                    // Empty here and in the other thread block of the cluster, which this one writes to as well.
                    mbarrier_wait(shared_address(&empty[turn.stage]), turn.parity);
                    u32 destination = ring + turn.stage * kStageBytes, barrier = shared_address(&full[turn.stage]);
                    mbarrier_arrive_expect(barrier, kStageBytes);
                    copy_box(destination, &a, block * kBlock, tile_row * kTile, barrier);
                    if (CLUSTER > 1)
                        copy_box_to((1 << CLUSTER) - 1, destination + (1 + tiles.rank) * kBoxBytes, &b, block * kBlock,
                                    (first_column + tiles.rank) * kTile, barrier);
                    else
#pragma unroll
                        for (int half = 0; half < kHalves; half++)
                            copy_box(destination + (1 + half) * kBoxBytes, &b, block * kBlock, (first_column + half) * kTile, barrier);
                }
            }
        }
        __syncwarp();
        if (CLUSTER > 1) cluster_sync();
    } else {
        claim_registers<kConsumerRegisters>();
        int warpgroup = uniform(threadIdx.x / kWarpgroup), lane = threadIdx.x % kWarpSize;
        // The first turn is the first warpgroup's.
        if (TURNS && warpgroup == 1 && tiles.unit(0) < tiles.count()) named_barrier_arrive<kConsumers>(kTurnBarrier);
        Turn turn = {0, 0};
        for (int i = 0; tiles.unit(i) < tiles.count(); i++) {
            int tile_row, first_column;
            tiles.place(tiles.unit(i), tile_row, first_column);
            const float* a_scale = a_scales + static_cast<u64>(min(tile_row, row_tiles - 1)) * blocks;
            const float* b_scale = b_scales + static_cast<u64>(first_column) * blocks;
            // The second half may lie outside of the matrix; its products are zeros.
            u64 second = first_column + 1 < column_blocks ? blocks : 0;
            if (EPILOGUE == 2)
#pragma unroll
                for (int half = 0; half < kHalves; half++)
                    prefetch_residual(out, tile_row * kTile, (first_column + half) * kTile, m, n);
            float total[kHalves][64] = {};

            // Read a block ahead, so that no product waits for them.
            float next_a = a_scale[0], next_b[kHalves] = {b_scale[0], b_scale[second]};
            for (int block = 0; block < blocks; block++, turn.next()) {
                float scales[kHalves] = {next_a * next_b[0], next_a * next_b[1]};
                int next = min(block + 1, blocks - 1);
                next_a = a_scale[next], next_b[0] = b_scale[next], next_b[1] = b_scale[second + next];
                mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);
                u32 operand = ring + turn.stage * kStageBytes;
                u64 left = swizzled_operand(operand + warpgroup * kMmaRows * kBlock), right = swizzled_operand(operand + kBoxBytes);
#pragma unroll
                for (int half = 0; half < kHalves; half++) {
                    int sum[64];
                    if (TURNS) named_barrier_sync<kConsumers>(kTurnBarrier + warpgroup);
                    if (PROMOTE)
#pragma unroll
                        for (int e = 0; e < 64; e++) sum[e] = fresh_constant<kPromoteBits>();
                    wgmma_fence();
#pragma unroll
                    for (int step = 0; step < kBlock / kMmaDepth; step++)
                        wgmma_s8(sum, left + operand_offset(step * kMmaDepth), right + operand_offset(half * kBoxBytes + step * kMmaDepth),
                                 PROMOTE || step > 0);
                    wgmma_commit();
                    // The other's products queue up behind; after the last, nobody waits for a turn of the first warpgroup's.
                    if (TURNS && (warpgroup == 0 || half + 1 < kHalves || block + 1 < blocks || tiles.unit(i + 1) < tiles.count()))
                        named_barrier_arrive<kConsumers>(kTurnBarrier + 1 - warpgroup);
                    wgmma_wait<0>(sum);
                    if (half + 1 == kHalves) {
                        u32 barrier = shared_address(&empty[turn.stage]);
                        if (CLUSTER > 1) {
                            if (lane < CLUSTER) mbarrier_arrive_at(barrier, lane);
                        } else if (lane == 0) mbarrier_arrive(barrier);
                    }
#pragma unroll
                    for (int e = 0; e < 64; e++) total[half][e] += scales[half] * promoted(sum[e]);
                }
            }

            int row = tile_row * kTile + threadIdx.x / kWarpSize * 16 + lane / 4;
#pragma unroll
            for (int half = 0; half < kHalves; half++)
                finish_sums<kConsumers>(total[half], out, row, tile_row, first_column + half, m, n, partials[i % 2][half]);
        }
        // What the other thread block of the cluster still writes here or arrives at must find it.
        if (CLUSTER > 1) cluster_sync();
    }
}
