/* The kernels for AArch64, which always has NEON (Advanced SIMD). */
#include "kernels.h"

#ifdef ZOO_HAS_NEON
#include <arm_neon.h>
#define ZOO_INTRINSICS 1

#define VL 4
#define MR 12 /* 32 registers: 24 sums, 2 of b, 1 of a */
#define ISA_NAME "NEON"
#define ISA_TABLE zoo_isa_neon
#include "isa_t.h"
#endif
