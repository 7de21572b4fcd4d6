/* Winograd convolution F(m x m, 3 x 3), m = 2, 4, 6 (winograd_t.h). */
#include "conv.h"

#include "cpu.h"
#include "threads.h"
#include "winograd.h"

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

/* Rough cycles on one core, by m / 2: of a vector product in a loop that does two
 * per cycle; of transforming a vector of channels of one tile to and fro; of packing
 * the weights of one channel and filter. Fitted to 80 shapes, 16 to 256 channels and
 * 16 to 256 pixels a side, measured with AVX2: the choice by them takes 1.5 % longer
 * than the best on average and 13 % at most. */
static const struct {
    double product, in, out, pack;
} costs[] = {
    [1] = {1.1, 180, 220, 180},
    [2] = {1.1, 250, 275, 320},
    [3] = {1.3, 600, 600, 450},
};

static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    int m = self->tile, row = m / 2;
    double c = (double)s->c, k = (double)s->k, a = m + 2, tiles;
    double columns = (double)panel_columns(isa, s->k);
    tiles = (double)s->n * (double)((s->oh + m - 1) / m) * (double)((s->ow + m - 1) / m);
    return tiles * (a * a * c * columns * (costs[row].product / 2) + costs[row].in * c +
                    costs[row].out * k) /
               (double)isa->lanes +
           (packed ? 0 : c * k) * costs[row].pack;
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
    if (block < 48)
        block = 48;
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
