// The epilogues by way of shared memory: a warpgroup writes boxes of 64 rows and 128 bytes of its results, swizzled, and the copy
// engine stores them while the warpgroup goes on. The residual comes as it came for the products: through the ring.
#pragma once
#include "int8_matmul_epilogue.cuh"
#include "sm90_box.cuh"

// Boxes of a warpgroup, filled in turn.
constexpr int kOutboxes = 2;
constexpr int kOutboxBytes = kBoxRows * kBoxRowBytes;
constexpr int kOutboxBarrier = 4;
constexpr int kRowsPerThread = 2, kRowStep = 8;

// A warpgroup's boxes on their way out.
struct Outbox {
    u32 boxes;
    int warpgroup, turn;

    DEVICE_MEMBER u32 box() const { return boxes + turn * kOutboxBytes; }

    // Every thread of the warpgroup has written its part of box(), which goes to (column, row) of the map, counted in bytes and rows.
    DEVICE_MEMBER void send(const TensorMap* map, int column, int row, bool inside) {
        fence_async_proxy();
        bool leader = threadIdx.x % kWarpgroup == 0;
        // Behind the barrier all threads write the next box: what was in it must be on its way.
        if (leader) store_box_wait_read<kOutboxes - 2>();
        named_barrier_sync<kWarpgroup>(kOutboxBarrier + warpgroup);
        if (leader) {
            if (inside) store_box(map, box(), column, row);
            store_box_commit();
        }
        turn = (turn + 1) % kOutboxes;
    }

    // Shared memory must outlive the copies from it.
    DEVICE_MEMBER void close() const {
        if (threadIdx.x % kWarpgroup == 0) store_box_wait_read<0>();
    }
};

// The sums of 64×128 begin with the bias, so that nobody waits for it at the end.
DEVICE void begin_with_bias(float (&total)[64], const OUTPUT* bias, int first_column, int n) {
#pragma unroll
    for (int chunk = 0; chunk < kTile / kVector; chunk++) {
        int column = first_column + chunk * kVector + threadIdx.x % 4 * 2;
        float2 pair = {};
        if (bias != nullptr && column < n) pair = load2(bias + column);
#pragma unroll
        for (int r = 0; r < kRowsPerThread; r++) total[chunk * 4 + r * 2] = pair.x, total[chunk * 4 + r * 2 + 1] = pair.y;
    }
}

// GELU and quantization of 64×256 sums of two warpgroups each. partials: eight floats a half, not in use by the tile before.
template <int Halves, int Warps>
DEVICE void send_gelu(float (&total)[Halves][64], const Epilogue& out, Outbox& outbox, const TensorMap* map, int row, int tile_row,
                      int first_tile_column, int m, int n, float (&partials)[Halves][Warps]) {
    int lane = threadIdx.x % kWarpSize, column_tiles = (n + kTile - 1) / kTile;
    // Columns beyond n are zeros; rows beyond m have the bias.
#pragma unroll
    for (int half = 0; half < Halves; half++) {
        float amax[kRowsPerThread] = {};
#pragma unroll
        for (int e = 0; e < 64; e++) {
            float& v = total[half][e];
            v = gelu(v);
            amax[e % 4 / 2] = fmaxf(amax[e % 4 / 2], fabsf(v));
        }
        float largest = max_over_warp(fmaxf(row < m ? amax[0] : 0.0f, row + kRowStep < m ? amax[1] : 0.0f));
        if (lane == 0) partials[half][threadIdx.x / kWarpSize] = largest;
    }
    named_barrier_sync<Warps * kWarpSize>(kReductionBarrier);
    int first_row = tile_row * kTile + outbox.warpgroup * kBoxRows;
#pragma unroll
    for (int half = 0; half < Halves; half++) {
        int tile_column = first_tile_column + half;
        float quantum = block_scale(max_over_warp(partials[half][lane % Warps])), inverse = 1.0f / quantum;
        if (threadIdx.x == 0 && tile_row * kTile < m && tile_column < column_tiles)
            out.scales[static_cast<u64>(tile_row) * column_tiles + tile_column] = quantum;
        // Of two groups of eight columns the even lane gets four neighbours of the first, the odd one of the second.
        bool odd = lane % 2;
        int local_row = threadIdx.x % kWarpgroup / kWarpSize * 16 + lane / 4, word = lane % 2 * 2 + lane % 4 / 2;
#pragma unroll
        for (int chunk = 0; chunk < kBoxRowBytes / kBoxChunk; chunk++) {
            // The lower half of a word is the first row's pair, the upper half the second's.
            const float *a = total[half] + chunk * 8, *b = a + 4;
            u32 first = pack_int8(a[0], a[1], a[2], a[3], inverse), second = pack_int8(b[0], b[1], b[2], b[3], inverse);
            u32 received = __shfl_xor_sync(kFullWarp, odd ? first : second, 1);
            u32 left = odd ? received : first, right = odd ? second : received;
#pragma unroll
            for (int r = 0; r < kRowsPerThread; r++)
                store_shared(outbox.box() + (local_row + r * kRowStep) * kBoxRowBytes + (chunk ^ (local_row % 8)) * kBoxChunk + word * 4,
                             __byte_perm(left, right, r == 0 ? 0x5410u : 0x7632u));
        }
        outbox.send(map, tile_column * kTile, first_row, first_row < m && tile_column < column_tiles);
    }
}

// One box of 64×64 results in bfloat16.
constexpr int kBoxColumns = kBoxRowBytes / 2, kBoxChunks = kBoxRowBytes / kBoxChunk;

// The gates of this thread's columns of a box, of each of its rows.
DEVICE void load_gates(float2 (&gates)[kRowsPerThread][kBoxChunks], const Epilogue& out, int row, int first_column, int m, int n) {
#pragma unroll
    for (int r = 0; r < kRowsPerThread; r++) {
        int within = row + r * kRowStep < m ? row + r * kRowStep : 0;
        const float* gate = out.gate == nullptr ? nullptr : out.gate + static_cast<u64>(within / out.rows_per_batch) * n;
#pragma unroll
        for (int chunk = 0; chunk < kBoxChunks; chunk++) {
            int column = first_column + chunk * kVector + threadIdx.x % 4 * 2;
            gates[r][chunk] = {1, 1};
            if (gate != nullptr && column < n) gates[r][chunk] = load2(gate + column);
        }
    }
}

// Puts 64×64 sums into the box. residual: a box of the same place, or 0.
DEVICE void fill_box(const float* sums, u32 box, u32 residual, const float2 (&gates)[kRowsPerThread][kBoxChunks]) {
#pragma unroll
    for (int chunk = 0; chunk < kBoxChunks; chunk += 2) {
        u32 added[4], words[4];
        if (EPILOGUE == 2) ldmatrix_x4(added, box_fragment(residual, chunk));
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int r = i % 2, c = chunk + i / 2;
            float low = sums[c * 4 + r * 2], high = sums[c * 4 + r * 2 + 1];
            if (EPILOGUE == 2) {
                low = fmaf(gates[r][c].x, low, low_bf16(added[i]));
                high = fmaf(gates[r][c].y, high, high_bf16(added[i]));
            }
            words[i] = pack_bf16(low, high);
        }
        stmatrix_x4(box_fragment(box, chunk), words);
    }
}
