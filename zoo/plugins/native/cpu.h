/* Which instruction sets this processor and operating system can run. */
#ifndef ZOO_CPU_H
#define ZOO_CPU_H

#include <stdint.h>

enum zoo_isa_level {
    ZOO_PORTABLE = 0,
    ZOO_AVX2 = 1,    /* with FMA */
    ZOO_AVX512 = 2,  /* F, BW, DQ, VL */
    ZOO_AMX = 3,     /* tiles with bfloat16 products, on top of AVX-512 */
    ZOO_ISA_LEVELS = 4
};

/* Highest level whose instructions run here. */
int zoo_cpu_level(void);

/* Bytes of level-2 cache of one core; a guess where the system does not tell. */
int64_t zoo_l2_bytes(void);

#endif
