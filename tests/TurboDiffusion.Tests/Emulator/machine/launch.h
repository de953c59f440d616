// What a kernel's source becomes a library with: EMULATED_KERNEL(name, threads of its launch bounds, blocks of its cluster).
#pragma once
#include <type_traits>
#include <utility>

#include "ptx_sm90.h"
#include "ptx.cuh"

#undef DYNAMIC_SHARED
#define DYNAMIC_SHARED(name) u8* name = emulator::dynamic_memory()

namespace emulator {

// Arguments come as addresses, as in cuLaunchKernel.
template <class... Parameters, size_t... Index>
void call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<Index...>) {
    kernel(*static_cast<std::remove_cv_t<Parameters>*>(arguments[Index])...);
}

template <class... Parameters>
void call(void (*kernel)(Parameters...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Parameters...>());
}

}  // namespace emulator

#define EMULATED_KERNEL(name, bound, blocks)                                                                                       \
    extern "C" __attribute__((visibility("default"))) const char* launch(u32 x, u32 y, u32 threads, u32 bytes, void** arguments) { \
        if (threads > static_cast<u32>(bound)) return "more threads than the launch bounds say";                                   \
        if (x % (blocks) != 0) return "the grid is no multiple of the cluster";                                                    \
        return emulator::run({{x, y}, threads, blocks, bytes, [](void** given) { emulator::call(name, given); }, arguments});       \
    }
