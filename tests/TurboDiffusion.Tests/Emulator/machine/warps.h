// What the lanes of a warp do together.
#pragma once
#include <deque>

#include "threads.h"

namespace emulator {

// Lanes that have come to the same instruction, each with what it brings.
struct Gathering {
    u32 mask = 0, arrived = 0;
    const char* what = nullptr;
    void* brought[kLanes];
    Queue waiting;
};

struct Warp {
    std::deque<Gathering> gatherings;
};

// The gathering of this warp's lanes of the mask at the instruction.
Gathering& gathering(u32 mask, const char* what);

// All lanes of the mask come here; the last one does the action on what each of them brought, as one instruction.
template <class Lane, class Action>
void together(u32 mask, const char* what, Lane& lane, Action action) {
    Gathering& g = gathering(mask, what);
    u32 number = self->index % kLanes;
    g.arrived |= 1u << number;
    g.brought[number] = &lane;
    if (g.arrived != mask) return park(g.waiting, what);
    action(reinterpret_cast<Lane* const*>(g.brought));
    g.arrived = 0;
    g.waiting.wake();
}

}  // namespace emulator
