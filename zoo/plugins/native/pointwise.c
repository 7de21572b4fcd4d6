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

typedef struct {
    const zoo_isa *isa;
    int kind;
    float slope;
    int64_t width, channels; /* of a row */
    int64_t apart;           /* floats from b's row to its next; 0: one for all */
    int each;                /* b has one value a pixel */
    int same;                /* b has one pixel a row */
    const float *a, *b;
    float *y;
} product;

static void multiply_rows(void *context, int64_t begin, int64_t end, int worker) {
    const product *p = context;
    int64_t n = p->width * p->channels, c = p->channels;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const float *a = p->a + row * n, *b = p->b + row * p->apart;
        float *y = p->y + row * n;
        if (p->same)
            for (int64_t x = 0; x < n; x += c)
                if (p->each)
                    p->isa->multiply_each(a + x, b, y + x, 1, c);
                else
                    p->isa->multiply(a + x, b, y + x, c);
        else if (p->each)
            p->isa->multiply_each(a, b, y, p->width, c);
        else
            p->isa->multiply(a, b, y, n);
        if (p->kind != ZOO_LINEAR)
            p->isa->activate(p->kind, p->slope, NULL, y, y, n);
    }
}

void zoo_multiply(const zoo_isa *isa, int threads, int kind, float slope,
                  const int64_t shape[3], const int64_t other[3], const float *a,
                  const float *b, float *y) {
    product p = {.isa = isa,
                 .kind = kind,
                 .slope = slope,
                 .width = shape[1],
                 .channels = shape[2],
                 .apart = other[0] == 1 ? 0 : other[1] * other[2],
                 .each = other[2] < shape[2],
                 .same = other[1] < shape[1],
                 .a = a,
                 .b = b,
                 .y = y};
    if (shape[0] * shape[1] * shape[2] < 65536)
        threads = 1;
    zoo_parallel_for(threads, shape[0], 1, multiply_rows, &p);
}

typedef struct {
    const zoo_isa *isa;
    int64_t pixels, channels, per_piece;
    const float *x, *scales, *biases;
    float epsilon;
    float *y;
} normalization;

static void normalize_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const normalization *p = context;
    int64_t at = begin * p->per_piece, last = end * p->per_piece;
    (void)worker;
    if (last > p->pixels)
        last = p->pixels;
    p->isa->normalize_pixels(p->x + at * p->channels, p->scales, p->biases, p->epsilon,
                             p->y + at * p->channels, last - at, p->channels);
}

void zoo_normalize_pixels(const zoo_isa *isa, int threads, int64_t pixels,
                          int64_t channels, const float *x, const float *scales,
                          const float *biases, float epsilon, float *y) {
    normalization p = {isa, pixels, channels, PIECE / channels + 1, x, scales, biases,
                       epsilon, y};
    zoo_parallel_for(threads, (pixels + p.per_piece - 1) / p.per_piece, 1,
                     normalize_pieces, &p);
}
