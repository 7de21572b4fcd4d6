/* Which instruction sets this processor and operating system can run. */
#ifndef ZOO_CPU_H
#define ZOO_CPU_H

#include "codes.h"

#include <stdint.h>

/* Highest level whose instructions run here. */
int zoo_cpu_level(void);

/* Bytes of level-2 cache of one core; a guess where the system does not tell. */
int64_t zoo_l2_bytes(void);

#endif
