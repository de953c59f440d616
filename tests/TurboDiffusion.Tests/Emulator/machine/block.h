// What a thread block has: its threads, its memory, and where they meet.
#pragma once
#include <map>
#include <memory>
#include <unordered_map>

#include "barriers.h"
#include "products.h"
#include "threads.h"
#include "warps.h"

namespace emulator {

struct Block {
    u32 x, y, rank;
    int alive = 0;
    std::vector<Thread> threads;
    std::deque<Thread*> ready;
    // Static shared memory is the kernel's own variables for the block that runs; here is that of the others.
    std::vector<u8> static_memory;
    u8* dynamic_memory = nullptr;
    std::vector<Warp> warps;
    std::vector<Warpgroup> warpgroups;
    NamedBarrier named_barriers[16];
    std::map<u32, Mbarrier> mbarriers;
    // Of chunks of 16 bytes: who wrote last, and after how many fences.
    struct Write {
        Thread* thread;
        u32 fences;
    };
    std::unordered_map<u32, Write> unfenced;
};

struct Cluster {
    std::vector<std::unique_ptr<Block>> blocks;
    ClusterBarrier barrier;
    u32 dynamic_bytes = 0;
};

extern Cluster cluster;

}  // namespace emulator
