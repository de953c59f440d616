// Convolutions of frames, channels last, on Hopper (wgmma, TMA, mbarrier): an output frame of its own input frame and those before it.
//   sum[t, y, x, o] = Σ over k, i, j, c of frame[t + k − past, y + i − 1, x + j − 1, c] · weight[k, j, i, o, c], in float32, then its end.
// No window of pixels is copied together: for every frame k and column j the copy engine brings a box of 16 + KERNEL − 1 rows of 8
// pixels, with zeros outside of the frame; the taps i read it from a row further on. A thread block goes from one tile of 16×16 pixels
// and OUTPUTS channels to the next. A warp of a third warpgroup fills a ring of STAGES boxes with their weights, those of the next tile
// while this one ends; each of two warpgroups has 8 columns of pixels.
//   CHANNELS       of a pixel of the input, a multiple of SLICE
//   SLICE          channels of a stage: 32 or 64
//   OUTPUTS        channels of a tile: 96, 128 or 192
//   KERNEL_FRAMES  frames that the kernel spans
//   KERNEL         rows and columns that it spans: 1, 2 or 3
//   PHASES         1; or 4: of an input pixel, four of the output, enlarged twice: a kernel of 2×2 for each, those of the odd rows and
//                  columns a row or a column further on
//   STAGES         of the ring
//   RESIDUAL       1: something is added
//   NORMALISE      1: the result is not the sum but silu(sum / ‖sum‖ · gamma), of all OUTPUTS channels of a pixel, frame by frame
#include "ptx_sm90.cuh"
#include "vector.cuh"

constexpr int kWarpgroups = 2, kConsumers = kWarpgroups * kWarpgroup, kThreads = kConsumers + kWarpgroup;
constexpr int kConsumerRegisters = 240, kProducerRegisters = 24;
constexpr int kTileRows = 16, kTileColumns = 8, kProducts = 2, kMmaDepth = 16;
constexpr int kSlices = CHANNELS / SLICE, kRowBytes = SLICE * 2, kImageRowBytes = kTileColumns * kRowBytes;
constexpr int kBoxBytes = (kTileRows + KERNEL - 1) * kImageRowBytes, kTapBytes = OUTPUTS * kRowBytes;
constexpr int kStageBytes = kWarpgroups * kBoxBytes + KERNEL * kTapBytes;
constexpr int kAlignment = 1024;
constexpr int kSums = OUTPUTS / 2, kQuad = 4, kParts = OUTPUTS / (kQuad * kVector);
constexpr int kScale = PHASES == 4 ? 2 : 1;
// Of a kernel of 2, an even output row has the row before and its own.
constexpr int kBefore = KERNEL / 2;
constexpr int kMostFrames = 8;

static_assert(CHANNELS % SLICE == 0 && OUTPUTS % 32 == 0 && (PHASES == 1 || KERNEL == 2), "sm90_causal_convolution");

struct FrameMaps {
    TensorMap at[kMostFrames + KERNEL_FRAMES - 1];
};

struct Result {
    const float* bias;       // [outputs]
    const bf16* residual;    // as y
    bf16* y;                 // [frames, height · kScale, width · kScale, outputs]
    const float* gamma;      // [outputs], √outputs in it; NORMALISE
    bf16* at[kMostFrames];   // [height, width, outputs] each; NORMALISE
};

struct Size {
    int frames, height, width, outputs;
    int missing;  // frames before the first that are not there, and count as zeros: of KERNEL_FRAMES − 1

    DEVICE_MEMBER int rows() const { return (height + kTileRows - 1) / kTileRows; }
    DEVICE_MEMBER int columns() const { return (width + kWarpgroups * kTileColumns - 1) / (kWarpgroups * kTileColumns); }
    DEVICE_MEMBER int column_tiles() const { return outputs / OUTPUTS; }
    DEVICE_MEMBER int units() const { return frames * rows() * columns() * PHASES * column_tiles(); }
    DEVICE_MEMBER int first_tap(int frame) const { return max(0, missing - frame); }
};

// A tile of a thread block. Those of the same pixels come one after another, so that their input stays in L2.
struct Unit {
    int frame, row, column, phase, output;

    DEVICE_MEMBER Unit(int index, const Size& size) {
        output = index % size.column_tiles() * OUTPUTS, index /= size.column_tiles();
        phase = index % PHASES, index /= PHASES;
        column = index % size.columns() * kWarpgroups * kTileColumns, index /= size.columns();
        row = index % size.rows() * kTileRows, frame = index / size.rows();
    }
};

struct Turn {
    int stage;
    u32 parity;

    DEVICE_MEMBER void next() {
        if (++stage == STAGES) stage = 0, parity ^= 1;
    }
};

// The result of the pixels of a warpgroup. A thread has two neighbouring channels of every eight, of the pixels
// (16-row products m, row r of two): four neighbouring lanes exchange them, so that each has eight channels of a pixel.
DEVICE void finish(float (&sum)[kProducts][kSums], const Result& out, const Size& size, const Unit& unit) {
    int warp = threadIdx.x % kWarpgroup / kWarpSize, lane = threadIdx.x % kWarpSize;
    int column = unit.column + threadIdx.x / kWarpgroup * kTileColumns + lane / kQuad, first = unit.output + lane % kQuad * kVector;
#pragma unroll
    for (int m = 0; m < kProducts; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            int row = unit.row + m * 8 + warp * 2 + r;
            bool inside = row < size.height && column < size.width;
            int y = min(row, size.height - 1) * kScale + unit.phase / 2, x = min(column, size.width - 1) * kScale + unit.phase % 2;
            u64 pixel = static_cast<u64>(y) * size.width * kScale + x;
            u64 at = (static_cast<u64>(unit.frame) * size.height * kScale * size.width * kScale + pixel) * size.outputs + first;
            // All under way at once.
            uint4 residual[kParts];
            if (RESIDUAL)
#pragma unroll
                for (int part = 0; part < kParts; part++)
                    residual[part] = *reinterpret_cast<const uint4*>(out.residual + at + part * kQuad * kVector);
            float squares = 0;
#pragma unroll
            for (int part = 0; part < kParts; part++) {
                float even[kQuad], odd[kQuad], bias[kVector];
#pragma unroll
                for (int i = 0; i < kQuad; i++) {
                    even[i] = sum[m][(part * kQuad + i) * kQuad + 2 * r];
                    odd[i] = sum[m][(part * kQuad + i) * kQuad + 2 * r + 1];
                }
                transpose_quad(even);
                transpose_quad(odd);
                load8(out.bias + first + part * kQuad * kVector, bias);
                if (RESIDUAL) {
                    const uint4& raw = residual[part];
                    bias[0] += low_bf16(raw.x), bias[1] += high_bf16(raw.x), bias[2] += low_bf16(raw.y), bias[3] += high_bf16(raw.y);
                    bias[4] += low_bf16(raw.z), bias[5] += high_bf16(raw.z), bias[6] += low_bf16(raw.w), bias[7] += high_bf16(raw.w);
                }
                float v[kVector];
#pragma unroll
                for (int i = 0; i < kVector; i++) {
                    v[i] = (i % 2 == 0 ? even[i / 2] : odd[i / 2]) + bias[i];
                    squares += v[i] * v[i];
                    if (NORMALISE) sum[m][(part * kQuad + i / 2) * kQuad + 2 * r + i % 2] = v[i];
                }
                if (!NORMALISE && inside) store8(out.y + at + part * kQuad * kVector, v);
            }
            if (NORMALISE) {
#pragma unroll
                for (int distance = 1; distance < kQuad; distance *= 2) squares += __shfl_xor_sync(kFullWarp, squares, distance);
                float inverse = 1.0f / fmaxf(sqrtf(squares), 1e-12f);
                bf16* to = out.at[unit.frame] + pixel * size.outputs + first;
#pragma unroll
                for (int part = 0; part < kParts; part++) {
                    float v[kVector], gamma[kVector];
                    load8(out.gamma + first + part * kQuad * kVector, gamma);
#pragma unroll
                    for (int i = 0; i < kVector; i++) {
                        float normed = sum[m][(part * kQuad + i / 2) * kQuad + 2 * r + i % 2] * inverse * gamma[i];
                        v[i] = normed / (1.0f + __expf(-normed));
                    }
                    if (inside) store8(to + part * kQuad * kVector, v);
                }
            }
        }
}

// Has L2 fetch what finish will add.
DEVICE void prefetch_residual(const Result& out, const Size& size, const Unit& unit) {
    constexpr int kLine = 64;
    int warp = threadIdx.x % kWarpgroup / kWarpSize, lane = threadIdx.x % kWarpSize;
    int column = unit.column + threadIdx.x / kWarpgroup * kTileColumns + lane / kQuad;
    if (column >= size.width || lane % kQuad * kLine >= OUTPUTS) return;
#pragma unroll
    for (int i = 0; i < kProducts * 2; i++) {
        int row = unit.row + i / 2 * 8 + warp * 2 + i % 2;
        if (row < size.height)
            prefetch_l2(out.residual + ((static_cast<u64>(unit.frame) * size.height + row) * size.width + column) * size.outputs
                + unit.output + lane % kQuad * kLine);
    }
}

// frames: bf16 [height, width, CHANNELS] each, those that are there of KERNEL_FRAMES − 1 of the past, then size.frames, through maps with
// boxes of (16 + KERNEL − 1) × 8 × SLICE; weights: bf16 [PHASES · KERNEL_FRAMES · KERNEL · KERNEL, outputs, CHANNELS], the rows of the
// kernel fastest, through a map with boxes of KERNEL × OUTPUTS × SLICE. Any grid.
extern "C" __global__ void __launch_bounds__(kThreads, 1)
sm90_causal_convolution(const __grid_constant__ FrameMaps frames, const __grid_constant__ TensorMap weights,
                        const __grid_constant__ Result out, const __grid_constant__ Size size) {
    DYNAMIC_SHARED(shared);
    __shared__ __align__(8) u64 full[STAGES], empty[STAGES];
    u32 ring = shared_address(shared);
    ring += (kAlignment - ring % kAlignment) % kAlignment;
    if (threadIdx.x == 0) {
        for (int stage = 0; stage < STAGES; stage++) {
            mbarrier_init(shared_address(&full[stage]), 1);
            mbarrier_init(shared_address(&empty[stage]), kConsumers / kWarpSize);
        }
        mbarrier_init_fence();
    }
    __syncthreads();
    int units = size.units();

    if (threadIdx.x >= kConsumers) {
        release_registers<kProducerRegisters>();
        if (threadIdx.x == kConsumers) {
            prefetch_map(&weights);
            // A fresh barrier's phase before the first counts as over: the first round does not wait.
            Turn turn = {0, 1};
            for (int index = blockIdx.x; index < units; index += gridDim.x) {
                Unit unit(index, size);
                int row = unit.row - kBefore + unit.phase / 2, column = unit.column - kBefore + unit.phase % 2;
                int first_tap = size.first_tap(unit.frame);
                const TensorMap* frame = &frames.at[unit.frame + first_tap - size.missing];
                int tap = (unit.phase * KERNEL_FRAMES + first_tap) * KERNEL * KERNEL;
#pragma unroll 1
                for (int k = first_tap; k < KERNEL_FRAMES; k++, frame++)
#pragma unroll 1
                    for (int j = 0; j < KERNEL; j++, tap += KERNEL)
#pragma unroll 1
                        for (int slice = 0; slice < kSlices; slice++, turn.next()) {
                            mbarrier_wait(shared_address(&empty[turn.stage]), turn.parity);
                            u32 to = ring + turn.stage * kStageBytes, barrier = shared_address(&full[turn.stage]);
                            mbarrier_arrive_expect(barrier, kStageBytes);
#pragma unroll
                            for (int half = 0; half < kWarpgroups; half++)
                                copy_box(to + half * kBoxBytes, frame, slice * SLICE, column + j + half * kTileColumns, row, barrier);
                            copy_box(to + kWarpgroups * kBoxBytes, &weights, slice * SLICE, unit.output, tap, barrier);
                        }
            }
        }
    } else {
        claim_registers<kConsumerRegisters>();
        int warpgroup = uniform(threadIdx.x / kWarpgroup), lane = threadIdx.x % kWarpSize;
        Turn turn = {0, 0};
        for (int index = blockIdx.x; index < units; index += gridDim.x) {
            Unit unit(index, size);
            if (RESIDUAL) prefetch_residual(out, size, unit);
            float sum[kProducts][kSums];
            int stages = (KERNEL_FRAMES - size.first_tap(unit.frame)) * KERNEL * kSlices, former = 0;
#pragma unroll 1
            for (int s = 0; s < stages; s++, turn.next()) {
                mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);
                u32 operand = ring + turn.stage * kStageBytes;
                u64 left = operand_of_rows<kRowBytes>(operand + warpgroup * kBoxBytes),
                    right = operand_of_rows<kRowBytes>(operand + kWarpgroups * kBoxBytes);
                wgmma_fence();
#pragma unroll
                for (int i = 0; i < KERNEL; i++)
#pragma unroll
                    for (int depth = 0; depth < SLICE / kMmaDepth; depth++)
#pragma unroll
                        for (int m = 0; m < kProducts; m++)
                            wgmma_bf16(sum[m], left + operand_offset((i + 8 * m) * kImageRowBytes + depth * kMmaDepth * 2),
                                       right + operand_offset(i * kTapBytes + depth * kMmaDepth * 2), s > 0 || i > 0 || depth > 0);
                wgmma_commit();
                // The products of the stage before are done when only these are under way.
                wgmma_wait_pending<1>();
                if (s > 0 && lane == 0) mbarrier_arrive(shared_address(&empty[former]));
                former = turn.stage;
            }
#pragma unroll
            for (int m = 0; m < kProducts; m++) wgmma_wait<0>(sum[m]);
            if (lane == 0) mbarrier_arrive(shared_address(&empty[former]));
            finish(sum, out, size, unit);
        }
    }
}
