// Sparse-linear attention in bf16 on Hopper (wgmma, TMA, mbarrier).
//   y = softmax over the chosen keys of (q·kᵀ/√128) · v + φ(q)·M / (1e-5 + φ(q)·z) + bias
// Both products of the softmax take bf16, P among it, and sum in float32; the softmax is float32 as the blocks come. φ(q) are the
// features, M the projected state of the head, z its sum of features.
// A thread block has a query block of 128, half for each of two warpgroups, which attend to the same list of key blocks of 64. A stage
// of the ring is such a block of k and of v; the last two are the features and M.
//   STAGES  see sm90_attention.cuh
#include "sm90_bf16_attention.cuh"

// Through maps with boxes of 128 bytes: q, features bf16 [B·H·length, 128] and mix (M) bf16 [B·H·128 outputs, 128] with boxes of 128
// rows; k bf16 [B·H·length, 128] and v bf16 [B·length, channels of all heads] with boxes of 64 rows.
// kept [B, H, query blocks, count], ascending; sums (z) [B, H, 128]; bias [128]; y [B, length, H, 128]. Grid: query blocks, B · H.
// factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_sla_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
                   const __grid_constant__ TensorMap features, const __grid_constant__ TensorMap mix, const int* kept, const float* sums,
                   const float* bias, bf16* y, int length, int heads, int count, float factor) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) Barriers barriers;
    u64 sequence = blockIdx.y;
    int first_row = blockIdx.x * kRows;
    const int* list = kept + (sequence * gridDim.x + blockIdx.x) * count;
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    u8* queries = aligned + STAGES * kStageBytes;
    Ring ring{shared_address(aligned), &barriers};
    if (threadIdx.x == 0) ring.init();
    __syncthreads();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x >= kConsumers + kWarpSize) return;
        int lane = threadIdx.x % kWarpSize, head = blockIdx.y % heads, row = static_cast<int>(sequence) * length;
        // Of v, whose rows are the tokens of the batch.
        int value_row = blockIdx.y / heads * length, value_column = head * 2 * kBoxWidth;
        if (lane == 0) {
            prefetch_map(&q), prefetch_map(&k), prefetch_map(&v), prefetch_map(&features), prefetch_map(&mix);
            u32 barrier = shared_address(&barriers.query), destination = shared_address(queries);
            mbarrier_arrive_expect(barrier, kStageBytes);
            copy_box(destination, &q, 0, row + first_row, barrier);
            copy_box(destination + kRows * kBoxWidth, &q, kBoxWidth, row + first_row, barrier);
        }
        // A warp's worth of the list at a time, and the next on its way.
        int next = lane < count ? list[lane] : 0;
        for (int start = 0; start < count; start += kWarpSize) {
            int mine = next, ahead = start + kWarpSize + lane;
            next = ahead < count ? list[ahead] : 0;
            for (int step = start; step < min(start + kWarpSize, count); step++) {
                int token = __shfl_sync(kFullWarp, mine, step - start) * kKeyBlock;
                if (lane == 0) {
                    ring.begin(step);
                    u32 destination = ring.data + ring.offset(step), barrier = ring.full(step);
                    copy_box(destination, &k, 0, row + token, barrier);
                    copy_box(destination + kHalfBytes, &k, kBoxWidth, row + token, barrier);
                    copy_box(destination + 2 * kHalfBytes, &v, value_column, value_row + token, barrier);
                    copy_box(destination + 3 * kHalfBytes, &v, value_column + kBoxWidth, value_row + token, barrier);
                }
            }
        }
        if (lane == 0) {
            for (int tile = 0; tile < 2; tile++) {
                const TensorMap* map = tile ? &mix : &features;
                int from = tile ? static_cast<int>(sequence) * kHeadDim : row + first_row, step = count + tile;
                ring.begin(step);
                u32 destination = ring.data + ring.offset(step);
                copy_box(destination, map, 0, from, ring.full(step));
                copy_box(destination + kRows * kBoxWidth, map, kBoxWidth, from, ring.full(step));
            }
        }
        return;
    }

    claim_registers<kConsumerRegisters>();
    int lane = threadIdx.x % kWarpSize;
    // Ascending, so that only the last block may end past the sequence. What lies there belongs to the next sequence or is zeros.
    int valid_of_last = length - list[count - 1] * kKeyBlock;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    mbarrier_wait(shared_address(&barriers.query), 0);
    u32 query[kHeadDim / kMmaDepth][4];
    load_queries(query, queries);

    // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until the end.
    float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
    float output[64] = {};
    for (int step = 0; step < count; step++) {
        ring.wait(step);
        u32 keys = ring.data + ring.offset(step), values = keys + 2 * kHalfBytes;
        float score[32];
        multiply_keys(score, query, keys);

        if (step == count - 1 && valid_of_last < kKeyBlock) {
#pragma unroll
            for (int i = 0; i < 32; i++)
                if (i / 4 * 8 + lane % 4 * 2 + i % 2 >= valid_of_last) score[i] = minus_infinity;
        }
        add_values(output, reference, total, score, values, factor);
        ring.release(step);
    }

    float sparse[2];
#pragma unroll
    for (int row = 0; row < 2; row++) sparse[row] = 1.0f / reduce_row<false>(total[row]);
    ring.wait(count);
    ring.wait(count + 1);
    add_linear_branch(output, sparse, aligned + ring.offset(count), aligned + ring.offset(count + 1), sums + sequence * kHeadDim, bias,
                      Output{y, length, heads, first_row, static_cast<int>(sequence)});
}
