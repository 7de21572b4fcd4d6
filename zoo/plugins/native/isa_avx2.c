/* The kernels for AVX2+FMA. */
#include "kernels.h"

#ifdef ZOO_HAS_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#include <immintrin.h>
#define ZOO_INTRINSICS 1

#define VL 8
#define MR 6 /* 16 registers: 12 sums, 2 of b, 1 of a */
#define ISA_NAME "AVX2+FMA"
#define ISA_TABLE zoo_isa_avx2
#include "isa_t.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
