/* Convolution on tiles of bfloat16 (amx_t.h): three products for one of floats, or one. */
#include "conv.h"

#include "cpu.h"
#include "threads.h"

#include <string.h>

enum { SHORTEST_SUM = 192 }; /* products in a sum that three bfloat16 products form */

/* Windows of some size would need too much converted input, few channels would be mostly
 * padding. */
static int fits(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s) {
    (void)self, (void)isa;
    return s->c / s->groups >= 8 && (s->kh - 1) * s->dh <= 64 &&
           (s->kw - 1) * s->dw <= 64 && s->sh <= 8 && s->sw <= 8 &&
           s->c / s->groups <= 1 << 16;
}

/* Sums of few products gain little on tiles, and would lose what float32 keeps: detectors
 * are chains of such, and each adds its part to the error. */
static int worth(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int bf16) {
    return isa->has_tiles && fits(self, isa, s) && bf16 == (self->planes == 1) &&
           (bf16 || s->kh * s->kw * (s->c / s->groups) >= SHORTEST_SUM);
}

/* Fitted as those of conv_winograd.c are, with which they are compared: of a product of
 * 16 x 16 x 32, which could take 16; of finishing 16 x 16 results; of converting a channel
 * of a pixel. */
static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    int64_t cg = s->c / s->groups, kg = s->k / s->groups;
    double products = self->planes == 2 ? 3 : 1, images = (double)s->n;
    double panels = (double)(s->groups * (round_up(kg, 16) / 16));
    double blocks = (double)(round_up(cg, 32) / 32), taps = (double)(s->kh * s->kw);
    double tiles = images * (double)s->oh * (double)((s->ow + 15) / 16);
    (void)isa;
    return tiles * panels * (taps * blocks * products * 25.5 + 314) +
           images * (double)s->h * (double)s->w * blocks * (double)s->groups * 32 *
               0.9 +
           (packed ? 0 : (double)cg * (double)s->k) * taps * 10;
}

/* -- weights: in the order that amx_t.h explains -------------------------------- */

/* Tiles of 256 floats' size. */
static int64_t packed_floats(const zoo_algorithm *self, const zoo_isa *isa,
                             const zoo_conv_shape *s) {
    int64_t cg = s->c / s->groups, kg = s->k / s->groups;
    (void)isa;
    return zoo_mul(
        zoo_mul(s->groups * (round_up(kg, 16) / 16), round_up(cg, 32) / 32 * 256),
        zoo_mul(zoo_mul(s->kh, s->kw), self->planes));
}

typedef struct {
    const zoo_conv_shape *s;
    int planes; /* hi, or hi and lo */
    const float *weights;
    float *packed;
} packing;

/* The nearest bfloat16. */
static uint16_t bfloat16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static float from_bfloat16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* 32 channels of 16 filters, or as many as there are: pairs of channels together. */
static void pack_tile(const float *w, int64_t apart, int64_t channels, int64_t filters,
                      int plane, uint16_t *to) {
    if (channels < 32 || filters < 16)
        memset(to, 0, 1024);
    for (int64_t c = 0; c < channels; c++, w += apart) {
        uint16_t *row = to + c / 2 * 32 + c % 2;
        for (int64_t k = 0; k < filters; k++) {
            uint16_t hi = bfloat16(w[k]);
            row[2 * k] = plane ? bfloat16(w[k] - from_bfloat16(hi)) : hi;
        }
    }
}

/* Units: groups, 32 filters each. */
static void pack_panels(void *context, int64_t begin, int64_t end, int worker) {
    const packing *p = context;
    const zoo_conv_shape *s = p->s;
    int64_t kg = s->k / s->groups, cg = s->c / s->groups, panels = (kg + 31) / 32;
    int64_t blocks = (cg + 31) / 32, columns = round_up(kg, 16);
    int64_t panel = s->kh * s->kw * blocks * 512 * p->planes; /* words, 16 filters */
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t g = unit / panels, k0 = unit % panels * 32;
        int64_t width = columns - k0 < 32 ? columns - k0 : 32;
        uint16_t *to = (uint16_t *)p->packed + (g * columns + k0) / 16 * panel;
        for (int64_t y = 0; y < s->kh; y++)
            for (int64_t b = 0; b < blocks; b++)
                for (int64_t x = 0; x < s->kw; x++)
                    for (int plane = 0; plane < p->planes; plane++)
                        for (int64_t k = k0; k < k0 + width; k += 16, to += 512) {
                            const float *from = p->weights + g * kg + k;
                            int64_t tap = y * s->kw + x, depth = cg - b * 32;
                            pack_tile(from + (tap * cg + b * 32) * s->k, s->k,
                                      depth < 32 ? depth : 32,
                                      kg - k < 16 ? kg - k : 16, plane, to);
                        }
    }
}

static void pack(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int threads, const float *weights, float *packed) {
    packing p = {s, self->planes, weights, packed};
    (void)isa;
    zoo_parallel_for(s->kh * s->kw * s->c * s->k < 16384 ? 1 : threads,
                     s->groups * ((s->k / s->groups + 31) / 32), 1, pack_panels, &p);
}

/* -- the work ------------------------------------------------------------------ */

/* Rows of output per unit at most; sets the columns. */
static int64_t most_rows(zoo_conv *p) {
    int64_t bytes = p->s.groups * p->depth_blocks * 64 * p->planes;
    int64_t most = zoo_l2_bytes() * 3 / 8 / bytes / (p->s.sh * p->s.sw);
    int64_t groups = most / 4 / 16, across; /* at least four rows, if there are */
    if (groups < 2)
        groups = 2;
    across = (p->tile_cols + groups - 1) / groups;
    p->block_groups = (p->tile_cols + across - 1) / across;
    most /= p->block_groups * 16;
    return most < 1 ? 1 : most;
}

static int64_t init(zoo_conv *p) {
    const zoo_conv_shape *s = &p->s;
    int64_t most, bytes;
    p->tile_cols = (s->ow + 15) / 16;
    p->kcols = round_up(p->kg, 16);
    p->depth_blocks = (p->cg + 31) / 32;
    p->line = p->tile_cols * 16;
    most = most_rows(p);
    most = most < s->oh ? most : s->oh;
    /* An odd number of columns: of a power of two, lines would share sets. */
    p->block_columns = ((p->block_groups * 16 - 1) * s->sw + (s->kw - 1) * s->dw + 1) | 1;
    p->block_span = (most - 1) * s->sh + (s->kh - 1) * s->dh + 1;
    bytes = zoo_mul(zoo_mul(p->block_columns, p->block_span),
                    s->groups * p->depth_blocks * 64 * p->planes);
    return zoo_sum(bytes, p->block_span + 4096 + 1024);
}

/* As many output pixels as keep the converted input in part of the level-2 cache, the
 * rest of which holds the weights of 32 filters. */
static void divide(zoo_conv *p, int64_t images, int64_t rows, int team) {
    int64_t most = most_rows(p), across, down = (rows + most - 1) / most;
    across = (p->tile_cols + p->block_groups - 1) / p->block_groups;
    while (down < rows && images * across * down % team)
        down++;
    p->block_rows = (rows + down - 1) / down;
    down = (rows + p->block_rows - 1) / p->block_rows;
    p->units = images * across * down;
}

static void part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch) {
    p->isa->conv_tiles(p, rows, begin, end, scratch);
}

#define ALGORITHM(PRODUCTS, PLANES)                                                          \
    const zoo_algorithm zoo_algorithm_amx##PRODUCTS = {                                       \
        .tile = 1,                                                                     \
        .planes = PLANES,                                                              \
        .shuffles = 1,                                                                 \
        .fits = fits,                                                                  \
        .worth = worth,                                                                \
        .cycles = cycles,                                                              \
        .packed = packed_floats,                                                       \
        .pack = pack,                                                                  \
        .init = init,                                                                  \
        .divide = divide,                                                              \
        .part = part,                                                                  \
    };
ALGORITHM(3, 2)
ALGORITHM(1, 1)
