/* Linear maps along one axis of an array, and copies of some channels. */
#include "gradients.h"

#include "threads.h"

#include <string.h>

#define PIECE 16384 /* floats of work per unit, about */
#define NARROW 128  /* floats up to which places are pixels, not rows */

typedef struct {
    const zoo_isa *isa;
    int64_t length, results, inner, runs, per_unit;
    const int64_t *starts, *places;
    const float *weights, *x;
    float *y;
} resample;

/* Units: some results of the axis, of all outer places. */
static void resample_units(void *context, int64_t begin, int64_t end, int worker) {
    const resample *r = context;
    int64_t last = end * r->per_unit < r->runs ? end * r->per_unit : r->runs;
    (void)worker;
    for (int64_t run = begin * r->per_unit; r->inner <= NARROW && run < last;) {
        int64_t o = run % r->results, n = r->inner, count = r->results - o;
        if (count > last - run)
            count = last - run;
        r->isa->resample_pixels(r->x + run / r->results * r->length * n, r->starts + o,
                                r->places, r->weights, r->y + run * n, count, n);
        run += count;
    }
    for (int64_t run = begin * r->per_unit; r->inner > NARROW && run < last; run++) {
        int64_t o = run % r->results, n = r->inner;
        const float *from = r->x + run / r->results * r->length * n;
        float *to = r->y + run * n;
        memset(to, 0, (size_t)n * sizeof *to);
        for (int64_t i = r->starts[o]; i < r->starts[o + 1]; i++)
            r->isa->axpy(r->weights[i], to, from + r->places[i] * n, to, n);
    }
}

void zoo_resample(const zoo_isa *isa, int threads, int64_t outer, int64_t length,
                  int64_t results, int64_t inner, const int64_t *starts,
                  const int64_t *places, const float *weights, const float *x, float *y) {
    resample r = {isa,    length, results, inner,   outer * results, PIECE / inner + 1,
                  starts, places, weights, x,       y};
    zoo_parallel_for(threads, (r.runs + r.per_unit - 1) / r.per_unit, 1, resample_units,
                     &r);
}

typedef struct {
    int64_t pixels, width, from_apart, to_apart, per_unit;
    const float *from;
    float *to;
} copies;

static void copy_units(void *context, int64_t begin, int64_t end, int worker) {
    const copies *c = context;
    int64_t last = end * c->per_unit < c->pixels ? end * c->per_unit : c->pixels;
    (void)worker;
    for (int64_t i = begin * c->per_unit; i < last; i++)
        memcpy(c->to + i * c->to_apart, c->from + i * c->from_apart,
               (size_t)c->width * sizeof *c->to);
}

void zoo_copy_channels(int threads, int64_t pixels, int64_t width, const float *from,
                       int64_t from_apart, float *to, int64_t to_apart) {
    copies c = {pixels, width, from_apart, to_apart, PIECE / width + 1, from, to};
    zoo_parallel_for(threads, (pixels + c.per_unit - 1) / c.per_unit, 1, copy_units, &c);
}
