/* Gradients of activations and normalizations, and updates, of whole arrays: cut into
 * pieces for the threads; sums over fixed parts of the pixels. */
#include "gradients.h"

#include "threads.h"

#include <string.h>

#define PIECE 16384
#define PARTS 32
#define RUN 256 /* pixels whose sums are kept in single precision */

typedef struct {
    const zoo_isa *isa;
    int kind;
    float slope;
    const float *slopes, *x, *f, *delta, *mean, *factor, *offset, *by;
    const zoo_adam *adam;
    float *out, *m, *v;
    int64_t n, channels, per_piece;
} pointwise;

static void derive_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const pointwise *p = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * p->per_piece;
        int64_t n = p->n - at < p->per_piece ? p->n - at : p->per_piece;
        int64_t step = p->slopes ? p->channels : n;
        for (int64_t i = at; i < at + n; i += step)
            p->isa->activation_gradient(p->kind, p->slope, p->slopes, p->x + i, p->f + i,
                                        p->delta + i, p->out + i, step);
    }
}

void zoo_activation_gradient(const zoo_isa *isa, int threads, int kind, float slope,
                             const float *slopes, int64_t pixels, int64_t channels,
                             const float *x, const float *f, const float *delta,
                             float *out) {
    pointwise p = {.isa = isa,
                   .kind = kind,
                   .slope = slope,
                   .slopes = slopes,
                   .x = x,
                   .f = f,
                   .delta = delta,
                   .out = out,
                   .n = pixels * channels,
                   .channels = channels,
                   .per_piece = slopes ? (PIECE / channels + 1) * channels : PIECE};
    zoo_parallel_for(threads, (p.n + p.per_piece - 1) / p.per_piece, 1, derive_pieces,
                     &p);
}

static void normalize_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const pointwise *p = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * p->per_piece;
        int64_t last = at + p->per_piece < p->n ? at + p->per_piece : p->n;
        for (int64_t i = at; i < last; i += p->channels)
            p->isa->normalize(p->x + i, p->mean, p->factor, p->offset,
                              p->delta ? p->delta + i : NULL, p->by, p->out + i,
                              p->channels);
    }
}

void zoo_normalize(const zoo_isa *isa, int threads, int64_t pixels, int64_t channels,
                   const float *x, const float *mean, const float *factor,
                   const float *offset, const float *delta, const float *by,
                   float *out) {
    pointwise p = {.isa = isa,
                   .x = x,
                   .mean = mean,
                   .factor = factor,
                   .offset = offset,
                   .delta = delta,
                   .by = by,
                   .out = out,
                   .n = pixels * channels,
                   .channels = channels,
                   .per_piece = (PIECE / channels + 1) * channels};
    zoo_parallel_for(threads, (p.n + p.per_piece - 1) / p.per_piece, 1, normalize_pieces,
                     &p);
}

static void adam_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const pointwise *p = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * PIECE, n = p->n - at < PIECE ? p->n - at : PIECE;
        p->isa->adam(p->adam, p->out + at, p->m + at, p->v + at, p->delta + at, n);
    }
}

void zoo_adam_step(const zoo_isa *isa, int threads, const zoo_adam *a, int64_t n,
                   float *p, float *m, float *v, const float *g) {
    pointwise w = {
        .isa = isa, .adam = a, .out = p, .m = m, .v = v, .delta = g, .n = n};
    zoo_parallel_for(threads, (n + PIECE - 1) / PIECE, 1, adam_pieces, &w);
}

/* -- sums by channel --------------------------------------------------------- */

typedef struct {
    const zoo_isa *isa;
    int64_t pixels, channels;
    const float *a, *shift, *b, *mean;
    double *sums; /* PARTS x 2 x channels */
    float *runs;  /* PARTS x 2 x channels */
} channel_work;

static void channel_parts(void *context, int64_t begin, int64_t end, int worker) {
    const channel_work *w = context;
    int64_t c = w->channels;
    (void)worker;
    for (int64_t part = begin; part < end; part++) {
        double *sums = w->sums + part * 2 * c;
        float *run = w->runs + part * 2 * c;
        int64_t last = w->pixels * (part + 1) / PARTS;
        memset(sums, 0, (size_t)(2 * c) * sizeof *sums);
        for (int64_t i = w->pixels * part / PARTS; i < last;) {
            int64_t stop = i + RUN < last ? i + RUN : last;
            memset(run, 0, (size_t)(2 * c) * sizeof *run);
            for (; i < stop; i++) {
                if (w->shift)
                    w->isa->add_products(w->a + i * c, w->shift, w->b + i * c, w->mean,
                                         run, run + c, c);
                else
                    w->isa->add_slopes_gradient(w->a + i * c, w->b + i * c, run, c);
            }
            for (int64_t j = 0; j < 2 * c; j++)
                sums[j] += run[j];
        }
    }
}

static int channel_run(channel_work *w, int threads, double *sums, double *products) {
    int64_t c = w->channels;
    w->sums = zoo_alloc(zoo_mul(PARTS * 16, c));
    w->runs = zoo_alloc(zoo_mul(PARTS * 8, c));
    if (w->sums != NULL && w->runs != NULL) {
        zoo_parallel_for(w->pixels * c < 65536 ? 1 : threads, PARTS, 1, channel_parts, w);
        for (int64_t j = 0; j < c; j++) {
            sums[j] = products[j] = 0;
            for (int64_t part = 0; part < PARTS; part++) {
                sums[j] += w->sums[part * 2 * c + j];
                products[j] += w->sums[part * 2 * c + c + j];
            }
        }
    }
    int failed = w->sums == NULL || w->runs == NULL ? -1 : 0;
    zoo_free(w->sums);
    zoo_free(w->runs);
    return failed;
}

int zoo_channel_sums(const zoo_isa *isa, int threads, int64_t pixels, int64_t channels,
                     const float *a, const float *shift, const float *b,
                     const float *mean, double *sums, double *products) {
    channel_work w = {isa, pixels, channels, a, shift, b, mean, NULL, NULL};
    return channel_run(&w, threads, sums, products);
}

int zoo_slopes_gradient(const zoo_isa *isa, int threads, int64_t pixels,
                        int64_t channels, const float *x, const float *delta,
                        float *sums) {
    channel_work w = {isa, pixels, channels, x, NULL, delta, NULL, NULL, NULL};
    double *both = zoo_alloc(zoo_mul(channels, 16));
    int failed = both == NULL ? -1 : channel_run(&w, threads, both, both + channels);
    for (int64_t j = 0; !failed && j < channels; j++)
        sums[j] = (float)both[j];
    zoo_free(both);
    return failed;
}
