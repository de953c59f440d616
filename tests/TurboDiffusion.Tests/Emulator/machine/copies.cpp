#include "copies.h"

#include <algorithm>
#include <cstring>

#include "block.h"
#include "proxies.h"
#include "shared_memory.h"

namespace emulator {

namespace {

constexpr u32 kChunk = 16;

struct Box {
    Map map;
    long long at[5];
    Block* block;
    u32 address, barrier;

    Box(const void* from, std::initializer_list<int> coordinates, u32 place) : at(), block(self->block), address(place), barrier(0) {
        memcpy(&map, from, sizeof map);
        if (map.mark != kMapMark) fail("there is no tensor map at %p", from);
        if (map.rank != coordinates.size()) fail("a copy at %zu coordinates of a tensor of %u dimensions", coordinates.size(), map.rank);
        u32 aligned = map.swizzle == 0 ? 128 : 128u << map.swizzle;
        if (address % aligned != 0) fail("a copy at %#x, which is no multiple of %u", address, aligned);
        std::copy(coordinates.begin(), coordinates.end(), at);
    }

    u32 bytes() const {
        u32 all = map.element_bytes;
        for (int i = 0; i < map.rank; i++) all *= map.box[i];
        return all;
    }

    void load() const {
        each_chunk([this](u32 chunk, u8* shared, u8* global, u32 from, u32 to) {
            if (to - from < kChunk) memset(shared, 0, kChunk);
            memcpy(shared + from, global + from, to - from);
            written_by_engine(block, chunk);
        });
        mbarrier_completed(block, barrier, bytes());
    }

    void store() const {
        each_chunk([this](u32 chunk, u8* shared, u8* global, u32 from, u32 to) {
            read_by_engine(block, chunk);
            memcpy(global + from, shared + from, to - from);
        });
    }

    // Of every 16 bytes: where they are, and which of them are inside of the tensor.
    template <class Action>
    void each_chunk(Action action) const {
        u32 row_bytes = map.box[0] * map.element_bytes, rows = bytes() / row_bytes;
        // Chunks change places by the row of 128 bytes that they lie in.
        u32 swizzle = map.swizzle == 0 ? 0 : (1u << map.swizzle) - 1;
        long long width = map.sizes[0] * map.element_bytes;
        for (u32 row = 0; row < rows; row++) {
            u64 pointer = map.address;
            bool inside = true;
            u32 rest = row;
            for (int i = 1; i < map.rank; i++) {
                long long place = at[i] + rest % map.box[i];
                rest /= map.box[i];
                inside = inside && place >= 0 && place < static_cast<long long>(map.sizes[i]);
                pointer += place * map.strides[i - 1];
            }
            for (u32 byte = 0; byte < row_bytes; byte += kChunk) {
                u32 place = address + row * row_bytes + byte;
                place ^= (place >> 7 & swizzle) << 4;
                long long first = at[0] * map.element_bytes + byte;
                u32 from = inside ? std::clamp<long long>(-first, 0, kChunk) : kChunk;
                u32 to = inside ? std::clamp<long long>(width - first, from, kChunk) : kChunk;
                action(place, shared_memory(block, place, kChunk), reinterpret_cast<u8*>(pointer) + first, from, to);
            }
        }
    }
};

void finish(std::deque<Group>& groups, int pending) {
    while (groups.size() > static_cast<size_t>(pending)) {
        for (auto& copy : groups.front().copies) copy();
        groups.pop_front();
    }
}

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

void copies_wait(int pending) { finish(self->copy_groups, pending); }

void copy_tensor(u32 blocks, u32 destination, const void* map, std::initializer_list<int> at, u32 barrier) {
    Box box(map, at, destination);
    box.barrier = barrier;
    if (blocks >> cluster.blocks.size() != 0) fail("a copy to thread blocks %#x of a cluster of %zu", blocks, cluster.blocks.size());
    for (u32 rank = 0; rank < cluster.blocks.size(); rank++) {
        if (blocks == 0 ? rank != self->block->rank : !(blocks >> rank & 1)) continue;
        box.block = cluster.blocks[rank].get();
        engine([box] { box.load(); });
    }
}

void store_tensor(const void* map, u32 source, std::initializer_list<int> at) {
    Box box(map, at, source);
    if (coin()) box.store();
    else self->open_store_group.copies.push_back([box] { box.store(); });
}

void stores_commit() {
    self->store_groups.push_back(std::move(self->open_store_group));
    self->open_store_group = {};
}

void stores_wait_read(int pending) { finish(self->store_groups, pending); }

}  // namespace emulator
