#include "copies.h"

#include <cstring>

#include "block.h"
#include "shared_memory.h"

namespace emulator {

namespace {

constexpr u32 kChunk = 16;

struct Box {
    Map map;
    long long at[5];
    Block* block;
    u32 destination, barrier;

    u32 bytes() const {
        u32 all = map.element_bytes;
        for (int i = 0; i < map.rank; i++) all *= map.box[i];
        return all;
    }

    void copy() const {
        u32 row_bytes = map.box[0] * map.element_bytes, rows = bytes() / row_bytes;
        // Within rows of so many bytes, chunks change places by the row of 128 bytes that they lie in.
        u32 swizzle = map.swizzle == 0 ? 0 : (1u << map.swizzle) - 1;
        for (u32 row = 0; row < rows; row++) {
            u64 from = map.address;
            bool inside = true;
            u32 rest = row;
            for (int i = 1; i < map.rank; i++) {
                long long place = at[i] + rest % map.box[i];
                rest /= map.box[i];
                inside = inside && place >= 0 && place < static_cast<long long>(map.sizes[i]);
                from += place * map.strides[i - 1];
            }
            for (u32 byte = 0; byte < row_bytes; byte += map.element_bytes) {
                u32 address = destination + row * row_bytes + byte;
                address ^= (address >> 7 & swizzle) << 4;
                long long place = at[0] + byte / map.element_bytes;
                u8* to = shared_memory(block, address, map.element_bytes);
                if (inside && place >= 0 && place < static_cast<long long>(map.sizes[0]))
                    memcpy(to, reinterpret_cast<const u8*>(from) + place * map.element_bytes, map.element_bytes);
                else
                    memset(to, 0, map.element_bytes);
            }
        }
        mbarrier_completed(block, barrier, bytes());
    }
};

}  // namespace

void copy_16(u32 destination, const void* source, bool valid) {
    if (destination % kChunk != 0 || reinterpret_cast<u64>(source) % kChunk != 0) fail("cp.async of 16 bytes to %#x from %p, which are not aligned", destination, source);
    Block* block = self->block;
    auto copy = [=] {
        u8* to = shared_memory(block, destination, kChunk);
        if (valid) memcpy(to, source, kChunk);
        else memset(to, 0, kChunk);
    };
    if (coin()) copy();
    else self->open_group.copies.push_back(copy);
}

void copies_commit() {
    self->copy_groups.push_back(std::move(self->open_group));
    self->open_group = {};
}

void copies_wait(int pending) {
    while (self->copy_groups.size() > static_cast<size_t>(pending)) {
        for (auto& copy : self->copy_groups.front().copies) copy();
        self->copy_groups.pop_front();
    }
}

void copy_tensor(u32 blocks, u32 destination, const void* map, std::initializer_list<int> at, u32 barrier) {
    Box box = {};
    memcpy(&box.map, map, sizeof box.map);
    if (box.map.mark != kMapMark) fail("there is no tensor map at %p", map);
    if (box.map.rank != at.size()) fail("a copy at %zu coordinates of a tensor of %u dimensions", at.size(), box.map.rank);
    u32 aligned = box.map.swizzle == 0 ? 128 : 128u << box.map.swizzle;
    if (destination % aligned != 0) fail("a copy to %#x, which is no multiple of %u", destination, aligned);
    std::copy(at.begin(), at.end(), box.at);
    box.destination = destination, box.barrier = barrier;
    for (u32 rank = 0; rank < cluster.blocks.size(); rank++) {
        if (blocks == 0 ? rank != self->block->rank : !(blocks >> rank & 1)) continue;
        box.block = cluster.blocks[rank].get();
        engine([box] { box.copy(); });
    }
    if (blocks >> cluster.blocks.size() != 0) fail("a copy to thread blocks %#x of a cluster of %zu", blocks, cluster.blocks.size());
}

}  // namespace emulator
