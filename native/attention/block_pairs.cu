// The highest scores of two neighbouring query blocks as one list of key blocks: first those that both have chosen, then by turns one
// that the first alone has and one that the second alone has, so that neither waits long for its next. One warp per pair; the last
// may be a single block.
//   ITEMS  see block_ranks.cuh
#include "block_ranks.cuh"
#include "block_list.cuh"

constexpr int kThreads = 128;

// scores [B·H, query blocks, key blocks]; k_scales, v_scales [B·H, key blocks]; entries [B·H, pairs, 2 · count], lengths [B·H, pairs].
// count ≤ key blocks. Grid: a warp per pair, B · H.
extern "C" __global__ void __launch_bounds__(kThreads)
block_pairs(const bf16* scores, const float* k_scales, const float* v_scales, BlockEntry* entries, int* lengths, int query_blocks,
            int key_blocks, int count) {
    int lane = threadIdx.x % kWarpSize, pair = blockIdx.x * (kThreads / kWarpSize) + threadIdx.x / kWarpSize, pairs = (query_blocks + 1) / 2;
    if (pair >= pairs) return;
    u64 sequence = blockIdx.y;
    bool single = 2 * pair + 1 == query_blocks;
    const bf16* row = scores + (sequence * query_blocks + 2 * pair) * key_blocks;
    u32 first[ITEMS], second[ITEMS];
    choose_highest(row, key_blocks, count, first);
    // A block that is not there chooses nothing.
    if (!single) choose_highest(row + key_blocks, key_blocks, count, second);
    int both = 0;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        if (single) second[i] = 0;
        both += __popc(first[i] & second[i]);
    }
    BlockEntry* list = entries + (sequence * pairs + pair) * 2 * count;
    // Where the next entry of each sort goes.
    int shared_at = 0, first_at = both, second_at = both + 1, stride = single ? 1 : 2;
    u32 below = (1u << lane) - 1;
#pragma unroll
    for (int i = 0; i < ITEMS; i++) {
        u32 shared = first[i] & second[i], alone = first[i] & ~second[i], other = second[i] & ~first[i];
        int users = (first[i] >> lane & 1) | (second[i] >> lane & 1) << 1, block = i * kWarpSize + lane;
        int at = users == 3 ? shared_at + __popc(shared & below)
            : users == 1 ? first_at + stride * __popc(alone & below)
            : second_at + stride * __popc(other & below);
        if (users) list[at] = {block, users, k_scales[sequence * key_blocks + block], v_scales[sequence * key_blocks + block]};
        shared_at += __popc(shared), first_at += stride * __popc(alone), second_at += stride * __popc(other);
    }
    if (lane == 0) lengths[sequence * pairs + pair] = single ? count : 2 * count - both;
}
