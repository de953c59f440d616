// Attention in bf16 on Hopper (wgmma, TMA, mbarrier) to another, short sequence of keys: y = softmax over the keys of (q·kᵀ/√128) · v.
// The last key may stand for many equal ones: the padding of a text.
// A thread block goes through 128 queries after the other, half for each of two warpgroups, while a third has the copy engine bring
// the next ones. A head's keys and values stay while its queries come by.
//   STAGES   blocks of 64 keys, and their values, that there is room for
//   QUERIES  times 128 queries that there is room for
#include "sm90_bf16_attention.cuh"

constexpr int kQueryBytes = 2 * kRows * kHeadDim;

struct CrossBarriers {
    u64 filled[QUERIES], empty[QUERIES], keys_filled, keys_empty;
};

// Through maps with boxes of 128 bytes: q bf16 [B·length, channels of all heads] with boxes of 128 rows; k, v bf16 [B·rows, channels of
// all heads] with boxes of 64 rows. Of a sequence's rows of k and v the first keys count, at most 64 · STAGES, the last of them as
// e^(bonus / √128) ones. y [B, length, H, 128]. sequences: B · H. Any grid. factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_cross_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, bf16* y,
                     int length, int heads, int rows, int keys, float bonus, float factor, int sequences) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) CrossBarriers barriers;
    int count = (keys + kKeyBlock - 1) / kKeyBlock, tiles = (length + kRows - 1) / kRows;
    // The thread block's queries, counted through all sequences.
    u64 all = static_cast<u64>(tiles) * sequences;
    int first = static_cast<int>(all * blockIdx.x / gridDim.x), end = static_cast<int>(all * (blockIdx.x + 1) / gridDim.x);
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    u8* queries = aligned + STAGES * kStageBytes;
    u32 data = shared_address(aligned);
    u32 keys_filled = shared_address(&barriers.keys_filled), keys_empty = shared_address(&barriers.keys_empty);
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < QUERIES; stage++) {
            mbarrier_init(shared_address(&barriers.filled[stage]), 1);
            mbarrier_init(shared_address(&barriers.empty[stage]), kConsumers / kWarpSize);
        }
        mbarrier_init(keys_filled, 1);
        mbarrier_init(keys_empty, kConsumers / kWarpSize);
        mbarrier_init_fence();
    }
    __syncthreads();
    // The sequence whose keys are there, and how many were before it.
    int held = -1, changes = 0;

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x != kConsumers) return;
        prefetch_map(&q), prefetch_map(&k), prefetch_map(&v);
        for (int tile = first; tile < end; tile++) {
            int sequence = tile / tiles, batch = sequence / heads, column = sequence % heads * 2 * kBoxWidth;
            if (sequence != held) {
                // A fresh barrier's phase before the first counts as over: the first keys do not wait, nor the first queries.
                mbarrier_wait(keys_empty, (changes & 1) ^ 1);
                mbarrier_arrive_expect(keys_filled, count * kStageBytes);
                for (int step = 0; step < count; step++) {
                    int row = batch * rows + step * kKeyBlock;
                    u32 stage = data + step * kStageBytes;
                    copy_box(stage, &k, column, row, keys_filled);
                    copy_box(stage + kHalfBytes, &k, column + kBoxWidth, row, keys_filled);
                    copy_box(stage + 2 * kHalfBytes, &v, column, row, keys_filled);
                    copy_box(stage + 3 * kHalfBytes, &v, column + kBoxWidth, row, keys_filled);
                }
                held = sequence;
                changes++;
            }
            int turn = tile - first, stage = turn % QUERIES, row = batch * length + tile % tiles * kRows;
            mbarrier_wait(shared_address(&barriers.empty[stage]), (turn / QUERIES & 1) ^ 1);
            u32 to = shared_address(queries) + stage * kQueryBytes, filled = shared_address(&barriers.filled[stage]);
            mbarrier_arrive_expect(filled, kQueryBytes);
            copy_box(to, &q, column, row, filled);
            copy_box(to + kRows * kBoxWidth, &q, column + kBoxWidth, row, filled);
        }
        return;
    }

    claim_registers<kConsumerRegisters>();
    int lane = threadIdx.x % kWarpSize;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    for (int tile = first; tile < end; tile++) {
        int sequence = tile / tiles, turn = tile - first, stage = turn % QUERIES;
        if (sequence != held) {
            // This warp's products with the keys before are over.
            if (held >= 0 && lane == 0) mbarrier_arrive(keys_empty);
            mbarrier_wait(keys_filled, changes & 1);
            held = sequence;
            changes++;
        }
        mbarrier_wait(shared_address(&barriers.filled[stage]), turn / QUERIES & 1);
        u8* queries_of_tile = queries + stage * kQueryBytes;
        u32 query[kHeadDim / kMmaDepth][4];
        load_queries(query, queries_of_tile);

        // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until the end.
        float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
        float output[64] = {};
        for (int step = 0; step < count; step++) {
            u32 key = data + step * kStageBytes, value = key + 2 * kHalfBytes;
            float score[32];
            multiply_keys(score, query, key);

            if (step == count - 1) {
                int last = keys - 1 - step * kKeyBlock;
#pragma unroll
                for (int i = 0; i < 32; i++) {
                    int column = i / 4 * 8 + lane % 4 * 2 + i % 2;
                    score[i] = column > last ? minus_infinity : column == last ? score[i] + bonus : score[i];
                }
            }
            add_values(output, reference, total, score, value, factor);
        }

        float share[2];
#pragma unroll
        for (int row = 0; row < 2; row++) share[row] = 1.0f / reduce_row<false>(total[row]);
        // The warp's own queries are in its registers.
        store_rows_by_tile(output, share, queries_of_tile, Output{y, length, heads, tile % tiles * kRows, sequence});
        // The copy engine writes where these rows were.
        fence_async_proxy();
        __syncwarp();
        if (lane == 0) mbarrier_arrive(shared_address(&barriers.empty[stage]));
    }
}
