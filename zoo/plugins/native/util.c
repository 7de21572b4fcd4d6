#include "kernels.h"

#include "cpu.h"

#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#endif

int64_t zoo_mul(int64_t a, int64_t b) {
    if (a < 0 || b < 0 || (a > 0 && b > INT64_MAX / a))
        return -1;
    return a * b;
}

int64_t zoo_sum(int64_t a, int64_t b) {
    if (a < 0 || b < 0 || a > INT64_MAX - b)
        return -1;
    return a + b;
}

void *zoo_alloc(int64_t bytes) {
    void *found = NULL;
    if (bytes < 0 || (uint64_t)bytes > (uint64_t)PTRDIFF_MAX - 64)
        return NULL;
    bytes = bytes < 64 ? 64 : (bytes + 63) / 64 * 64;
#ifdef _WIN32
    found = _aligned_malloc((size_t)bytes, 64);
#else
    if (posix_memalign(&found, 64, (size_t)bytes) != 0)
        found = NULL;
#endif
    return found;
}

void zoo_free(void *memory) {
#ifdef _WIN32
    _aligned_free(memory);
#else
    free(memory);
#endif
}

int64_t zoo_source(int64_t i, int64_t length, int pad_mode) {
    if (i >= 0 && i < length)
        return i;
    if (pad_mode == ZOO_PAD_EDGE)
        return i < 0 ? 0 : length - 1;
    if (pad_mode == ZOO_PAD_SYMMETRIC) { /* ... 1 0 | 0 1 ... n-1 | n-1 n-2 ... */
        int64_t folded = i % (2 * length);
        if (folded < 0)
            folded += 2 * length;
        return folded < length ? folded : 2 * length - 1 - folded;
    }
    if (pad_mode == ZOO_PAD_REFLECT && length > 1) { /* ... 2 1 | 0 1 ... n-1 | n-2 ... */
        int64_t period = 2 * length - 2, folded = i % period;
        if (folded < 0)
            folded += period;
        return folded < length ? folded : period - folded;
    }
    return pad_mode == ZOO_PAD_REFLECT ? 0 : -1;
}

const zoo_isa *zoo_isa_table(int level) {
    switch (level) {
    case ZOO_PORTABLE:
        return &zoo_isa_portable;
#ifdef ZOO_HAS_NEON
    case ZOO_NEON:
        return &zoo_isa_neon;
#endif
#ifdef ZOO_HAS_X86
    case ZOO_AVX2:
        return &zoo_isa_avx2;
    case ZOO_AVX512:
        return &zoo_isa_avx512;
#endif
#ifdef ZOO_HAS_AMX
    case ZOO_AMX:
        return &zoo_isa_amx;
#endif
    default:
        return NULL;
    }
}
