#include "proxies.h"

#include "block.h"
#include "shared_memory.h"

namespace emulator {

namespace {

constexpr u32 kChunk = 16;

}  // namespace

void written_by_thread(u32 address, u32 bytes) {
    for (u32 chunk = address / kChunk; chunk <= (address + bytes - 1) / kChunk; chunk++)
        self->block->unfenced[chunk] = {self, self->proxy_fences};
}

void proxy_fence() { self->proxy_fences++; }

void read_by_engine(Block* block, u32 address) {
    if (block->unfenced.empty()) return;
    auto found = block->unfenced.find(address / kChunk);
    if (found != block->unfenced.end() && found->second.thread->proxy_fences == found->second.fences)
        fail("an engine reads shared memory at %#x, which thread %d wrote without fence.proxy.async", address, found->second.thread->index);
}

void written_by_engine(Block* block, u32 address) {
    if (!block->unfenced.empty()) block->unfenced.erase(address / kChunk);
}

}  // namespace emulator
