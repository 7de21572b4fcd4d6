/* The kernels in plain C: SSE2, NEON or whatever the compiler makes of vectors of
 * four, or of single floats where it knows no vectors. */
#if defined(__GNUC__) && !defined(ZOO_SCALAR)
#define VL 4
#else
#define VL 1
#endif
#if defined(__aarch64__)
#define MR 8 /* 32 registers */
#else
#define MR 4
#endif
#define ISA_NAME "portable C"
#define ISA_TABLE zoo_isa_portable
#include "isa_t.h"
