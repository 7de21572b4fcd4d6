/* Activations and sums of whole arrays, cut into pieces for the threads. */
#include "kernels.h"

#include "threads.h"

#define PIECE 16384 /* floats: 64 KB in, 64 KB out */

typedef struct {
    const zoo_isa *isa;
    int kind;
    float slope, alpha, beta;
    const float *slopes, *a, *b;
    float *y;
    int64_t n, channels, per_piece;
} pointwise;

static void activate_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const pointwise *p = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * p->per_piece;
        int64_t n = p->n - at < p->per_piece ? p->n - at : p->per_piece;
        if (p->slopes == NULL)
            p->isa->activate(p->kind, p->slope, NULL, p->a + at, p->y + at, n);
        else
            for (int64_t i = at; i < at + n; i += p->channels)
                p->isa->activate(p->kind, 0, p->slopes, p->a + i, p->y + i, p->channels);
    }
}

void zoo_activate(const zoo_isa *isa, int threads, int kind, float slope,
                  const float *slopes, int64_t pixels, int64_t channels, const float *x,
                  float *y) {
    pointwise p = {.isa = isa,
                   .kind = kind,
                   .slope = slope,
                   .slopes = slopes,
                   .a = x,
                   .y = y,
                   .n = pixels * channels,
                   .channels = channels,
                   .per_piece = PIECE};
    if (slopes)
        p.per_piece = (PIECE / channels + 1) * channels;
    zoo_parallel_for(threads, (p.n + p.per_piece - 1) / p.per_piece, 1, activate_pieces,
                     &p);
}

static void blend_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const pointwise *p = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * PIECE, n = p->n - at < PIECE ? p->n - at : PIECE;
        p->isa->blend(p->kind, p->slope, p->alpha, p->beta, p->a + at, p->b + at,
                      p->y + at, n);
    }
}

void zoo_blend(const zoo_isa *isa, int threads, int kind, float slope, float alpha,
               float beta, const float *a, const float *b, float *y, int64_t n) {
    pointwise p = {.isa = isa,
                   .kind = kind,
                   .slope = slope,
                   .alpha = alpha,
                   .beta = beta,
                   .a = a,
                   .b = b,
                   .y = y,
                   .n = n};
    zoo_parallel_for(threads, (n + PIECE - 1) / PIECE, 1, blend_pieces, &p);
}
