#include "barriers.h"

#include "block.h"
#include "shared_memory.h"

namespace emulator {

namespace {

void finish_if_full(NamedBarrier& barrier, u32 alive) {
    if (barrier.arrived == 0 || barrier.arrived < (barrier.all ? alive : barrier.expected)) return;
    barrier.arrived = 0;
    barrier.waiting.wake();
}

NamedBarrier& come_to(int number, u32 threads) {
    NamedBarrier& barrier = self->block->named_barriers[number & 15];
    if (number < 0 || number > 15) fail("barrier %d of 16", number);
    if (threads % kLanes != 0) fail("barrier %d of %u threads, which are no whole warps", number, threads);
    if (barrier.arrived > 0 && (barrier.expected != threads || barrier.all != (threads == 0)))
        fail("barrier %d is of %u threads for some and of %u for others", number, barrier.expected, threads);
    barrier.expected = threads;
    barrier.all = threads == 0;
    barrier.arrived++;
    return barrier;
}

u32 living() {
    u32 alive = 0;
    for (auto& block : cluster.blocks) alive += block->alive;
    return alive;
}

void finish_cluster_if_full() {
    if (cluster.barrier.arrived == 0 || cluster.barrier.arrived < living()) return;
    cluster.barrier.arrived = 0;
    cluster.barrier.phase++;
    cluster.barrier.waiting.wake();
}

Mbarrier& mbarrier_at(Block* block, u32 address) {
    auto found = block->mbarriers.find(address);
    if (found == block->mbarriers.end()) fail("there is no mbarrier at %#x", address);
    return found->second;
}

void finish_if_complete(Mbarrier& barrier) {
    if (barrier.pending > 0 || barrier.bytes != 0) return;
    barrier.phase++;
    barrier.pending = barrier.expected;
    barrier.waiting.wake();
}

}  // namespace

void barrier_sync(int number, u32 threads) {
    NamedBarrier& barrier = come_to(number, threads);
    u32 needed = barrier.all ? self->block->alive : barrier.expected;
    if (barrier.arrived >= needed) return finish_if_full(barrier, self->block->alive);
    park(barrier.waiting, "barrier", number);
}

void barrier_arrive(int number, u32 threads) { finish_if_full(come_to(number, threads), self->block->alive); }

void cluster_barrier_arrive() {
    if (self->arrived_at_cluster) fail("the thread arrives at the cluster's barrier twice without waiting");
    self->arrived_at_cluster = true;
    self->cluster_phase = cluster.barrier.phase;
    cluster.barrier.arrived++;
    finish_cluster_if_full();
}

void cluster_barrier_wait() {
    if (!self->arrived_at_cluster) fail("the thread waits at the cluster's barrier without having arrived");
    self->arrived_at_cluster = false;
    while (cluster.barrier.phase == self->cluster_phase) park(cluster.barrier.waiting, "the cluster's barrier");
}

void barriers_after_exit(Block* block) {
    for (NamedBarrier& barrier : block->named_barriers)
        if (barrier.all) finish_if_full(barrier, block->alive);
    if (block->alive > 0 || cluster.blocks.size() > 1) finish_cluster_if_full();
}

void mbarrier_start(u32 address, int arrivals) {
    if (address % 8 != 0) fail("an mbarrier at %#x, which is no multiple of 8", address);
    shared_memory(self->block, address, 8);
    if (arrivals < 1) fail("an mbarrier of %d arrivals", arrivals);
    Mbarrier& barrier = self->block->mbarriers[address];
    if (!barrier.waiting.threads.empty()) fail("the mbarrier at %#x begins anew while threads wait at it", address);
    barrier = {};
    barrier.expected = barrier.pending = arrivals;
}

void mbarriers_known() {
    for (auto& [address, barrier] : self->block->mbarriers) barrier.known_to_engine = true;
}

void mbarrier_arrival(u32 address, u32 bytes, bool arrives) {
    Block* block = shared_block(address);
    shared_memory(block, address, 8);
    Mbarrier& barrier = mbarrier_at(block, address);
    barrier.bytes += bytes;
    if (arrives && barrier.pending == 0) fail("more than the %u arrivals of the mbarrier at %#x in one phase", barrier.expected, address);
    if (arrives) barrier.pending--;
    finish_if_complete(barrier);
}

bool mbarrier_test_phase(u32 address, u32 parity) { return mbarrier_at(self->block, address).phase % 2 != parity; }

void mbarrier_wait_phase(u32 address, u32 parity) {
    if (parity > 1) fail("parity %u", parity);
    Mbarrier& barrier = mbarrier_at(self->block, address);
    while (barrier.phase % 2 == parity) park(barrier.waiting, parity == 0 ? "an mbarrier, parity 0," : "an mbarrier, parity 1,", address);
}

void mbarrier_completed(Block* block, u32 address, u32 bytes) {
    Mbarrier& barrier = mbarrier_at(block, address);
    if (!barrier.known_to_engine) fail("the copy engine does not know the mbarrier at %#x yet: a fence is missing", address);
    barrier.bytes -= bytes;
    finish_if_complete(barrier);
}

}  // namespace emulator
