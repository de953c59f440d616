// The functions of the kernels' headers that are inline assembly, by the same names: of sm_80 and later. What each does is said there.
#pragma once
#include "copies.h"
#include "cuda.h"
#include "formats.h"
#include "products.h"
#include "proxies.h"

inline u32 pack_bf16(float low, float high) { return emulator::to_bf16(low) | emulator::to_bf16(high) << 16; }
inline u32 max_bf16(u32 a, u32 b) {
    auto larger = [](u32 x, u32 y) { return emulator::bits_of<float>(x << 16) >= emulator::bits_of<float>(y << 16) ? x & 0xffff : y & 0xffff; };
    return larger(a, b) | larger(a >> 16, b >> 16) << 16;
}
inline u32 pack_fp8(float low, float high) { return emulator::to_e4m3(low) | emulator::to_e4m3(high) << 8; }
inline u32 add_bytes(u32 bytes, u32 sum) { return sum + (bytes & 255) + (bytes >> 8 & 255) + (bytes >> 16 & 255) + (bytes >> 24); }
inline float tanh_fast(float x) { return tanhf(x); }

inline float exp2_fast(float x) {
    float y = exp2f(x);
    return y < 1.17549435e-38f ? 0.0f : y;
}

template <int Threads>
void named_barrier_sync(int barrier) { emulator::barrier_sync(barrier, Threads); }
template <int Threads>
void named_barrier_arrive(int barrier) { emulator::barrier_arrive(barrier, Threads); }

inline void cp_async_16(u32 destination, const void* source, bool valid) { emulator::copy_16(destination, source, valid); }
inline void cp_async_commit() { emulator::copies_commit(); }
template <int Pending>
void cp_async_wait() { emulator::copies_wait(Pending); }

namespace emulator {

struct MatrixLane {
    u32 address;
    u32* registers;
};

// ldmatrix: the rows of matrix i are at the addresses of lanes 8 · i … + 7.
inline void load_matrices(u32 (&r)[4], u32 address, bool transposed) {
    if (address % 16 != 0) fail("ldmatrix at %#x, which is no multiple of 16", address);
    MatrixLane mine = {address, r};
    together(0xffffffffu, "ldmatrix", mine, [transposed](MatrixLane* const* lanes) {
        for (int matrix = 0; matrix < 4; matrix++) {
            u16 elements[8][8];
            for (int row = 0; row < 8; row++) memcpy(elements[row], shared_memory(lanes[matrix * 8 + row]->address, 16), 16);
            for (int lane = 0; lane < kLanes; lane++) {
                int row = lane / 4, column = lane % 4 * 2;
                u16 low = transposed ? elements[column][row] : elements[row][column];
                u16 high = transposed ? elements[column + 1][row] : elements[row][column + 1];
                lanes[lane]->registers[matrix] = low | static_cast<u32>(high) << 16;
            }
        }
    });
}

// stmatrix, the inverse.
inline void store_matrices(u32 address, const u32 (&r)[4]) {
    if (address % 16 != 0) fail("stmatrix at %#x, which is no multiple of 16", address);
    written_by_thread(address, 16);
    MatrixLane mine = {address, const_cast<u32*>(r)};
    together(0xffffffffu, "stmatrix", mine, [](MatrixLane* const* lanes) {
        for (int matrix = 0; matrix < 4; matrix++)
            for (int lane = 0; lane < kLanes; lane++)
                memcpy(shared_memory(lanes[matrix * 8 + lane / 4]->address, 16) + lane % 4 * 4, &lanes[lane]->registers[matrix], 4);
    });
}

}  // namespace emulator

inline void ldmatrix_x4(u32 (&r)[4], u32 address) { emulator::load_matrices(r, address, false); }
inline void ldmatrix_x4_transposed(u32 (&r)[4], u32 address) { emulator::load_matrices(r, address, true); }
inline void stmatrix_x4(u32 address, const u32 (&r)[4]) { emulator::store_matrices(address, r); }
inline void store_shared(u32 address, u32 word) {
    memcpy(emulator::shared_memory(address, 4), &word, 4);
    emulator::written_by_thread(address, 4);
}
inline void mma_s8(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) { emulator::warp_product(emulator::Format::Int8, d, a, b0, b1); }
inline void mma_bf16(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) { emulator::warp_product(emulator::Format::Bf16, d, a, b0, b1); }
