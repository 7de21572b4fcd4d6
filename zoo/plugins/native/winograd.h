#ifndef ZOO_WINOGRAD_H
#define ZOO_WINOGRAD_H

#include <stdint.h>

/* The matrix G of F(m, 3): m + 2 rows. */
void zoo_winograd_matrix(int m, double g[8][3]);

/* Transformed weights of one channel and `count` filters, of which `real` exist (the
 * others are zeros): the nine weights of each stand `apart` floats apart, its
 * (m + 2)^2 results u_apart. */
void zoo_winograd_weights(int m, const double g[8][3], const float *w, int64_t apart,
                          int64_t real, int64_t count, float *u, int64_t u_apart);

#endif
