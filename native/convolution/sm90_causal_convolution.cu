// Convolutions of frames, channels last, on Hopper (wgmma, TMA, mbarrier): an output frame of its own input frame and those before it.
//   sum[t, y, x, o] = Σ over k, i, j, c of frame[t + k − past, y + i − 1, x + j − 1, c] · weight[k, j, i, o, c], in float32, then its end.
// No window of pixels is copied together: for every frame k and column j the copy engine brings a box of 16 + KERNEL − 1 rows of 8
// pixels, with zeros outside of the frame; the taps i read it from a row further on. A thread block goes from one tile of 16×16 pixels
// and OUTPUTS channels to the next. A warp of a third warpgroup fills a ring of STAGES boxes with their weights, those of the next tile
// while this one ends; two warpgroups multiply.
//   CHANNELS       of a pixel of the input, a multiple of 32
//   OUTPUTS        channels of a tile: 32, 64, 96, 128 or 192
//   ALTERNATE      0: each of the two warpgroups has 8 columns of every tile; 1: every other tile, and the end of one is hidden behind
//                  the products of the next. Its sums of 256 pixels fit for up to 96 channels.
//   KERNEL_FRAMES  frames that the kernel spans
//   KERNEL         rows and columns that it spans: 1, 2 or 3
//   PHASES         1; or 4: of an input pixel, four of the output, enlarged twice: a kernel of 2×2 for each, those of the odd rows and
//                  columns a row or a column further on
//   FRAME_STRIDE   frames of the input for each of the output: 1; or 2, where no pixels before an output pixel's own count, and frames can
//                  be the even and the odd rows of one: a kernel of 2×2 over both, with two columns as channels, is one of 3×3 that
//                  halves height and width; its weights are zeros where it has no fourth row and column
//   STAGES         of the ring
//   RESIDUAL       1: something is added
//   RELU           1: what is negative then becomes zero
#include "ptx_sm90.cuh"
#include "vector.cuh"

constexpr int kWarpgroups = 2, kConsumers = kWarpgroups * kWarpgroup, kThreads = kConsumers + kWarpgroup;
constexpr int kConsumerRegisters = 240, kProducerRegisters = 24;
constexpr int kTileRows = 16, kTileColumns = 8, kMmaDepth = 16;
// Of a warpgroup: boxes of 8 columns, and products of 8 rows of them.
constexpr int kBoxes = ALTERNATE ? kWarpgroups : 1, kProductsOfBox = 2, kProducts = kBoxes * kProductsOfBox;
constexpr int kTurnBarrier = 1;
// Channels of a stage: with 64 three stages do not fit beside wide tiles, and narrow ones are no faster.
constexpr int kSlice = 32;
constexpr int kSlices = CHANNELS / kSlice, kRowBytes = kSlice * 2, kImageRowBytes = kTileColumns * kRowBytes;
// Of two columns as channels, the kernel's last column is the first of them.
constexpr bool kHalves = FRAME_STRIDE == 2 && KERNEL == 2;
constexpr int kLastSlices = kHalves ? kSlices / 2 : kSlices, kStagesOfFrame = (KERNEL - 1) * kSlices + kLastSlices;
constexpr int kBoxBytes = (kTileRows + KERNEL - 1) * kImageRowBytes, kTapBytes = OUTPUTS * kRowBytes;
constexpr int kStageBytes = kWarpgroups * kBoxBytes + KERNEL * kTapBytes;
constexpr int kAlignment = 1024;
constexpr int kSums = OUTPUTS / 2, kQuad = 4, kPartChannels = kQuad * kVector, kParts = OUTPUTS / kPartChannels;
constexpr int kScale = PHASES == 4 ? 2 : 1;
// Of a kernel of 2, an even output row has the row before and its own.
constexpr int kBefore = FRAME_STRIDE == 1 ? KERNEL / 2 : 0;
constexpr int kMostFrames = 8, kMaps = kMostFrames * FRAME_STRIDE + (KERNEL_FRAMES > FRAME_STRIDE ? KERNEL_FRAMES - FRAME_STRIDE : 0);

static_assert(CHANNELS % kSlice == 0 && OUTPUTS % kPartChannels == 0 && (PHASES == 1 || KERNEL == 2) && kProducts * kSums <= 192,
              "sm90_causal_convolution");

struct FrameMaps {
    TensorMap at[kMaps];
};

struct Result {
    const float* bias;     // [outputs]
    const bf16* residual;  // as y
    bf16* y;               // [frames, height · kScale, width · kScale, outputs]
};

struct Size {
    int frames, height, width, outputs;
    int missing;  // frames before the first that are not there, and count as zeros: of KERNEL_FRAMES − 1

    DEVICE_MEMBER int rows() const { return (height + kTileRows - 1) / kTileRows; }
    DEVICE_MEMBER int columns() const { return (width + kWarpgroups * kTileColumns - 1) / (kWarpgroups * kTileColumns); }
    DEVICE_MEMBER int column_tiles() const { return outputs / OUTPUTS; }
    DEVICE_MEMBER int units() const { return frames * rows() * columns() * PHASES * column_tiles(); }
    DEVICE_MEMBER int first_tap(int frame) const { return max(0, missing - frame); }
    DEVICE_MEMBER int stages(int frame) const { return (KERNEL_FRAMES - first_tap(frame)) * kStagesOfFrame; }
};

// A tile of a thread block. Those of the same pixels come one after another, and so do those of the frames, which read most of their
// input from the same ones: it is in L2.
struct Unit {
    int frame, row, column, phase, output;

    DEVICE_MEMBER Unit(int index, const Size& size) {
        output = index % size.column_tiles() * OUTPUTS, index /= size.column_tiles();
        phase = index % PHASES, index /= PHASES;
        frame = index % size.frames, index /= size.frames;
        column = index % size.columns() * kWarpgroups * kTileColumns, row = index / size.columns() * kTileRows;
    }
};

struct Turn {
    int stage;
    u32 parity;

    DEVICE_MEMBER void next() {
        if (++stage == STAGES) stage = 0, parity ^= 1;
    }

    DEVICE_MEMBER void skip(int stages) {
        stage += stages;
        parity ^= stage / STAGES & 1, stage %= STAGES;
    }
};

// The pixels of a thread: of every box, a column, and of every product, two rows of it.
struct Pixel {
    bool inside;
    u64 at;  // in y, of the thread's first channel

    DEVICE_MEMBER Pixel(int product, int r, const Size& size, const Unit& unit, int first_box) {
        int warp = threadIdx.x % kWarpgroup / kWarpSize, lane = threadIdx.x % kWarpSize;
        int row = unit.row + product % kProductsOfBox * 8 + warp * 2 + r;
        int column = unit.column + (first_box + product / kProductsOfBox) * kTileColumns + lane / kQuad;
        inside = row < size.height && column < size.width;
        int y = min(row, size.height - 1) * kScale + unit.phase / 2, x = min(column, size.width - 1) * kScale + unit.phase % 2;
        at = ((static_cast<u64>(unit.frame) * size.height * kScale + y) * size.width * kScale + x) * size.outputs + unit.output
            + lane % kQuad * kVector;
    }
};

DEVICE uint4 load_residual(const bf16* residual, u64 at) { return *reinterpret_cast<const uint4*>(residual + at); }

// The result of the pixels of a warpgroup, whose boxes begin with first_box. A thread has two neighbouring channels of every eight, of
// the pixels (product, row r of two): four neighbouring lanes exchange them, so that each has eight channels of a pixel.
DEVICE void finish(float (&sum)[kProducts][kSums], const Result& out, const Size& size, const Unit& unit, int first_box) {
    // What is added comes a few parts ahead of its use: registers for all parts of a pixel there are not. Where the end is hidden behind
    // the other warpgroup's products, and L2 has it, it comes as it is needed: there are no registers for more.
    constexpr int kAhead = ALTERNATE ? 0 : 2, kSlots = kAhead + ALTERNATE, kAllParts = kProducts * 2 * kParts;
    uint4 residual[kSlots];
    auto fetch = [&](int part) {
        if (!RESIDUAL || part >= kAllParts) return;
        Pixel pixel(part / kParts / 2, part / kParts % 2, size, unit, first_box);
        residual[part % kSlots] = load_residual(out.residual, pixel.at + part % kParts * kPartChannels);
    };
#pragma unroll
    for (int part = 0; part < kAhead; part++) fetch(part);
    const float* biases = out.bias + unit.output + threadIdx.x % kQuad * kVector;
#pragma unroll
    for (int all = 0; all < kAllParts; all++) {
        int part = all % kParts, r = all / kParts % 2, m = all / kParts / 2;
        Pixel pixel(m, r, size, unit, first_box);
        float even[kQuad], odd[kQuad], v[kVector];
        load8(biases + part * kPartChannels, v);
        if (kAhead == 0) fetch(all);
        if (RESIDUAL) {
            uint4 raw = residual[all % kSlots];
            v[0] += low_bf16(raw.x), v[1] += high_bf16(raw.x), v[2] += low_bf16(raw.y), v[3] += high_bf16(raw.y);
            v[4] += low_bf16(raw.z), v[5] += high_bf16(raw.z), v[6] += low_bf16(raw.w), v[7] += high_bf16(raw.w);
            if (kAhead > 0) fetch(all + kAhead);
        }
#pragma unroll
        for (int i = 0; i < kQuad; i++) {
            even[i] = sum[m][(part * kQuad + i) * kQuad + 2 * r];
            odd[i] = sum[m][(part * kQuad + i) * kQuad + 2 * r + 1];
        }
        transpose_quad(even);
        transpose_quad(odd);
#pragma unroll
        for (int i = 0; i < kVector; i++) {
            v[i] += i % 2 == 0 ? even[i / 2] : odd[i / 2];
            if (RELU && v[i] < 0) v[i] = 0;  // what is no number stays so
        }
        if (pixel.inside) store8(out.y + pixel.at + part * kPartChannels, v);
    }
}

// Has L2 fetch what finish will add to the pixels of a tile: all channels, of which the tiles of the others are under way too. By the
// thread that copies: addresses that both it and finish use would cost those who multiply their registers.
DEVICE void prefetch_residual(const Result& out, const Size& size, const Unit& unit) {
    if (unit.output != 0) return;
    int rows = min(kTileRows, size.height - unit.row), columns = min(kWarpgroups * kTileColumns, size.width - unit.column);
    u64 line = static_cast<u64>(size.width) * size.outputs,
        at = (static_cast<u64>(unit.frame) * size.height + unit.row) * line + static_cast<u64>(unit.column) * size.outputs;
#pragma unroll 1
    for (int row = 0; row < rows; row++, at += line) prefetch_l2(out.residual + at, columns * size.outputs * sizeof(bf16));
}

// frames: bf16 [height, width, CHANNELS] each, those that are there of KERNEL_FRAMES − FRAME_STRIDE of the past (all of them, where
// FRAME_STRIDE is 2), then FRAME_STRIDE for each of size.frames, through maps with
// boxes of (16 + KERNEL − 1) × 8 × 32; weights: bf16 [PHASES · KERNEL_FRAMES · KERNEL · KERNEL, outputs, CHANNELS], the rows of the
// kernel fastest, through a map with boxes of KERNEL × OUTPUTS × 32. Any grid.
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
            mbarrier_init(shared_address(&empty[stage]), (ALTERNATE ? kWarpgroup : kConsumers) / kWarpSize);
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
                if (RESIDUAL) prefetch_residual(out, size, unit);
                int first_tap = size.first_tap(unit.frame);
                const TensorMap* frame = &frames.at[unit.frame * FRAME_STRIDE + first_tap - size.missing];
                int tap = (unit.phase * KERNEL_FRAMES + first_tap) * KERNEL * KERNEL;
#pragma unroll 1
                for (int k = first_tap; k < KERNEL_FRAMES; k++, frame++)
#pragma unroll 1
                    for (int j = 0; j < KERNEL; j++, tap += KERNEL)
#pragma unroll 1
                        for (int slice = 0; slice < (j < KERNEL - 1 ? kSlices : kLastSlices); slice++, turn.next()) {
                            mbarrier_wait(shared_address(&empty[turn.stage]), turn.parity);
                            u32 to = ring + turn.stage * kStageBytes, barrier = shared_address(&full[turn.stage]);
                            mbarrier_arrive_expect(barrier, kStageBytes);
#pragma unroll
                            for (int half = 0; half < kWarpgroups; half++)
                                copy_box(to + half * kBoxBytes, frame, slice * kSlice, column + j + half * kTileColumns, row, barrier);
                            copy_box(to + kWarpgroups * kBoxBytes, &weights, slice * kSlice, unit.output, tap, barrier);
                        }
            }
        }
    } else {
        claim_registers<kConsumerRegisters>();
        int warpgroup = uniform(threadIdx.x / kWarpgroup), lane = threadIdx.x % kWarpSize;
        // Of the boxes of a stage.
        int first_box = ALTERNATE ? 0 : warpgroup, owner = 0;
        Turn turn = {0, 0};
        for (int index = blockIdx.x; index < units; index += gridDim.x, owner = 1 - owner) {
            Unit unit(index, size);
            int stages = size.stages(unit.frame), former = 0;
            if (ALTERNATE && owner != warpgroup) {
                turn.skip(stages);
                continue;
            }
            // A barrier tells a round of the ring from the next, but not from the one after that: first the other tile's must all be here.
            if (ALTERNATE && index != blockIdx.x) named_barrier_sync<kConsumers>(kTurnBarrier + warpgroup);
            float sum[kProducts][kSums];
#pragma unroll 1
            for (int s = 0; s < stages; s++, turn.next()) {
                mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);
                u32 operand = ring + turn.stage * kStageBytes;
                u64 left = operand_of_64_bytes(operand + first_box * kBoxBytes),
                    right = operand_of_64_bytes(operand + kWarpgroups * kBoxBytes);
                wgmma_fence();
#pragma unroll
                for (int i = 0; i < KERNEL; i++)
#pragma unroll
                    for (int depth = 0; depth < kSlice / kMmaDepth; depth++)
#pragma unroll
                        for (int m = 0; m < kProducts; m++)
                            wgmma_bf16(sum[m],
                                       left + operand_offset(m / kProductsOfBox * kBoxBytes + depth * kMmaDepth * 2
                                                             + (i + 8 * (m % kProductsOfBox)) * kImageRowBytes),
                                       right + operand_offset(i * kTapBytes + depth * kMmaDepth * 2), s > 0 || i > 0 || depth > 0);
                wgmma_commit();
                // The products of the stage before are done when only these are under way.
                wgmma_wait_pending<1>();
                if (s > 0 && lane == 0) mbarrier_arrive(shared_address(&empty[former]));
                former = turn.stage;
            }
            if (ALTERNATE && index + gridDim.x < units) named_barrier_arrive<kConsumers>(kTurnBarrier + 1 - warpgroup);
#pragma unroll
            for (int m = 0; m < kProducts; m++) wgmma_wait<0>(sum[m]);
            if (lane == 0) mbarrier_arrive(shared_address(&empty[former]));
            finish(sum, out, size, unit, first_box);
        }
    }
}
