/* Convolution with few filters: vectors run along the input channels (conv_t.h). */
#include "conv.h"

static int fits(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s) {
    (void)self;
    return s->groups == 1 && s->k <= 4 && s->c >= isa->lanes;
}

static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    (void)self;
    return zoo_direct_cycles(isa, s, packed, 1.2 * (double)s->k);
}

/* By filter: taps, channels rounded up to whole vectors. */
static int64_t packed_floats(const zoo_algorithm *self, const zoo_isa *isa,
                             const zoo_conv_shape *s) {
    (void)self;
    return zoo_mul(s->k, zoo_mul(zoo_mul(s->kh, s->kw), round_up(s->c, isa->lanes)));
}

static void pack(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int threads, const float *weights, float *packed) {
    int64_t depth = round_up(s->c, isa->lanes), taps = s->kh * s->kw;
    (void)self, (void)threads;
    for (int64_t k = 0; k < s->k; k++)
        for (int64_t t = 0; t < taps; t++)
            for (int64_t c = 0; c < depth; c++)
                *packed++ = c < s->c ? weights[(t * s->c + c) * s->k + k] : 0;
}

static int64_t init(zoo_conv *p) {
    p->block = zoo_direct_block(p);
    return zoo_sum(zoo_mul(zoo_mul(p->block, p->s.kh * p->s.kw), 8), p->block * 24 + 512);
}

static void part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch) {
    p->isa->conv_dot(p, rows, begin, end, scratch);
}

const zoo_algorithm zoo_algorithm_dot = {
    .tile = 1,
    .plain = 1,
    .fits = fits,
    .cycles = cycles,
    .packed = packed_floats,
    .pack = pack,
    .init = init,
    .divide = zoo_divide_evenly,
    .part = part,
};
