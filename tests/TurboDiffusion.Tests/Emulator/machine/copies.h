// Copies that run beside the threads: cp.async in 16 bytes, and the copy engine's boxes of tensors.
#pragma once
#include <initializer_list>

#include "threads.h"

namespace emulator {

// cp.async; zeros where !valid.
void copy_16(u32 destination, const void* source, bool valid);
void copies_commit();
void copies_wait(int pending);

// What the emulator's tensor map has in its 128 bytes; EmulatedGpu.cs writes it.
struct Map {
    u64 mark, address;
    // Swizzle: 0 none, 1: 32 bytes, 2: 64, 3: 128.
    u8 rank, element_bytes, swizzle, unused;
    // Of the innermost dimension first; strides in bytes, from the second on.
    u32 box[5];
    u64 sizes[5];
    u64 strides[4];
};
static_assert(sizeof(Map) == 112);

constexpr u64 kMapMark = 0x70616d726f736e74;

// Copies a map's box at the coordinates to shared memory of each block of the bits, zeros outside; their barriers count its bytes.
// blocks 0: the own block.
void copy_tensor(u32 blocks, u32 destination, const void* map, std::initializer_list<int> at, u32 barrier);

// Copies a box of this block's shared memory to the map's tensor, but for what lies outside.
void store_tensor(const void* map, u32 source, std::initializer_list<int> at);
void stores_commit();
void stores_wait_read(int pending);

}  // namespace emulator
