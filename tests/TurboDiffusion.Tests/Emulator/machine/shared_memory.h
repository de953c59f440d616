// Shared memory, as the instructions address it: 32-bit numbers, static memory first, then dynamic. Above bit 24 is the thread
// block of the cluster, plus one; 0 is the own.
#pragma once
#include "threads.h"

namespace emulator {

struct Block;

// Fills it with what is no number in any format, so that reading what was not written shows.
void start_memory(Block& block);

// The static memory of a block becomes the kernel's variables.
void bring_static_memory(Block* from, Block* to);

u8* dynamic_memory();

// The address of a pointer of the kernel.
u32 shared_address_of(const void* pointer);

// The same place of a block of the cluster.
u32 map_shared(u32 address, u32 rank);

// The block of an address, and the address within it.
Block* shared_block(u32& address);

// Memory at an address of a block, of which so many bytes must exist.
u8* shared_memory(Block* block, u32 address, u32 bytes);
u8* shared_memory(u32 address, u32 bytes);

}  // namespace emulator
