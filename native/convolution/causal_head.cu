// How the VAE's decoder ends, in one pass over its largest frames: RMS normalisation over channels, SiLU, and a causal convolution of
// 3×3×3 to a few channels.
//   z[t] = silu(x[t] / max(‖x[t]‖, 1e-12) · gamma),   y[t] = bias + Σ over k of conv(z[t + k − 2], weight[k])
// A frame is read once: a product gives what it adds to its own result and to those of the two frames after it, which wait in registers,
// and from chunk to chunk in memory. A thread block has a tile of 16×16 pixels of all frames: it normalises them and those around, then
// each warp multiplies two rows of pixels by the weights (mma.sync), whose 3 · OUTPUTS columns are padded to 16.
//   CHANNELS  of a pixel, a multiple of 32
//   OUTPUTS   channels of the result, up to 5
#include "vector.cuh"

constexpr int kTile = 16, kThreads = kTile * kTile, kWarps = kThreads / kWarpSize, kRowsOfWarp = kTile / kWarps;
constexpr int kKernel = 3, kAround = kTile + kKernel - 1, kPixels = kAround * kAround;
constexpr int kDelays = 3, kColumns = kDelays * OUTPUTS, kMmaColumns = 16, kMmaDepth = 16, kSteps = CHANNELS / kMmaDepth;
// Threads of a pixel while it is normalised, and vectors of each.
constexpr int kQuadLanes = 4, kVectors = CHANNELS / (kQuadLanes * kVector), kPixelsAtOnce = kThreads / kQuadLanes, kRounds = 2;
constexpr int kChunk = 16, kPitch = CHANNELS * 2, kFragment = kChunk * kWarpSize;
constexpr int kPixelBytes = kPixels * kPitch, kWeightBytes = kKernel * kSteps * kKernel * kFragment;
constexpr int kSumPitch = kColumns | 1;

static_assert(CHANNELS % (kQuadLanes * kVector) == 0 && kColumns <= kMmaColumns, "causal_head");

struct Frames {
    int count, height, width;

    DEVICE_MEMBER u64 pixel(int frame, int row, int column) const {
        return (static_cast<u64>(frame) * height + row) * width + column;
    }
    DEVICE_MEMBER bool has(int row, int column) const { return row >= 0 && row < height && column >= 0 && column < width; }
};

// Where a chunk of 16 bytes of a pixel lies: such that neither eight pixels' nor two whole pixels' meet in a bank.
DEVICE int place(int pixel, int chunk) { return pixel * kPitch + (chunk ^ (pixel >> 1 & 3)) * kChunk; }

// A frame's pixels of a tile and those around it, normalised, to shared memory; zeros outside of the frame.
DEVICE void normalise(const bf16* x, const float* gamma, u8* pixels, const Frames& frames, int frame, int top, int left) {
    int first = threadIdx.x / kQuadLanes, lane = threadIdx.x % kQuadLanes;
#pragma unroll 1
    for (; first / (kWarpSize / kQuadLanes) * (kWarpSize / kQuadLanes) < kPixels; first += kRounds * kPixelsAtOnce) {
        uint4 raw[kRounds][kVectors];
#pragma unroll
        for (int i = 0; i < kRounds; i++) {
            int pixel = first + i * kPixelsAtOnce, row = top + pixel / kAround - 1, column = left + pixel % kAround - 1;
            bool inside = pixel < kPixels && frames.has(row, column);
#pragma unroll
            for (int j = 0; j < kVectors; j++) {
                uint4 zero = {0, 0, 0, 0};
                raw[i][j] = inside ? *reinterpret_cast<const uint4*>(
                                         x + frames.pixel(frame, row, column) * CHANNELS + (j * kQuadLanes + lane) * kVector)
                                   : zero;
            }
        }
#pragma unroll
        for (int i = 0; i < kRounds; i++) {
            int pixel = first + i * kPixelsAtOnce;
            float v[kVectors][kVector], squares = 0;
#pragma unroll
            for (int j = 0; j < kVectors; j++) {
                v[j][0] = low_bf16(raw[i][j].x), v[j][1] = high_bf16(raw[i][j].x), v[j][2] = low_bf16(raw[i][j].y);
                v[j][3] = high_bf16(raw[i][j].y), v[j][4] = low_bf16(raw[i][j].z), v[j][5] = high_bf16(raw[i][j].z);
                v[j][6] = low_bf16(raw[i][j].w), v[j][7] = high_bf16(raw[i][j].w);
#pragma unroll
                for (int e = 0; e < kVector; e++) squares += v[j][e] * v[j][e];
            }
#pragma unroll
            for (int distance = kQuadLanes / 2; distance > 0; distance /= 2) squares += __shfl_xor_sync(kFullWarp, squares, distance);
            float inverse = 1.0f / fmaxf(sqrtf(squares), 1e-12f);
#pragma unroll
            for (int j = 0; j < kVectors; j++) {
                float weight[kVector];
                load8(gamma + (j * kQuadLanes + lane) * kVector, weight);
#pragma unroll
                for (int e = 0; e < kVector; e++) {
                    float normed = v[j][e] * inverse * weight[e];
                    v[j][e] = __fdividef(normed, 1.0f + __expf(-normed));
                }
                if (pixel < kPixels) store8(reinterpret_cast<bf16*>(pixels + place(pixel, j * kQuadLanes + lane)), v[j]);
            }
        }
    }
}

// What the rows of pixels of a warp add to the results of their frame and of the two after it, [pixel][delay · OUTPUTS + output].
DEVICE void multiply(u32 pixels, const u8* weights, float* sums) {
    int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
    float sum[kRowsOfWarp][kMmaColumns / 8][4] = {};
#pragma unroll 1
    for (int j = 0; j < kKernel; j++)
#pragma unroll 1
        for (int step = 0; step < kSteps; step++) {
            uint4 right[kKernel];
#pragma unroll
            for (int i = 0; i < kKernel; i++)
                right[i] = *reinterpret_cast<const uint4*>(weights + ((j * kSteps + step) * kKernel + i) * kFragment + lane * kChunk);
#pragma unroll
            for (int row = 0; row < kRowsOfWarp + kKernel - 1; row++) {
                u32 left[4];
                int pixel = (warp * kRowsOfWarp + row) * kAround + j + lane % 16;
                ldmatrix_x4(left, pixels + place(pixel, 2 * step + lane / 16));
#pragma unroll
                for (int m = 0; m < kRowsOfWarp; m++) {
                    int i = row - m;
                    if (i < 0 || i >= kKernel) continue;
                    mma_bf16(sum[m][0], left, right[i].x, right[i].y);
                    mma_bf16(sum[m][1], left, right[i].z, right[i].w);
                }
            }
        }
#pragma unroll
    for (int m = 0; m < kRowsOfWarp; m++)
#pragma unroll
        for (int part = 0; part < kMmaColumns / 8; part++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int pixel = (warp * kRowsOfWarp + m) * kTile + lane / 4 + e / 2 * 8, column = part * 8 + lane % 4 * 2 + e % 2;
                if (column < kColumns) sums[pixel * kSumPitch + column] = sum[m][part][e];
            }
}

// x bf16 [frames, height, width, CHANNELS]; gamma float32 [CHANNELS], √CHANNELS in it; weights bf16: for each column and row of the kernel
// (column, 16 channels, row) a fragment of [16 channels, 3 · OUTPUTS padded to 16]; bias float32 [OUTPUTS]; past, next float32 [2, OUTPUTS,
// height, width]: what frames before add to the first two frames, and this chunk's to the two after it; past null: nothing; y bf16
// [OUTPUTS, frames, height, width]. Grid: tiles of 16×16 pixels, the columns fastest.
extern "C" __global__ void __launch_bounds__(kThreads, 2)
causal_head(const bf16* x, const float* gamma, const bf16* weights, const float* bias, const float* past, float* next, bf16* y,
            const __grid_constant__ Frames frames) {
    DYNAMIC_SHARED(shared);
    u8 *pixels = shared, *fragments = pixels + kPixelBytes;
    float* sums = reinterpret_cast<float*>(fragments + kWeightBytes);
    int across = (frames.width + kTile - 1) / kTile, top = blockIdx.x / across * kTile, left = blockIdx.x % across * kTile;
    for (int at = threadIdx.x * kChunk; at < kWeightBytes; at += kThreads * kChunk)
        *reinterpret_cast<uint4*>(fragments + at) = *reinterpret_cast<const uint4*>(reinterpret_cast<const u8*>(weights) + at);

    // The thread's pixel, and what is known of its next two results.
    int row = top + threadIdx.x / kTile, column = left + threadIdx.x % kTile;
    bool inside = frames.has(row, column);
    float waiting[kDelays - 1][OUTPUTS];
#pragma unroll
    for (int d = 0; d < kDelays - 1; d++)
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            waiting[d][o] = past != nullptr && inside ? past[frames.pixel(d * OUTPUTS + o, row, column)] : 0.0f;

    for (int frame = 0; frame < frames.count; frame++) {
        normalise(x, gamma, pixels, frames, frame, top, left);
        __syncthreads();
        multiply(shared_address(pixels), fragments, sums);
        __syncthreads();
        const float* sum = sums + threadIdx.x * kSumPitch;
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
            float result = bias[o] + waiting[0][o] + sum[o];
            waiting[0][o] = waiting[1][o] + sum[OUTPUTS + o];
            waiting[1][o] = sum[2 * OUTPUTS + o];
            if (inside) y[frames.pixel(o * frames.count + frame, row, column)].bits = static_cast<u16>(pack_bf16(result, 0.0f));
        }
    }
    if (!inside) return;
#pragma unroll
    for (int d = 0; d < kDelays - 1; d++)
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) next[frames.pixel(d * OUTPUTS + o, row, column)] = waiting[d][o];
}
