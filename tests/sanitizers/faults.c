/* Faults that tests/check_sanitizers.sh must see: never a part of the kernels. */
#include "threads.h"

#include <stdlib.h>

static void add_up(void *context, int64_t begin, int64_t end, int worker) {
    int64_t *sum = context;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        *sum += i; /* by every thread, without a lock */
}

void race(void) {
    int64_t sum = 0;
    for (int i = 0; i < 100; i++) /* a lock that threads slept on may hide one race */
        zoo_parallel_for(4, 4, 1, add_up, &sum);
}

void overflow(void) {
    volatile float *row = malloc(16 * sizeof *row);
    volatile int64_t column = 16;
    row[column] = 1;
    free((void *)row);
}
