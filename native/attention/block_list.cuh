// What attention reads of a list of key blocks.
#pragma once

struct __align__(16) BlockEntry {
    int block;
    int users;  // bit 0 for the first query block of a pair, bit 1 for the second
    float key_scale, value_scale;
};
