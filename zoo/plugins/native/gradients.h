/* Gradients and updates of whole arrays; 0, or -1 where memory is short. */
#ifndef ZOO_GRADIENTS_H
#define ZOO_GRADIENTS_H

#include "kernels.h"

/* Of the weights (kh x kw x cg x k) and the biases (k; or NULL) of a convolution;
 * delta: n x oh x ow x k. algorithm: of enum zoo_algorithm_number, ZOO_AUTO for the
 * fastest; what it cannot do is done directly. */
int zoo_conv2d_gradient(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                        int algorithm, const float *x, const float *delta, float *dw,
                        float *db);

/* The same for F(m x m, 3 x 3); of rows, out holds the rows of delta. 1 if a
 * result is not finite and must be computed directly. */
int zoo_winograd_gradient(const zoo_conv *conv, int m, int threads, const zoo_rows *rows,
                          float *dw, float *db);

int zoo_column_sums(const zoo_isa *isa, int threads, int64_t rows, int64_t cols,
                    const float *x, float *sums);

/* out = delta f'(x), f = f(x); x is read for the kinds whose derivative takes it
 * (ZOO_SLOPE, ZOO_SWISH, ZOO_MISH, ZOO_GELU, ZOO_HARD_MISH) and may be f for the
 * others. Of ZOO_SLOPE the slope, or one per channel. out may be delta. */
void zoo_activation_gradient(const zoo_isa *isa, int threads, int kind, float slope,
                             const float *slopes, int64_t pixels, int64_t channels,
                             const float *x, const float *f, const float *delta,
                             float *out);

/* By the slopes of prelu: sums over pixels of delta min(x, 0). */
int zoo_slopes_gradient(const zoo_isa *isa, int threads, int64_t pixels,
                        int64_t channels, const float *x, const float *delta,
                        float *sums);

/* The largest of each window, and the number of its first cell in row-major order; -1
 * where a window holds nothing. */
int zoo_max_pool_places(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                        const float *x, float *y, int32_t *places);
/* To the cells that were found. */
int zoo_max_pool_gradient(int threads, const zoo_pool_shape *s, const int32_t *places,
                          const float *delta, float *dx);
int zoo_average_pool_gradient(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                              const float *delta, float *dx);

/* By channel, over pixels: sums of (a - shift), and of (a - shift) (b - mean). */
int zoo_channel_sums(const zoo_isa *isa, int threads, int64_t pixels, int64_t channels,
                     const float *a, const float *shift, const float *b,
                     const float *mean, double *sums, double *products);

/* out = (x - mean) factor + offset, + delta by unless delta is NULL; by channel. */
void zoo_normalize(const zoo_isa *isa, int threads, int64_t pixels, int64_t channels,
                   const float *x, const float *mean, const float *factor,
                   const float *offset, const float *delta, const float *by,
                   float *out);

/* x: outer x length x inner to y: outer x results x inner. Result o is the sum of
 * weights[i] x[places[i]] for i from starts[o] to starts[o + 1]. */
void zoo_resample(const zoo_isa *isa, int threads, int64_t outer, int64_t length,
                  int64_t results, int64_t inner, const int64_t *starts,
                  const int64_t *places, const float *weights, const float *x, float *y);

/* `width` channels of every pixel; pixels stand `apart` floats apart. */
void zoo_copy_channels(int threads, int64_t pixels, int64_t width, const float *from,
                       int64_t from_apart, float *to, int64_t to_apart);

/* Adam in one pass over the parameters p, their moments m and v, and gradients g; see
 * zoo/train/optimizers.py. rate: divided by 1 - beta1^t; unbias: 1 / (1 - beta2^t);
 * rest1, rest2: 1 - beta. */
void zoo_adam_step(const zoo_isa *isa, int threads, const zoo_adam *a, int64_t n,
                   float *p, float *m, float *v, const float *g);

#endif
