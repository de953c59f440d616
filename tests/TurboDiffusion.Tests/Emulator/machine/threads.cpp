#include "threads.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "block.h"
#include "cuda.h"
#include "shared_memory.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {

Thread* self;
Cluster cluster;

namespace {

constexpr size_t kStackBytes = 64 << 10, kPage = 4096;

const Launch* launch;
std::jmp_buf outside;
std::string error;
std::deque<std::function<void()>> late;
u32 coins;

// Stacks stay for later launches, a page that nobody may touch below each.
u8* stack_of(size_t index) {
    static std::vector<u8*> stacks;
    while (stacks.size() <= index) {
        void* memory = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) fail("no memory for a thread's stack");
        mprotect(memory, kPage, PROT_NONE);
        stacks.push_back(static_cast<u8*>(memory));
    }
    return stacks[index];
}

[[noreturn]] void go_on();

void enter() {
    launch->kernel(launch->arguments);
    if (self->products != 0 && self->block->warpgroups[self->index / kWarpgroupThreads].executed < self->products)
        fail("the thread ends before its products: wgmma.wait_group is missing");
    if (!self->store_groups.empty()) fail("the thread ends before the copy engine has read its boxes: cp.async.bulk.wait_group is missing");
    self->ended = true;
    self->block->alive--;
    barriers_after_exit(self->block);
    go_on();
}

[[noreturn]] void fail_stuck() {
    std::map<std::pair<std::string, u32>, std::vector<Thread*>> waiting;
    for (auto& block : cluster.blocks)
        for (Thread& thread : block->threads)
            if (!thread.ended) waiting[{thread.waits_for, thread.waits_at}].push_back(&thread);
    std::string all;
    for (auto& [what, threads] : waiting) {
        char line[256];
        snprintf(line, sizeof line, "\n  %zu at %s %#x, such as thread %d of block (%u, %u)", threads.size(), what.first.c_str(), what.second,
                 threads[0]->index, threads[0]->block->x, threads[0]->block->y);
        all += line;
    }
    fail("all threads wait:%s", all.c_str());
}

// The next thread that can run, of the same block first: another's static memory has to be brought.
Thread* next_ready() {
    if (self != nullptr && !self->block->ready.empty()) return self->block->ready.front();
    for (auto& block : cluster.blocks)
        if (!block->ready.empty()) return block->ready.front();
    return nullptr;
}

void go_on() {
    Thread* next;
    while ((next = next_ready()) == nullptr) {
        if (!late.empty()) {
            auto work = std::move(late.front());
            late.pop_front();
            work();
            continue;
        }
        int alive = 0;
        for (auto& block : cluster.blocks) alive += block->alive;
        if (alive > 0) fail_stuck();
        std::longjmp(outside, 1);
    }
    next->block->ready.pop_front();
    if (self == nullptr || next->block != self->block) bring_static_memory(self == nullptr ? nullptr : self->block, next->block);
    self = next;
    threadIdx = {static_cast<u32>(next->index), 0, 0};
    blockIdx = {next->block->x, next->block->y, 0};
    if (next->started) _longjmp(next->at, 1);
    next->started = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = stack_of(next->block->rank * launch->threads + next->index);
    context.uc_stack.ss_size = kStackBytes;
    context.uc_link = nullptr;
    makecontext(&context, enter, 0);
    setcontext(&context);
    __builtin_unreachable();
}

void start_block(u32 x, u32 y, u32 rank) {
    auto block = std::make_unique<Block>();
    block->x = x, block->y = y, block->rank = rank;
    block->alive = launch->threads;
    block->threads.resize(launch->threads);
    block->warps.resize((launch->threads + kLanes - 1) / kLanes);
    block->warpgroups.resize((launch->threads + kWarpgroupThreads - 1) / kWarpgroupThreads);
    start_memory(*block);
    for (u32 i = 0; i < launch->threads; i++) {
        block->threads[i].block = block.get();
        block->threads[i].index = i;
        // Every other thread block begins with its last thread.
        if ((x + y) % 2 == 0) block->ready.push_back(&block->threads[i]);
        else block->ready.push_front(&block->threads[i]);
    }
    cluster.blocks.push_back(std::move(block));
}

void run_cluster(u32 x, u32 y) {
    self = nullptr;
    late.clear();
    cluster = {};
    cluster.dynamic_bytes = launch->dynamic_bytes;
    for (u32 rank = 0; rank < launch->cluster; rank++) start_block(x + rank, y, rank);
    if (setjmp(outside) == 0) go_on();
}

void run_all() {
    error.clear();
    coins = 12345;
    blockDim = {launch->threads, 1, 1};
    gridDim = {launch->grid[0], launch->grid[1], 1};
    for (u32 y = 0; y < launch->grid[1] && error.empty(); y++)
        for (u32 x = 0; x < launch->grid[0] && error.empty(); x += launch->cluster) run_cluster(x, y);
    cluster = {};
}

}  // namespace

void Queue::wake() {
    for (Thread* thread : threads) thread->block->ready.push_back(thread);
    threads.clear();
}

__attribute__((noinline)) void park(Queue& queue, const char* what, u32 at) {
    queue.threads.push_back(self);
    self->waits_for = what;
    self->waits_at = at;
    if (_setjmp(self->at) == 0) go_on();
}

void yield() {
    Queue queue;
    queue.threads.push_back(self);
    queue.wake();
    if (_setjmp(self->at) == 0) go_on();
}

bool coin() {
    coins ^= coins << 13, coins ^= coins >> 17, coins ^= coins << 5;
    return coins & 1;
}

void engine(std::function<void()> work) {
    if (coin()) work();
    else late.push_back(std::move(work));
}

void fail(const char* format, ...) {
    char text[4096];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    char where[64] = "";
    if (self != nullptr) snprintf(where, sizeof where, "block (%u, %u), thread %d: ", self->block->x, self->block->y, self->index);
    error = where + std::string(text);
    _longjmp(outside, 1);
}

const char* run(const Launch& what) {
    launch = &what;
    // A thread that the .NET runtime knows nothing of, since its stack changes.
    std::thread(run_all).join();
    return error.c_str();
}

}  // namespace emulator
