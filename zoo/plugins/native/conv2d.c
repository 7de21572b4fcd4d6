/* Convolutions of whole arrays. */
#include "conv.h"

#include "threads.h"

#include <string.h>

typedef struct {
    const zoo_conv *conv;
    const zoo_rows *rows;
    char *scratch;
} conv_loop;

static void conv_units(void *context, int64_t begin, int64_t end, int worker) {
    const conv_loop *l = context;
    zoo_conv_part(l->conv, l->rows, begin, end,
                  l->scratch + (size_t)worker * l->conv->scratch);
}

int zoo_conv2d(const zoo_isa *isa, int threads, const zoo_conv_shape *s, int algorithm,
               const zoo_epilogue *e, const float *x, const float *weights,
               const float *residual, float *y) {
    zoo_conv p;
    zoo_rows rows;
    const zoo_rows_in in = {x, s->w * s->c, s->n * s->h, 0};
    const zoo_rows_in other = {residual, s->ow * s->k, s->n * s->oh, 0};
    const zoo_rows_out out = {y, s->ow * s->k, s->n * s->oh, 0};
    conv_loop l;
    int failed = -1;
    int64_t ins, outs;
    float *packed = zoo_alloc(zoo_mul(zoo_conv_packed(isa, s, algorithm), 4));
    const float **table = NULL;
    memset(&p, 0, sizeof p);
    l.scratch = NULL;
    if (packed == NULL || zoo_conv_init(&p, isa, s, algorithm, e, weights, packed, 1))
        goto done;
    zoo_conv_divide(&p, s->n, p.image_rows, threads);
    if (threads > p.units)
        threads = p.units < 1 ? 1 : (int)p.units;
    ins = zoo_mul(p.tile_rows, p.span);
    outs = zoo_mul(p.tile_rows, p.tile);
    table = zoo_alloc(zoo_mul(zoo_sum(ins, zoo_mul(outs, 2)), sizeof *table));
    l.scratch = zoo_alloc(zoo_mul(threads, (int64_t)p.scratch));
    if (table == NULL || l.scratch == NULL)
        goto done;
    zoo_conv_rows(&p, 0, s->oh, 1, &in, residual ? &other : NULL, &out, table, &rows);
    zoo_conv_pack(isa, s, algorithm, threads, weights, packed);
    l.conv = &p;
    l.rows = &rows;
    zoo_parallel_for(threads, p.units, 1, conv_units, &l);
    failed = 0;
done:
    zoo_free(l.scratch);
    zoo_free((void *)table);
    zoo_free(packed);
    zoo_conv_clear(&p);
    return failed;
}
