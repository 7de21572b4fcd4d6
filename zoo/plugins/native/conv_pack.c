/* Weights in the order in which each algorithm reads them. */
#include "conv.h"

#include "threads.h"
#include "winograd.h"

#include <string.h>

int64_t zoo_conv_packed(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm) {
    int64_t cg = s->c / s->groups, kg = s->k / s->groups;
    int64_t taps = zoo_mul(s->kh, s->kw), m = winograd_tile(algorithm);
    if (m)
        return zoo_mul((m + 2) * (m + 2), zoo_mul(s->c, panel_columns(isa, s->k)));
    switch (algorithm) {
    case ZOO_AMX3:
    case ZOO_AMX1: /* tiles of 256 floats' size */
        return zoo_mul(zoo_mul(s->groups * (round_up(kg, 16) / 16),
                               round_up(cg, 32) / 32 * 256),
                       taps * (algorithm == ZOO_AMX3 ? 2 : 1));
    case ZOO_DOT:
        return zoo_mul(s->k, zoo_mul(taps, round_up(s->c, isa->lanes)));
    case ZOO_DEPTHWISE:
        return zoo_mul(taps, s->k);
    default:
        return zoo_mul(zoo_mul(taps, cg), zoo_mul(s->groups, panel_columns(isa, kg)));
    }
}

typedef struct {
    const zoo_isa *isa;
    const zoo_conv_shape *s;
    int m;
    int planes; /* hi, or hi and lo */
    double g[8][3];
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

/* Units: channels. */
static void pack_winograd(void *context, int64_t begin, int64_t end, int worker) {
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

/* Units: groups, 32 filters each. The order is explained in amx_t.h. */
static void pack_tiles(void *context, int64_t begin, int64_t end, int worker) {
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

int zoo_conv_pack(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                  int threads, const float *weights, float *packed) {
    packing p;
    int64_t taps = s->kh * s->kw;
    p.isa = isa;
    p.s = s;
    p.weights = weights;
    p.packed = packed;
    p.m = winograd_tile(algorithm);
    if (p.m) {
        zoo_winograd_matrix(p.m, p.g);
        zoo_parallel_for(s->c * s->k < 4096 ? 1 : threads, s->c, 1, pack_winograd, &p);
    } else if (on_tiles(algorithm)) {
        p.planes = algorithm == ZOO_AMX3 ? 2 : 1;
        zoo_parallel_for(taps * s->c * s->k < 16384 ? 1 : threads,
                         s->groups * ((s->k / s->groups + 31) / 32), 1, pack_tiles, &p);
    } else if (algorithm == ZOO_DOT) {
        int64_t depth = round_up(s->c, isa->lanes);
        for (int64_t k = 0; k < s->k; k++)
            for (int64_t t = 0; t < taps; t++)
                for (int64_t c = 0; c < depth; c++)
                    *packed++ = c < s->c ? weights[(t * s->c + c) * s->k + k] : 0;
    } else if (algorithm == ZOO_DEPTHWISE) {
        memcpy(packed, weights, (size_t)(taps * s->k) * sizeof *packed);
    } else {
        int64_t panels = (s->k / s->groups + isa->nr - 1) / isa->nr * s->groups;
        zoo_parallel_for(taps * s->c * s->k < 65536 ? 1 : threads, panels, 1,
                         pack_panels, &p);
    }
    return 0;
}
