/* The kernels for AVX-512. */
#include "kernels.h"

#ifdef ZOO_HAS_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")
#endif
#include <immintrin.h>
#define ZOO_INTRINSICS 1

#define VL 16
#define MR 12 /* 24 sums, 2 of b; 12 addresses are what 16 integer registers hold */
#define ISA_NAME "AVX-512"
#define ISA_TABLE zoo_isa_avx512
#include "isa_t.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
