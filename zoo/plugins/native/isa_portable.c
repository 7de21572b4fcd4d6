/* The kernels in plain C: SSE2, NEON or whatever the compiler makes of vectors of
 * four, or of single floats where it knows no vectors. */
#if defined(__GNUC__) && !defined(ZOO_SCALAR)
#define VL 4
#else
#define VL 1
#endif
#define MR 4
#define ISA_NAME "portable C"
#define ISA_TABLE zoo_isa_portable
#include "isa_t.h"
