// What threads write to shared memory is there for the copy engine and the tensor cores only once its writer has passed a fence. Known
// of the writes that are instructions of their own (stmatrix, st.shared).
#pragma once
#include "threads.h"

namespace emulator {

void written_by_thread(u32 address, u32 bytes);
void proxy_fence();

// 16 bytes, by an engine.
void read_by_engine(Block* block, u32 address);
void written_by_engine(Block* block, u32 address);

}  // namespace emulator
