#include "shared_memory.h"

#include <cstring>

#include "block.h"

// The kernel's __shared__ variables, which the linker gathers; null where it has none.
extern u8 __start_shared_variables[] __attribute__((weak, visibility("hidden")));
extern u8 __stop_shared_variables[] __attribute__((weak, visibility("hidden")));

namespace emulator {

namespace {

// What the system keeps at the beginning.
constexpr u32 kReserved = 1024, kAlignment = 1024, kBlockShift = 24;
constexpr int kPoison = 0xff;

u32 static_bytes() { return static_cast<u32>(__stop_shared_variables - __start_shared_variables); }

u32 dynamic_start() { return (kReserved + static_bytes() + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void start_memory(Block& block) {
    // Kept for later launches; one behind another, with room to align.
    static std::vector<std::vector<u8>> memories;
    if (memories.size() <= block.rank) memories.resize(block.rank + 1);
    std::vector<u8>& memory = memories[block.rank];
    memory.assign(cluster.dynamic_bytes + kAlignment, kPoison);
    block.dynamic_memory = memory.data() + (kAlignment - reinterpret_cast<u64>(memory.data()) % kAlignment) % kAlignment;
    block.static_memory.assign(static_bytes(), kPoison);
}

void bring_static_memory(Block* from, Block* to) {
    if (from != nullptr) memcpy(from->static_memory.data(), __start_shared_variables, static_bytes());
    memcpy(__start_shared_variables, to->static_memory.data(), static_bytes());
}

u8* dynamic_memory() { return self->block->dynamic_memory; }

u32 shared_address_of(const void* pointer) {
    const u8* place = static_cast<const u8*>(pointer);
    if (place >= __start_shared_variables && place <= __stop_shared_variables)
        return kReserved + static_cast<u32>(place - __start_shared_variables);
    const u8* dynamic = self->block->dynamic_memory;
    if (place >= dynamic && place <= dynamic + cluster.dynamic_bytes) return dynamic_start() + static_cast<u32>(place - dynamic);
    fail("a pointer is not into shared memory");
}

u32 map_shared(u32 address, u32 rank) {
    if (rank >= cluster.blocks.size()) fail("thread block %u of a cluster of %zu", rank, cluster.blocks.size());
    return (address & ((1u << kBlockShift) - 1)) | (rank + 1) << kBlockShift;
}

Block* shared_block(u32& address) {
    u32 rank = address >> kBlockShift;
    address &= (1u << kBlockShift) - 1;
    if (rank == 0) return self->block;
    if (rank > cluster.blocks.size()) fail("no thread block has the shared memory at %#x", address);
    Block* block = cluster.blocks[rank - 1].get();
    if (block->alive == 0) fail("thread block %u of the cluster, whose shared memory is accessed, has ended", rank - 1);
    return block;
}

u8* shared_memory(Block* block, u32 address, u32 bytes) {
    if (block->alive == 0) fail("shared memory of a thread block that has ended is accessed");
    if (address >= dynamic_start() && address + bytes <= dynamic_start() + cluster.dynamic_bytes)
        return block->dynamic_memory + (address - dynamic_start());
    if (address >= kReserved && address + bytes <= kReserved + static_bytes()) {
        bool current = self != nullptr && self->block == block;
        return (current ? __start_shared_variables : block->static_memory.data()) + (address - kReserved);
    }
    fail("%u bytes at %#x are outside of shared memory: static up to %#x, dynamic %#x up to %#x", bytes, address, kReserved + static_bytes(),
         dynamic_start(), dynamic_start() + cluster.dynamic_bytes);
}

u8* shared_memory(u32 address, u32 bytes) {
    Block* block = shared_block(address);
    return shared_memory(block, address, bytes);
}

}  // namespace emulator
