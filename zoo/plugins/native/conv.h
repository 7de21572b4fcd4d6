/* What the files on convolutions share. */
#ifndef ZOO_CONV_H
#define ZOO_CONV_H

#include "kernels.h"

/* Rows of output that a Winograd algorithm makes together; 0 for the others. */
static inline int winograd_tile(int algorithm) {
    switch (algorithm) {
    case ZOO_WINOGRAD2:
        return 2;
    case ZOO_WINOGRAD4:
        return 4;
    case ZOO_WINOGRAD6:
        return 6;
    default:
        return 0;
    }
}

static inline int64_t round_up(int64_t value, int64_t step) {
    return (value + step - 1) / step * step;
}

/* Whether an algorithm multiplies tiles of bfloat16. */
static inline int on_tiles(int algorithm) {
    return algorithm == ZOO_AMX3 || algorithm == ZOO_AMX1;
}

/* Filters rounded up to whole panels; the last panel may be one vector wide. */
static inline int64_t panel_columns(const zoo_isa *isa, int64_t k) {
    int64_t full = k / isa->nr * isa->nr, rest = k - full;
    return full + (rest == 0 ? 0 : rest <= isa->lanes ? isa->lanes : isa->nr);
}

#endif
