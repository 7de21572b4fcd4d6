#ifndef ZOO_WINOGRAD_H
#define ZOO_WINOGRAD_H

#include <stdint.h>

/* The matrix G of F(m, 3): m + 2 rows. */
void zoo_winograd_matrix(int m, double g[8][3]);

/* The (m + 2)^2 transformed weights of one channel and one filter, whose nine
 * weights stand `apart` floats apart. */
void zoo_winograd_weights(int m, const double g[8][3], const float *w, int64_t apart,
                          float *u);

#endif
