// A cluster of thread blocks on one thread of the CPU: each GPU thread is a fiber with a stack of its own, which runs until it
// has to wait for others. So a run is the same every time, and one in which every thread waits is known to be stuck.
#pragma once
#include <csetjmp>
#include <deque>
#include <functional>
#include <vector>

#include "types.h"

namespace emulator {

struct Block;
struct Thread;

// Threads that wait for the same thing.
struct Queue {
    std::vector<Thread*> threads;
    void wake();
};

// What the copies and products of a thread need to know of it; see copies.h and products.h.
struct Group {
    std::vector<std::function<void()>> copies;
};

struct Thread {
    Block* block;
    int index;
    std::jmp_buf at;
    bool started = false, ended = false;
    const char* waits_for = "";
    u32 waits_at = 0;

    std::deque<Group> copy_groups, store_groups;
    Group open_group, open_store_group;
    u32 proxy_fences = 0;
    u64 products = 0;
    std::vector<u64> product_groups;
    bool registers_fenced = false;
    u32 cluster_phase = 0;
    bool arrived_at_cluster = false;
};

// What a launch is given.
struct Launch {
    u32 grid[2];
    u32 threads, cluster, dynamic_bytes;
    void (*kernel)(void**);
    void** arguments;
};

// The thread that runs.
extern Thread* self;

// Lets others run until the queue is woken. what and at say in an error what the thread waits for.
void park(Queue& queue, const char* what, u32 at = 0);

// Lets others run.
void yield();

// Ends the launch with a message.
[[noreturn]] __attribute__((format(printf, 1, 2))) void fail(const char* format, ...);

// Work of an engine beside the threads: now or as late as possible, by a coin that falls the same in every run, so that what
// relies on either shows.
void engine(std::function<void()> work);
bool coin();

// Runs all thread blocks; the error, empty where there is none.
const char* run(const Launch& launch);

}  // namespace emulator
