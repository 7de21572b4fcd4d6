/* Convolution with one channel per group: vectors run along the groups
 * (depthwise_t.h). */
#include "conv.h"

#include <string.h>

static int fits(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s) {
    (void)self, (void)isa;
    return s->groups > 1 && s->groups == s->c;
}

static double cycles(const zoo_algorithm *self, const zoo_isa *isa,
                     const zoo_conv_shape *s, int packed) {
    (void)self;
    return zoo_direct_cycles(isa, s, packed, (double)s->k);
}

static int64_t packed_floats(const zoo_algorithm *self, const zoo_isa *isa,
                             const zoo_conv_shape *s) {
    (void)self, (void)isa;
    return zoo_mul(zoo_mul(s->kh, s->kw), s->k);
}

static void pack(const zoo_algorithm *self, const zoo_isa *isa, const zoo_conv_shape *s,
                 int threads, const float *weights, float *packed) {
    (void)threads;
    memcpy(packed, weights, (size_t)packed_floats(self, isa, s) * sizeof *packed);
}

static int64_t init(zoo_conv *p) {
    p->block = p->s.ow;
    return 0;
}

/* Whole rows, two units for each thread. */
static void divide(zoo_conv *p, int64_t images, int64_t rows, int team) {
    int64_t all = images * rows, height = (all + 2 * team - 1) / (2 * team);
    height = height < 1 ? 1 : height;
    p->block = height * p->s.ow;
    p->units = (all + height - 1) / height;
}

static void part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                 void *scratch) {
    p->isa->conv_depthwise(p, rows, begin, end, scratch);
}

const zoo_algorithm zoo_algorithm_depthwise = {
    .tile = 1,
    .plain = 1,
    .fits = fits,
    .cycles = cycles,
    .packed = packed_floats,
    .pack = pack,
    .init = init,
    .divide = divide,
    .part = part,
};
