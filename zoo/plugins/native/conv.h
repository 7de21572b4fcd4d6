/* What the files on convolutions share: the table of algorithms, a file for each kind. */
#ifndef ZOO_CONV_H
#define ZOO_CONV_H

#include "kernels.h"

/* An algorithm. Those that differ by numbers alone share functions, which get `self`. */
typedef struct zoo_algorithm {
    int tile;   /* rows, and columns, of output made together: m of F(m x m, 3 x 3), or 1 */
    int planes; /* bfloat16 numbers that stand for a float; 0 for those on floats */
    int plain;  /* direct, or a special case that takes its place for some shapes */
    int shuffles; /* results can go where a pixel shuffle would put them */
    /* Whether it can do a shape, and whether "auto" weighs it there (NULL if plain). */
    int (*fits)(const struct zoo_algorithm *self, const zoo_isa *isa,
                const zoo_conv_shape *s);
    int (*worth)(const struct zoo_algorithm *self, const zoo_isa *isa,
                 const zoo_conv_shape *s, int bf16);
    /* Rough time on one core; packed: the weights are. */
    double (*cycles)(const struct zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed);
    /* Floats of the packed weights, or -1 on overflow; and to fill them. */
    int64_t (*packed)(const struct zoo_algorithm *self, const zoo_isa *isa,
                      const zoo_conv_shape *s);
    void (*pack)(const struct zoo_algorithm *self, const zoo_isa *isa,
                 const zoo_conv_shape *s, int threads, const float *weights,
                 float *packed);
    /* Set what zoo_conv_init leaves to it; the bytes that one worker needs, or -1 on
     * overflow. */
    int64_t (*init)(zoo_conv *p);
    /* Set the units for p->tile_rows rows of tiles. */
    void (*divide)(zoo_conv *p, int64_t images, int64_t rows, int team);
    void (*part)(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch);
} zoo_algorithm;

extern const zoo_algorithm zoo_algorithm_direct, zoo_algorithm_dot, zoo_algorithm_depthwise;
extern const zoo_algorithm zoo_algorithm_winograd2, zoo_algorithm_winograd4, zoo_algorithm_winograd6;
extern const zoo_algorithm zoo_algorithm_amx3, zoo_algorithm_amx1;

/* Of a number of enum zoo_algorithm; NULL for those that leave the choice. */
const zoo_algorithm *zoo_algorithm_of(int algorithm);

/* Of conv_direct.c, for its relatives: cycles where a pixel takes so many products of a
 * vector, pixels per unit, and units of one size for all threads, none larger than
 * p->block. */
double zoo_direct_cycles(const zoo_isa *isa, const zoo_conv_shape *s, int packed,
                         double columns);
int64_t zoo_direct_block(const zoo_conv *p);
void zoo_divide_evenly(zoo_conv *p, int64_t images, int64_t rows, int team);

static inline int64_t round_up(int64_t value, int64_t step) {
    return (value + step - 1) / step * step;
}

/* Filters rounded up to whole panels; the last panel may be one vector wide. */
static inline int64_t panel_columns(const zoo_isa *isa, int64_t k) {
    int64_t full = k / isa->nr * isa->nr, rest = k - full;
    return full + (rest == 0 ? 0 : rest <= isa->lanes ? isa->lanes : isa->nr);
}

#endif
