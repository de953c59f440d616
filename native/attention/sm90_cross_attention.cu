//   RESIDENT  1: the form in sm90_cross_attention_resident.cuh
#if RESIDENT
#include "sm90_cross_attention_resident.cuh"
#else
// Attention in bf16 on Hopper (wgmma, TMA, mbarrier) to another, short sequence of keys: y = softmax over the keys of (q·kᵀ/√128) · v.
// The last key may stand for many equal ones: the padding of a text.
// A thread block has 128 queries of a head, half for each of two warpgroups. A stage of the ring is a block of 64 keys and its values.
//   STAGES  see sm90_attention.cuh
#include "sm90_bf16_attention.cuh"

// Through maps with boxes of 128 bytes: q bf16 [B·length, channels of all heads] with boxes of 128 rows; k, v bf16 [B·rows, channels of
// all heads] with boxes of 64 rows. Of a sequence's rows of k and v the first keys count, the last of them as e^(bonus / √128) ones.
// y [B, length, H, 128]. Grid: 128 queries, B · H. factor: log₂e / √128.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_cross_attention(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v, bf16* y,
                     int length, int heads, int rows, int keys, float bonus, float factor, int sequences) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) Barriers barriers;
    int first_row = blockIdx.x * kRows, count = (keys + kKeyBlock - 1) / kKeyBlock;
    u8* aligned = shared + (kAlignment - shared_address(shared) % kAlignment) % kAlignment;
    u8* queries = aligned + STAGES * kStageBytes;
    Ring ring{shared_address(aligned), &barriers};
    if (threadIdx.x == 0) ring.init();
    __syncthreads();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x != kConsumers) return;
        int batch = blockIdx.y / heads, column = blockIdx.y % heads * 2 * kBoxWidth;
        u32 to = shared_address(queries), barrier = shared_address(&barriers.query);
        prefetch_map(&q), prefetch_map(&k), prefetch_map(&v);
        mbarrier_arrive_expect(barrier, kStageBytes);
        copy_box(to, &q, column, batch * length + first_row, barrier);
        copy_box(to + kRows * kBoxWidth, &q, column + kBoxWidth, batch * length + first_row, barrier);
        for (int step = 0; step < count; step++) {
            int row = batch * rows + step * kKeyBlock;
            ring.begin(step);
            u32 stage = ring.data + ring.offset(step), filled = ring.full(step);
            copy_box(stage, &k, column, row, filled);
            copy_box(stage + kHalfBytes, &k, column + kBoxWidth, row, filled);
            copy_box(stage + 2 * kHalfBytes, &v, column, row, filled);
            copy_box(stage + 3 * kHalfBytes, &v, column + kBoxWidth, row, filled);
        }
        return;
    }

    claim_registers<kConsumerRegisters>();
    int lane = threadIdx.x % kWarpSize;
    const float minus_infinity = __uint_as_float(kMinusInfinityBits);
    mbarrier_wait(shared_address(&barriers.query), 0);
    u32 query[kHeadDim / kMmaDepth][4];
    load_queries(query, queries);

    // Of rows lane / 4 and lane / 4 + 8 of the warp's 16: P is 2^(score − reference). The totals are this lane's share until the end.
    float reference[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
    float output[64] = {};
    for (int step = 0; step < count; step++) {
        ring.wait(step);
        u32 key = ring.data + ring.offset(step), value = key + 2 * kHalfBytes;
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
        ring.release(step);
    }

    float share[2];
#pragma unroll
    for (int row = 0; row < 2; row++) share[row] = 1.0f / reduce_row<false>(total[row]);
    // The warp's own queries are in its registers.
    store_rows_by_tile(output, share, queries, Output{y, length, heads, first_row, static_cast<int>(blockIdx.y)});
}
#endif
