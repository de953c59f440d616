#include "products.h"

#include <cmath>

#include "block.h"
#include "formats.h"
#include "proxies.h"
#include "shared_memory.h"

namespace emulator {

namespace {

template <class Element>
void multiply_as(const u8* a, const u8* b, int rows, int columns, float* sums) {
    constexpr int kDepth = Element::kElements;
    // Transposed, so that the columns are neighbours.
    static thread_local float right[kDepth][kMostColumns];
    for (int column = 0; column < columns; column++)
        for (int k = 0; k < kDepth; k++) right[k][column] = Element::at(b + column * kDepthBytes, k);
    for (int row = 0; row < rows; row++) {
        float* sum = sums + row * columns;
        for (int column = 0; column < columns; column++) sum[column] = 0;
        for (int k = 0; k < kDepth; k++) {
            float left = Element::at(a + row * kDepthBytes, k);
            for (int column = 0; column < columns; column++) sum[column] += left * right[k][column];
        }
    }
}

void add(Format format, void* d, int i, float sum, bool accumulate) {
    if (format == Format::Int8) {
        int& to = static_cast<int*>(d)[i];
        to = static_cast<int>((accumulate ? static_cast<u32>(to) : 0u) + static_cast<u32>(static_cast<int>(sum)));
    } else {
        float& to = static_cast<float*>(d)[i];
        to = (accumulate ? to : 0.0f) + sum;
    }
}

// Register i of lane l of a fragment of rows of 32 bytes: rows l / 4 (+ 8 where i is odd), bytes 4 · (l % 4) (+ 16 where i ≥ 2) … + 3.
void place_fragment(u8* rows, int lane, const u32* registers) {
    for (int i = 0; i < 4; i++)
        memcpy(rows + (lane / 4 + i % 2 * 8) * kDepthBytes + lane % 4 * 4 + i / 2 * 16, &registers[i], 4);
}

// What a descriptor says: 8 rows of 128, 64 or 32 bytes, swizzled, and how far away the next are.
struct Operand {
    u32 start, next_columns, next_rows, row_bytes;

    explicit Operand(u64 descriptor)
        : start((descriptor & 0x3fff) << 4), next_columns((descriptor >> 16 & 0x3fff) << 4), next_rows((descriptor >> 32 & 0x3fff) << 4) {
        int mode = static_cast<int>(descriptor >> 62);
        if (descriptor >> 49 & 7) fail("a descriptor with a base offset, which the emulator does not know");
        if (mode == 0) fail("a descriptor without swizzle, which the emulator does not know");
        row_bytes = 128u >> (mode - 1);
    }

    const u8* at(u32 row, u32 byte) const {
        u32 address = start + row / 8 * next_rows + row % 8 * row_bytes + byte;
        address ^= (address >> 7 & (row_bytes / 16 - 1)) << 4;
        read_by_engine(self->block, address);
        return shared_memory(self->block, address, 16);
    }
};

// Rows of 32 bytes.
void read_operand(u64 descriptor, int rows, u8* to) {
    Operand operand(descriptor);
    for (int row = 0; row < rows; row++)
        for (int byte = 0; byte < kDepthBytes; byte += 16) memcpy(to + row * kDepthBytes + byte, operand.at(row, byte), 16);
}

// The same of 16-bit elements whose columns here are the rows there.
void read_transposed(u64 descriptor, int rows, u8* to) {
    Operand operand(descriptor);
    int in_row = operand.row_bytes / 2;
    for (int row = 0; row < rows; row += 8)
        for (int k = 0; k < Bf16::kElements; k++) {
            const u8* from = operand.at(k, row % in_row * 2 + row / in_row * operand.next_columns);
            for (int i = 0; i < 8; i++) memcpy(to + (row + i) * kDepthBytes + 2 * k, from + 2 * i, 2);
        }
}

void execute(Product& p) {
    static thread_local u8 a[kWarpgroupRows * kDepthBytes], b[kMostColumns * kDepthBytes];
    static thread_local float sums[kWarpgroupRows * kMostColumns];
    if (p.a_in_registers) {
        for (int t = 0; t < kWarpgroupThreads; t++) {
            if (memcmp(p.registers[t], p.held[t], sizeof p.registers[t]) != 0) fail("registers of a wgmma changed before it was waited for");
            place_fragment(a + t / kLanes * 16 * kDepthBytes, t % kLanes, p.registers[t]);
        }
    } else {
        read_operand(p.a, kWarpgroupRows, a);
    }
    if (p.b_transposed) read_transposed(p.b, p.columns, b);
    else read_operand(p.b, p.columns, b);
    multiply(p.format, a, b, kWarpgroupRows, p.columns, sums);
    for (int t = 0; t < kWarpgroupThreads; t++)
        for (int i = 0; i < p.columns / 2; i++) {
            int row = t / kLanes * 16 + t % kLanes / 4 + i % 4 / 2 * 8, column = i / 4 * 8 + t % 4 * 2 + i % 2;
            add(p.format, p.d[t], i, sums[row * p.columns + column], p.accumulate);
        }
}

Warpgroup& warpgroup() { return self->block->warpgroups[self->index / kWarpgroupThreads]; }

void execute_first(Warpgroup& group) {
    execute(group.products.front());
    group.products.pop_front();
    group.executed++;
}

struct Fragments {
    void* d;
    const u32* a;
    u32 b[2];
};

}  // namespace

void multiply(Format format, const u8* a, const u8* b, int rows, int columns, float* sums) {
    switch (format) {
        case Format::Int8: return multiply_as<Int8>(a, b, rows, columns, sums);
        case Format::E4m3: return multiply_as<E4m3>(a, b, rows, columns, sums);
        case Format::Bf16: return multiply_as<Bf16>(a, b, rows, columns, sums);
    }
}

void warp_product(Format format, void* d, const u32* a, u32 b0, u32 b1) {
    Fragments mine = {d, a, {b0, b1}};
    together(0xffffffffu, "mma.sync", mine, [format](Fragments* const* lanes) {
        constexpr int kRows = 16, kColumns = 8;
        u8 left[kRows * kDepthBytes], right[kColumns * kDepthBytes];
        float sums[kRows * kColumns];
        for (int lane = 0; lane < kLanes; lane++) {
            place_fragment(left, lane, lanes[lane]->a);
            for (int i = 0; i < 2; i++) memcpy(right + lane / 4 * kDepthBytes + lane % 4 * 4 + i * 16, &lanes[lane]->b[i], 4);
        }
        multiply(format, left, right, kRows, kColumns, sums);
        for (int lane = 0; lane < kLanes; lane++)
            for (int i = 0; i < 4; i++) add(format, lanes[lane]->d, i, sums[(lane / 4 + i / 2 * 8) * kColumns + lane % 4 * 2 + i % 2], true);
    });
}

void warpgroup_product(Format format, int columns, void* d, const u32* registers, u64 a, u64 b, bool accumulate, bool b_transposed) {
    if (!self->registers_fenced) fail("wgmma without wgmma.fence since the thread last had its registers");
    Warpgroup& group = warpgroup();
    u64 number = self->products++;
    if (number - group.executed == group.products.size()) {
        Product& fresh = group.products.emplace_back();
        fresh.format = format, fresh.columns = columns, fresh.a = a, fresh.b = b, fresh.accumulate = accumulate;
        fresh.a_in_registers = registers != nullptr, fresh.b_transposed = b_transposed;
    }
    Product& p = group.products[number - group.executed];
    if (p.format != format || p.columns != columns || p.a != a || p.b != b || p.accumulate != accumulate)
        fail("threads of a warpgroup issue different products: operands %#llx, %#llx and %#llx, %#llx", p.a, p.b, a, b);
    int thread = self->index % kWarpgroupThreads;
    p.d[thread] = d;
    p.held[thread] = registers;
    if (registers != nullptr) memcpy(p.registers[thread], registers, sizeof p.registers[thread]);
    // Until the thread has waited, its sums are nobody's.
    if (!accumulate) memset(d, 0xff, columns / 2 * sizeof(float));
    if (++p.arrived < kWarpgroupThreads) return;
    if (group.products.size() == 1 && coin()) execute_first(group);
    group.waiting.wake();
}

void warpgroup_fence() { self->registers_fenced = true; }

void warpgroup_commit() { self->product_groups.push_back(self->products); }

void warpgroup_wait(int pending) {
    size_t groups = self->product_groups.size();
    self->registers_fenced = false;
    if (groups <= static_cast<size_t>(pending)) return;
    u64 until = self->product_groups[groups - 1 - pending];
    Warpgroup& group = warpgroup();
    while (group.executed < until) {
        if (group.products.front().arrived == kWarpgroupThreads) execute_first(group);
        else park(group.waiting, "wgmma of the whole warpgroup");
    }
}

}  // namespace emulator
