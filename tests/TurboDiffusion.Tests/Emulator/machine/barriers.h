// Where threads wait for each other or for the copy engine.
#pragma once
#include "threads.h"

namespace emulator {

// One of the 16 barriers of a block. expected 0: nobody has come yet.
struct NamedBarrier {
    u32 expected = 0, arrived = 0;
    bool all = false;
    Queue waiting;
};

// A barrier in shared memory: a phase is over when all have arrived and no bytes are owed.
struct Mbarrier {
    u32 expected = 0, pending = 0;
    long long bytes = 0;
    u32 phase = 0;
    bool known_to_engine = false;
    Queue waiting;
};

struct ClusterBarrier {
    u32 arrived = 0, phase = 0;
    Queue waiting;
};

// threads 0: all of the block that have not ended.
void barrier_sync(int barrier, u32 threads);
void barrier_arrive(int barrier, u32 threads);

void cluster_barrier_arrive();
void cluster_barrier_wait();

void mbarrier_start(u32 address, int arrivals);
void mbarriers_known();
// At an address of this block or, from map_shared, of another one.
void mbarrier_arrival(u32 address, u32 bytes, bool arrives = true);
void mbarrier_wait_phase(u32 address, u32 parity);
bool mbarrier_test_phase(u32 address, u32 parity);
void mbarrier_completed(Block* block, u32 address, u32 bytes);

// A thread has ended: those that count all threads may go on.
void barriers_after_exit(Block* block);

}  // namespace emulator
