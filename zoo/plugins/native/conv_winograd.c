/* Winograd convolution F(m x m, 3 x 3), m = 2, 4, 6 (winograd_t.h). */
#include "conv.h"

#include "cpu.h"
#include "threads.h"
#include "winograd.h"

/* Tiles per unit at least, if there are. */
#define FEW_TILES 48

static int fits(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s) {
    (void)self, (void)isa;
    return s->kh == 3 && s->kw == 3 && s->sh == 1 && s->sw == 1 && s->dh == 1 &&
           s->dw == 1 && s->groups == 1;
}

static int worth(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int bf16) {
    (void)bf16;
    return fits(self, isa, s) && s->c >= 16 && s->k >= 16;
}

/* Rough cycles of 2.6 GHz on one core: of a vector product in a loop that could do two per
 * cycle, of transforming a vector of channels of one tile to or fro, and of packing the
 * weights of one channel and filter. Fitted to 33 shapes, 16 to 256 channels, 32 to 192
 * and 64 to 256, 24 to 256 pixels a side, that benchmarks/algorithms.py measured on a
 * Xeon with AMX: the choice by them takes 1.8 % longer than the best on average and 14 % at
 * most (of 24 x 24 pixels) with AVX-512, 1.1 and 11 % with AVX2, 1.2 and 6 % portably. */
typedef struct {
    double product, transform, pack;
} costs;

static const costs *costs_of(const zoo_isa *isa, int m) {
    static const costs portable[] = {{1.27, 61, 180}, {1.44, 164, 320}, {1.68, 354, 450}};
    static const costs of8[] = {{0.95, 62, 180}, {1.31, 172, 320}, {1.93, 267, 450}};
    static const costs of16[] = {{1.22, 112, 180}, {1.84, 291, 320}, {2.71, 441, 450}};
    return (isa->lanes == 16 ? of16 : isa->lanes == 8 ? of8 : portable) + m / 2 - 1;
}

/* The rows that the products of `tiles` tiles take, those that fill up the units too. The
 * same on every machine, whatever its cache: the choice decides the last bit. */
static int64_t product_rows(const zoo_isa *isa, int64_t tiles) {
    int64_t block = tiles / 8 < FEW_TILES ? tiles / 8 : FEW_TILES, units, rest;
    block = round_up(block < 1 ? 1 : block, isa->mr);
    units = (tiles + block - 1) / block;
    block = round_up((tiles + units - 1) / units, isa->mr);
    units = (tiles + block - 1) / block;
    rest = tiles - (units - 1) * block;
    return (units - 1) * block + round_up(rest, isa->mr);
}

static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    const costs *cost = costs_of(isa, self->tile);
    int64_t m = self->tile, tiles = s->n * ((s->oh + m - 1) / m) * ((s->ow + m - 1) / m);
    double c = (double)s->c, k = (double)s->k, a = (double)m + 2;
    double products = (double)product_rows(isa, tiles) * a * a * c *
                      (double)panel_columns(isa, s->k);
    return (products * (cost->product / 2) + (double)tiles * (c + k) * cost->transform) /
               (double)isa->lanes +
           (packed ? 0 : c * k) * cost->pack;
}

/* -- weights: by position, panel and channel; filters of the panel -------------- */

static int64_t packed_floats(const zoo_algorithm *self, const zoo_isa *isa,
                             const zoo_conv_shape *s) {
    int64_t a = self->tile + 2;
    return zoo_mul(a * a, zoo_mul(s->c, panel_columns(isa, s->k)));
}

typedef struct {
    const zoo_isa *isa;
    const zoo_conv_shape *s;
    int m;
    double g[8][3];
    const float *weights;
    float *packed;
} packing;

/* Units: channels. */
static void pack_channels(void *context, int64_t begin, int64_t end, int worker) {
    const packing *p = context;
    const zoo_conv_shape *s = p->s;
    int64_t nr = p->isa->nr, kcols = panel_columns(p->isa, s->k);
    (void)worker;
    for (int64_t c = begin; c < end; c++)
        for (int64_t k = 0; k < kcols; k += nr) {
            int64_t width = kcols - k < nr ? kcols - k : nr;
            zoo_winograd_weights(p->m, p->g, p->weights + c * s->k + k, s->c * s->k,
                                 s->k - k < width ? s->k - k : width, width,
                                 p->packed + k * s->c + c * width, kcols * s->c);
        }
}

static void pack(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int threads, const float *weights, float *packed) {
    packing p = {.isa = isa, .s = s, .m = self->tile, .weights = weights, .packed = packed};
    zoo_winograd_matrix(p.m, p.g);
    zoo_parallel_for(s->c * s->k < 4096 ? 1 : threads, s->c, 1, pack_channels, &p);
}

/* -- the work ------------------------------------------------------------------ */

/* Tiles per unit: many enough to use the packed weights often, few enough that
 * transformed tiles stay in the level-2 cache, and enough units for all threads. */
static int64_t most_tiles(const zoo_conv *p) {
    int64_t mr = p->isa->mr, a2 = (p->tile + 2) * (p->tile + 2);
    int64_t bytes = a2 * (p->s.c + p->kcols) * 4;
    int64_t block = zoo_l2_bytes() * 3 / 4 / bytes, total = p->tile_rows * p->tile_cols;
    if (block < FEW_TILES)
        block = FEW_TILES;
    if (block > 128)
        block = 128;
    if (block > total / 8)
        block = total / 8;
    return round_up(block < 1 ? 1 : block, mr);
}

static int64_t init(zoo_conv *p) {
    int64_t a = p->tile + 2;
    p->span = a;
    p->kcols = panel_columns(p->isa, p->s.k);
    p->line = p->tile_cols * p->tile;
    p->block = most_tiles(p);
    return zoo_mul(
        a * a * 4,
        zoo_sum(zoo_mul(p->block, round_up(p->s.c, p->isa->lanes) + p->kcols), 32));
}

static void part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch) {
    p->isa->winograd[p->tile / 2 - 1](p, rows, begin, end, scratch);
}

#define ALGORITHM(M)                                                                         \
    const zoo_algorithm zoo_algorithm_winograd##M = {                                         \
        .tile = M,                                                                     \
        .shuffles = 1,                                                                 \
        .fits = fits,                                                                  \
        .worth = worth,                                                                \
        .cycles = cycles,                                                              \
        .packed = packed_floats,                                                       \
        .pack = pack,                                                                  \
        .init = init,                                                                  \
        .divide = zoo_divide_evenly,                                                   \
        .part = part,                                                                  \
    };
ALGORITHM(2)
ALGORITHM(4)
ALGORITHM(6)
