/* Direct convolution: an implicit matrix product over taps and channels (conv_t.h). */
#include "conv.h"

#include "threads.h"

#include <string.h>

/* Channels beyond which a loop over them is long enough by itself. */
#define MOST_ROW_TAPS 64

static int fits(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s) {
    (void)self, (void)isa, (void)s;
    return 1;
}

/* In cycles like those of conv_winograd.c. */
double zoo_direct_cycles(const zoo_isa *isa, const zoo_conv_shape *s, int packed,
                         double columns) {
    double product = isa->lanes == 16 ? 1.16 : isa->lanes == 8 ? 0.86 : 1.31;
    double taps = (double)(s->kh * s->kw), depth = taps * (double)(s->c / s->groups);
    return (double)s->n * (double)s->oh * (double)s->ow * depth * columns * product / 2 /
               (double)isa->lanes +
           (packed ? 0 : depth * (double)s->k / 9 * 50);
}

static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    int64_t columns = s->groups * panel_columns(isa, s->k / s->groups);
    (void)self;
    return zoo_direct_cycles(isa, s, packed, (double)columns);
}

/* -- weights: by group and panel; taps, channels, filters of the panel --------- */

static int64_t packed_floats(const zoo_algorithm *self, const zoo_isa *isa,
                             const zoo_conv_shape *s) {
    int64_t depth = zoo_mul(zoo_mul(s->kh, s->kw), s->c / s->groups);
    (void)self;
    return zoo_mul(depth, zoo_mul(s->groups, panel_columns(isa, s->k / s->groups)));
}

typedef struct {
    const zoo_isa *isa;
    const zoo_conv_shape *s;
    const float *weights;
    float *packed;
} packing;

/* Units: group by group, panel by panel. */
static void pack_panels(void *context, int64_t begin, int64_t end, int worker) {
    const packing *p = context;
    const zoo_conv_shape *s = p->s;
    int64_t kg = s->k / s->groups, depth = s->kh * s->kw * (s->c / s->groups);
    int64_t panels = (kg + p->isa->nr - 1) / p->isa->nr, kcols = panel_columns(p->isa, kg);
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t g = unit / panels, k = unit % panels * p->isa->nr;
        int64_t width = kcols - k < p->isa->nr ? kcols - k : p->isa->nr;
        int64_t real = kg - k < width ? kg - k : width;
        float *to = p->packed + (g * kcols + k) * depth;
        const float *from = p->weights + g * kg + k;
        for (int64_t i = 0; i < depth; i++, to += width, from += s->k) {
            memcpy(to, from, (size_t)real * sizeof *to);
            memset(to + real, 0, (size_t)(width - real) * sizeof *to);
        }
    }
}

static void pack(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int threads, const float *weights, float *packed) {
    packing p = {isa, s, weights, packed};
    int64_t panels = (s->k / s->groups + isa->nr - 1) / isa->nr * s->groups;
    (void)self;
    zoo_parallel_for(s->kh * s->kw * s->c * s->k < 65536 ? 1 : threads, panels, 1,
                     pack_panels, &p);
}

/* -- the work ------------------------------------------------------------------ */

int64_t zoo_direct_block(const zoo_conv *p) {
    int64_t mr = p->isa->mr, total = p->tile_rows * p->s.ow;
    int64_t block = 16 * mr;
    if (block > total / 8)
        block = total / 8;
    return round_up(block < 1 ? 1 : block, mr);
}

static int64_t init(zoo_conv *p) {
    const zoo_conv_shape *s = &p->s;
    int64_t taps = s->kh * s->kw, scratch;
    p->kcols = panel_columns(p->isa, p->kg);
    p->im2col = s->groups == 1 && s->c < 8 && taps > 1;
    p->row_taps = s->groups == 1 && !p->im2col && s->c <= MOST_ROW_TAPS && s->kw > 1 &&
                  s->dw == 1;
    p->block = zoo_direct_block(p);
    scratch = zoo_mul(zoo_mul(p->block, taps), 8 + (p->im2col ? 4 * s->c : 0));
    scratch = zoo_sum(scratch, p->block * 24 + 512);
    if (p->row_taps) /* copies of rows: of a unit's pixels, and around each run */
        scratch = zoo_sum(scratch,
                          zoo_mul(zoo_mul(s->kh, s->c * 4),
                                  zoo_sum(zoo_mul(p->block, s->sw),
                                          zoo_mul(p->block / s->ow + 2, s->kw))));
    return scratch;
}

static void part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch) {
    p->isa->conv_direct(p, rows, begin, end, scratch);
}

const zoo_algorithm zoo_algorithm_direct = {
    .tile = 1,
    .plain = 1,
    .shuffles = 1,
    .fits = fits,
    .cycles = cycles,
    .packed = packed_floats,
    .pack = pack,
    .init = init,
    .divide = zoo_divide_evenly,
    .part = part,
};
