#include "warps.h"

#include "block.h"

namespace emulator {

Gathering& gathering(u32 mask, const char* what) {
    Warp& warp = self->block->warps[self->index / kLanes];
    if (!(mask >> self->index % kLanes & 1)) fail("%s: the lane is not in its mask %#x", what, mask);
    for (Gathering& g : warp.gatherings) {
        if (g.mask != mask) continue;
        if (g.arrived != 0 && g.what != what) fail("lanes of a warp meet in different instructions: %s and %s", g.what, what);
        g.what = what;
        return g;
    }
    // A deque: those who wait keep their place.
    Gathering& g = warp.gatherings.emplace_back();
    g.mask = mask;
    g.what = what;
    return g;
}

}  // namespace emulator
