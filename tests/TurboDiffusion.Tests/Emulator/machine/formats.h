// The number formats of the tensor cores.
#pragma once
#include <cmath>

#include "cuda.h"

namespace emulator {

// Round to nearest even; the upper half of a float32.
inline u32 to_bf16(float value) {
    u32 bits = bits_of<u32>(value);
    if (std::isnan(value)) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Round to nearest even, to ±448 at most: 4 bits of exponent with a bias of 7, 3 of mantissa, no infinity.
inline u32 to_e4m3(float value) {
    u32 sign = std::signbit(value) ? 0x80 : 0;
    if (std::isnan(value)) return 0x7f;
    float magnitude = std::fabs(value);
    if (magnitude >= 448.0f) return sign | 0x7e;
    // Steps of an eighth of the power of two below, or of the smallest normal number's.
    int exponent = magnitude < 0x1p-6f ? -6 : std::ilogb(magnitude);
    u32 steps = static_cast<u32>(std::nearbyint(std::ldexp(magnitude, 3 - exponent)));
    // 8 to 15 steps, with the leading one that the code does not have; 16 are 8 of the next exponent.
    u32 code = (exponent + 7 - 1) * 8 + steps;
    return sign | (code > 0x7e ? 0x7e : code);
}

inline float from_e4m3(u8 code) {
    int exponent = code >> 3 & 15, mantissa = code & 7;
    if ((code & 0x7f) == 0x7f) return NAN;
    float magnitude = exponent == 0 ? std::ldexp(mantissa / 8.0f, -6) : std::ldexp(1 + mantissa / 8.0f, exponent - 7);
    return code & 0x80 ? -magnitude : magnitude;
}

// Elements of operands: how many of 32 bytes there are, and each as a float32, exactly.
struct Int8 {
    static constexpr int kElements = 32;
    static float at(const u8* bytes, int i) { return static_cast<i8>(bytes[i]); }
};

struct E4m3 {
    static constexpr int kElements = 32;
    static float at(const u8* bytes, int i) {
        static const struct Table {
            float values[256];
            Table() { for (int code = 0; code < 256; code++) values[code] = from_e4m3(static_cast<u8>(code)); }
        } table;
        return table.values[bytes[i]];
    }
};

struct Bf16 {
    static constexpr int kElements = 16;
    static float at(const u8* bytes, int i) { return bits_of<float>(static_cast<u32>(bytes[2 * i] | bytes[2 * i + 1] << 8) << 16); }
};

}  // namespace emulator
