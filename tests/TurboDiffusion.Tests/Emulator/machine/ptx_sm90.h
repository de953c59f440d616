// As ptx.h, of Hopper.
#pragma once
#include "ptx.h"

struct TensorMap;

inline void mbarrier_init(u32 barrier, int arrivals) { emulator::mbarrier_start(barrier, arrivals); }
inline void mbarrier_init_fence() { emulator::mbarriers_known(); }
inline void mbarrier_arrive(u32 barrier) { emulator::mbarrier_arrival(barrier, 0); }
inline void mbarrier_arrive_expect(u32 barrier, u32 bytes) { emulator::mbarrier_arrival(barrier, bytes); }
inline void mbarrier_wait(u32 barrier, u32 parity) { emulator::mbarrier_wait_phase(barrier, parity); }
inline void mbarrier_arrive_at(u32 barrier, u32 block) { emulator::mbarrier_arrival(emulator::map_shared(barrier, block), 0); }

inline void prefetch_map(const TensorMap*) {}
inline void prefetch_l2(const void* address, u32 bytes) {
    if (reinterpret_cast<u64>(address) % 16 != 0 || bytes % 16 != 0) emulator::fail("a prefetch of %u bytes at %p", bytes, address);
}
inline void copy_box(u32 destination, const TensorMap* map, int column, int row, u32 barrier) {
    emulator::copy_tensor(0, destination, map, {column, row}, barrier);
}
inline void copy_box(u32 destination, const TensorMap* map, int column, int row, int plane, u32 barrier) {
    emulator::copy_tensor(0, destination, map, {column, row, plane}, barrier);
}
inline void copy_box_to(u16 blocks, u32 destination, const TensorMap* map, int column, int row, u32 barrier) {
    emulator::copy_tensor(blocks, destination, map, {column, row}, barrier);
}

inline void store_box(const TensorMap* map, u32 source, int column, int row) { emulator::store_tensor(map, source, {column, row}); }
inline void store_box_commit() { emulator::stores_commit(); }
template <int Pending>
void store_box_wait_read() { emulator::stores_wait_read(Pending); }
inline void fence_async_proxy() { emulator::proxy_fence(); }

inline void cluster_arrive() { emulator::cluster_barrier_arrive(); }
inline void cluster_wait() { emulator::cluster_barrier_wait(); }
inline float2 load_from(int block, const float2* place) {
    float2 value;
    memcpy(&value, emulator::shared_memory(emulator::map_shared(emulator::shared_address_of(place), block), sizeof value), sizeof value);
    return value;
}

inline void wgmma_fence() { emulator::warpgroup_fence(); }
inline void wgmma_commit() { emulator::warpgroup_commit(); }
template <int Pending, class Sum, int Count>
void wgmma_wait(Sum (&)[Count]) { emulator::warpgroup_wait(Pending); }
template <int Pending>
void wgmma_wait_pending() {
    emulator::warpgroup_wait(Pending);
}
template <int Count>
void wgmma_s8(int (&d)[Count], u64 a, u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::Int8, 2 * Count, d, nullptr, a, b, accumulate);
}
template <int Count>
void wgmma_s8(int (&d)[Count], const u32 (&a)[4], u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::Int8, 2 * Count, d, a, 0, b, accumulate);
}
template <int Count>
void wgmma_fp8(float (&d)[Count], const u32 (&a)[4], u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::E4m3, 2 * Count, d, a, 0, b, accumulate);
}
template <int Count>
void wgmma_bf16(float (&d)[Count], u64 a, u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::Bf16, 2 * Count, d, nullptr, a, b, accumulate);
}
template <int Count>
void wgmma_bf16(float (&d)[Count], const u32 (&a)[4], u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::Bf16, 2 * Count, d, a, 0, b, accumulate);
}
template <int Count>
void wgmma_bf16_rows(float (&d)[Count], const u32 (&a)[4], u64 b, int accumulate) {
    emulator::warpgroup_product(emulator::Format::Bf16, 2 * Count, d, a, 0, b, accumulate, true);
}

template <int Registers>
void release_registers() {}
template <int Registers>
void claim_registers() {}
