/* The kernels for AMX: convolutions on tiles, everything else as for AVX-512. */
#include "kernels.h"

#ifdef ZOO_HAS_AMX
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,amx-tile,amx-bf16"))), \
                             apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,amx-tile,amx-bf16")
#endif
#include <immintrin.h>
#define ZOO_INTRINSICS 1
#define ZOO_AMX 1

#define VL 16
#define MR 12 /* 24 sums, 2 of b; 12 addresses are what 16 integer registers hold */
#define ISA_NAME "AMX+AVX-512"
#define ISA_TABLE zoo_isa_amx
#include "isa_t.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
