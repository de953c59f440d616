// W8A8 matmul in the published 128×128 block format on Hopper (wgmma, TMA, mbarrier); int8_matmul.cu is the portable form.
//   sum[i, j] = Σ over blocks of K of int32 sums · (activation scale · weight scale), in float32, then the epilogue.
// A thread block goes from one 128×256 tile to the next. A warp of a third warpgroup, which gives its registers away, has the
// copy engine fill a ring of STAGES blocks of K, that of the next tile while this one's epilogue runs; each of two warpgroups
// has 64 rows. The scales change with every block of K, so the int32 sums of a block are added up in float32: 64 columns at a time,
// the next 64 under way meanwhile, with the activations in registers. Results leave by way of shared memory: sm90_int8_matmul_outbox.cuh.
//   STAGES   blocks of K under way
//   GROUP    tile rows that run through the tile columns together, so that their activations stay in L2; even
//   CLUSTER  thread blocks that share the weights, 1 or 2: each has 128 rows of its own, reads its half of the 256 rows of
//            weights and sends them to both
//   OUTPUT, EPILOGUE  see int8_matmul_epilogue.cuh; OUTPUT is bf16
#include "ptx_sm90.cuh"
#include "sm90_int8_matmul_outbox.cuh"

constexpr int kWarpgroups = 2;
constexpr int kConsumers = kWarpgroups * kWarpgroup;
constexpr int kThreads = kConsumers + kWarpgroup;
// The launch gives each of the three warpgroups 168, and no more than these may be shared out anew, in multiples of 8. At 24, the
// producer of a cluster spills.
constexpr int kLaunchRegisters = 168, kProducerRegisters = 40;
constexpr int kConsumerRegisters = ((kWarpgroups + 1) * kLaunchRegisters - kProducerRegisters) / kWarpgroups;
static_assert(kConsumerRegisters % 8 == 0 && kProducerRegisters % 8 == 0, "setmaxnreg takes multiples of 8");
constexpr int kHalves = 2;
constexpr int kMmaRows = 64, kMmaDepth = 32;
constexpr int kBoxBytes = kBlock * kBlock;
constexpr int kStageBytes = (1 + kHalves) * kBoxBytes;
constexpr int kAlignment = 1024;
constexpr int kGroup = GROUP / CLUSTER;
// Columns of a product.
constexpr int kChunkBytes = kBoxBytes / 2;
// Stages that a tile takes after its blocks of K: the residual of each half, in two boxes.
constexpr int kResidualStages = EPILOGUE == 2 ? kHalves : 0;
constexpr int kResidualBoxes = 2;

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
// b_scales [⌈n/128⌉, ⌈k/128⌉]. A grid of any multiple of CLUSTER. result is a map of the bytes of y or
// values with boxes of 64×128, residual of the residual's with boxes of 128×128; their rows are multiples of 16 bytes.
extern "C" __global__ void __cluster_dims__(CLUSTER, 1, 1) __launch_bounds__(kThreads, 1)
sm90_int8_matmul(const __grid_constant__ TensorMap a, const float* a_scales, const __grid_constant__ TensorMap b, const float* b_scales,
                 const __grid_constant__ TensorMap result, const __grid_constant__ TensorMap residual, Epilogue out, int m, int n, int k) {
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
            prefetch_map(&result);
            if (kResidualStages) prefetch_map(&residual);
            // A fresh barrier's phase before the first counts as over: the first round does not wait.
            Turn turn = {0, 1};
            for (int i = 0; tiles.unit(i) < tiles.count(); i++) {
                int tile_row, first_column;
                tiles.place(tiles.unit(i), tile_row, first_column);
// Unrolled, it would need more registers than it keeps.
#pragma unroll 1
                for (int block = 0; block < blocks + kResidualStages; block++, turn.next()) {
                    // Empty here and in the other thread block of the cluster, which this one writes to as well.
                    mbarrier_wait(shared_address(&empty[turn.stage]), turn.parity);
                    u32 destination = ring + turn.stage * kStageBytes, barrier = shared_address(&full[turn.stage]);
                    if (kResidualStages && block >= blocks) {
                        mbarrier_arrive_expect(barrier, kResidualBoxes * kBoxBytes);
#pragma unroll
                        for (int part = 0; part < kResidualBoxes; part++)
                            copy_box(destination + part * kBoxBytes, &residual,
                                     ((first_column + block - blocks) * kResidualBoxes + part) * kBlock, tile_row * kTile, barrier);
                        continue;
                    }
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
        // This warp has read a stage.
        auto release = [&](int stage) {
            u32 barrier = shared_address(&empty[stage]);
            if (CLUSTER > 1) {
                if (lane < CLUSTER) mbarrier_arrive_at(barrier, lane);
            } else if (lane == 0) mbarrier_arrive(barrier);
        };
        Outbox outbox = {ring + STAGES * kStageBytes + warpgroup * kOutboxes * kOutboxBytes, warpgroup, 0};
        Turn turn = {0, 0};
        for (int i = 0; tiles.unit(i) < tiles.count(); i++) {
            int tile_row, first_column;
            tiles.place(tiles.unit(i), tile_row, first_column);
            int row = tile_row * kTile + threadIdx.x / kWarpSize * 16 + lane / 4;
            const float* a_scale = a_scales + static_cast<u64>(min(tile_row, row_tiles - 1)) * blocks;
            const float* b_scale = b_scales + static_cast<u64>(first_column) * blocks;
            // The second half may lie outside of the matrix; its products are zeros.
            u64 second = first_column + 1 < column_blocks ? blocks : 0;
            float total[kHalves][64] = {};
#pragma unroll
            for (int half = 0; half < kHalves; half++) begin_with_bias(total[half], out.bias, (first_column + half) * kTile, n);

            // Columns 64 · chunk … + 63 of the tile's, one product in the even registers and one in the odd.
            int even[32], odd[32] = {};
            u32 left[kBlock / kMmaDepth][4];
            float scale_before = 0;
            int previous = 0;
            auto issue = [&](int chunk, u64 right, int (&sum)[32]) {
                wgmma_fence();
#pragma unroll
                for (int step = 0; step < kBlock / kMmaDepth; step++)
                    wgmma_s8(sum, left[step], right + operand_offset(chunk * kChunkBytes + step * kMmaDepth), step > 0);
                wgmma_commit();
            };
            auto add_up = [&](int chunk, const int (&sum)[32], float scale) {
#pragma unroll
                for (int e = 0; e < 32; e++) total[chunk / 2][chunk % 2 * 32 + e] += scale * static_cast<float>(sum[e]);
            };
            // Read a block ahead, so that no product waits for them.
            float next_a = a_scale[0], next_b[kHalves] = {b_scale[0], b_scale[second]};
            for (int block = 0; block < blocks; block++, turn.next()) {
                float scales[kHalves] = {next_a * next_b[0], next_a * next_b[1]};
                int next = min(block + 1, blocks - 1);
                next_a = a_scale[next], next_b[0] = b_scale[next], next_b[1] = b_scale[second + next];
                mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);
                u32 operand = ring + turn.stage * kStageBytes, rows = operand + warpgroup * kMmaRows * kBlock;
                u64 right = swizzled_operand(operand + kBoxBytes);
                // The last product of the block before, zeros before the first block; then nothing reads its activations any more.
                wgmma_wait<0>(odd);
                if (block > 0) release(previous);
#pragma unroll
                for (int step = 0; step < kBlock / kMmaDepth; step++) ldmatrix_x4(left[step], box_fragment(rows, 2 * step));
                issue(0, right, even);
                add_up(3, odd, scale_before);
                issue(1, right, odd);
                wgmma_wait<1>(even);
                add_up(0, even, scales[0]);
                issue(2, right, even);
                wgmma_wait<1>(odd);
                add_up(1, odd, scales[0]);
                issue(3, right, odd);
                wgmma_wait<1>(even);
                add_up(2, even, scales[1]);
                previous = turn.stage;
                scale_before = scales[1];
            }
            wgmma_wait<0>(odd);
            release(previous);
            add_up(3, odd, scale_before);

            if constexpr (EPILOGUE == 1) {
                send_gelu(total, out, outbox, &result, row, tile_row, first_column, m, n, partials[i % 2]);
            } else {
                int first_row = tile_row * kTile + warpgroup * kBoxRows;
                // A box ahead of their use.
                float2 gates[2][kRowsPerThread][kBoxChunks];
                if (EPILOGUE == 2) load_gates(gates[0], out, row, first_column * kTile, m, n);
#pragma unroll
                for (int box = 0; box < kHalves * kTile / kBoxColumns; box++) {
                    constexpr int kBoxesPerHalf = kTile / kBoxColumns;
                    int half = box / kBoxesPerHalf, part = box % kBoxesPerHalf, column = first_column * kTile + box * kBoxColumns;
                    if (EPILOGUE == 2) {
                        if (box + 1 < kHalves * kBoxesPerHalf) load_gates(gates[(box + 1) % 2], out, row, column + kBoxColumns, m, n);
                        if (part == 0) mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);
                    }
                    u32 added = ring + turn.stage * kStageBytes + part * kBoxBytes + warpgroup * kOutboxBytes;
                    fill_box(total[half] + part * kBoxColumns / 2, outbox.box(), added, gates[box % 2]);
                    if (EPILOGUE == 2 && part + 1 == kBoxesPerHalf) {
                        __syncwarp();
                        release(turn.stage);
                        turn.next();
                    }
                    outbox.send(&result, column * static_cast<int>(sizeof(OUTPUT)), first_row, first_row < m && column < n);
                }
            }
        }
        outbox.close();
        __syncwarp();
        // What the other thread block of the cluster still writes here or arrives at must find it.
        if (CLUSTER > 1) cluster_sync();
    }
}
