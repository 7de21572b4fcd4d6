/* Gradients of convolutions, of whole arrays. Sums run over fixed parts of the
 * pixels, which are then added in order, so that results do not depend on the number
 * of threads. */
#include "gradients.h"

#include "conv.h"
#include "threads.h"

#include <string.h>

#define PARTS 8
#define SMALL_PARTS 32 /* of kernels whose sums are small */

/* Ways to sum up directly, by the shape of the kernel. */
enum { GENERAL, WINDOWS, FEW, DEPTHWISE };

typedef struct {
    const zoo_conv *conv;
    const zoo_rows *rows;
    int way;
    int64_t parts, panels, panel_floats; /* panels: of all groups */
    int64_t part_floats;
    float *sums; /* parts x part_floats */
    float *dw;
    char *scratch;
    size_t scratch_bytes;
} gradient;

/* Units: a panel of filters over a part of the pixels; but for GENERAL, all filters
 * over a part. */
static void sum_parts(void *context, int64_t begin, int64_t end, int worker) {
    const gradient *d = context;
    const zoo_conv *p = d->conv;
    int64_t nr = p->isa->nr, per_group = d->panels / p->s.groups;
    int64_t per_part = d->way == GENERAL ? d->panels : 1;
    void *scratch = d->scratch + (size_t)worker * d->scratch_bytes;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t part = unit / per_part, panel = unit % per_part;
        int64_t g = panel / per_group, k = panel % per_group * nr;
        int64_t first = p->units * part / d->parts, last = p->units * (part + 1) / d->parts;
        float *sums = d->sums + part * d->part_floats + panel * d->panel_floats;
        memset(sums, 0,
               (size_t)(d->way == GENERAL ? d->panel_floats : d->part_floats) *
                   sizeof *sums);
        if (d->way == GENERAL)
            p->isa->weights_gradient(p, d->rows, first, last, g, k,
                                     p->kg - k < nr ? p->kg - k : nr, sums, scratch);
        else
            p->isa->small_gradient[d->way - WINDOWS](p, d->rows, first, last, sums,
                                                     scratch);
    }
}

static float over_parts(const gradient *d, const float *from) {
    float sum = *from;
    for (int64_t part = 1; part < d->parts; part++)
        sum += from[part * d->part_floats];
    return sum;
}

/* Units: panels; of FEW and DEPTHWISE taps. */
static void join_parts(void *context, int64_t begin, int64_t end, int worker) {
    const gradient *d = context;
    const zoo_conv *p = d->conv;
    int64_t nr = p->isa->nr, per_group = d->panels / p->s.groups, lanes = p->isa->lanes;
    int64_t c = p->s.c, k = p->s.k, cp = (c + lanes - 1) / lanes * lanes;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        if (d->way == DEPTHWISE) {
            for (int64_t i = 0; i < c; i++)
                d->dw[unit * c + i] = over_parts(d, d->sums + unit * c + i);
        } else if (d->way == FEW) {
            for (int64_t i = 0; i < c; i++)
                for (int64_t q = 0; q < k; q++)
                    d->dw[(unit * c + i) * k + q] =
                        over_parts(d, d->sums + (unit * k + q) * cp + i);
        } else {
            int64_t g = unit / per_group, k0 = unit % per_group * nr;
            int64_t cols = p->kg - k0 < nr ? p->kg - k0 : nr;
            const float *from = d->sums + unit * d->panel_floats;
            float *to = d->dw + g * p->kg + k0;
            for (int64_t row = 0; row < d->panel_floats / nr; row++, from += nr, to += k)
                for (int64_t j = 0; j < cols; j++)
                    to[j] = over_parts(d, from + j);
        }
    }
}

static int direct(const zoo_conv *p, int threads, const zoo_rows *rows, float *dw) {
    const zoo_isa *isa = p->isa;
    int64_t taps = p->s.kh * p->s.kw, cp = (p->s.c + isa->lanes - 1) / isa->lanes;
    int64_t units, per_pixel;
    int failed = -1;
    gradient d;
    memset(&d, 0, sizeof d);
    d.conv = p;
    d.rows = rows;
    d.dw = dw;
    d.panels = (p->kg + isa->nr - 1) / isa->nr * p->s.groups;
    d.panel_floats = zoo_mul(zoo_mul(taps, p->cg), isa->nr);
    d.part_floats = zoo_mul(d.panels, d.panel_floats);
    if (p->cg == 1 && p->kg == 1 && p->s.groups > 1) {
        d.way = DEPTHWISE;
        d.part_floats = taps * p->s.c;
    } else if (p->s.groups == 1 && p->s.k <= 4 && p->s.c >= isa->lanes) {
        d.way = FEW;
        d.part_floats = zoo_mul(taps * p->s.k, cp * isa->lanes);
    } else if (p->im2col) {
        d.way = WINDOWS;
    }
    d.parts = d.way == GENERAL ? PARTS : SMALL_PARTS;
    d.parts = p->units < d.parts ? p->units : d.parts;
    units = d.way == GENERAL ? d.parts * d.panels : d.parts;
    if (threads > units)
        threads = (int)units;
    per_pixel = 8 * taps + 16 + 4 * isa->nr + (d.way == WINDOWS ? 4 * taps * p->s.c : 0);
    d.scratch_bytes = (size_t)(p->block * per_pixel + 4096) / 64 * 64;
    d.sums = zoo_alloc(zoo_mul(zoo_mul(d.parts, d.part_floats), sizeof *d.sums));
    d.scratch = zoo_alloc(zoo_mul(threads, (int64_t)d.scratch_bytes));
    if (d.sums != NULL && d.scratch != NULL) {
        zoo_parallel_for(threads, units, 1, sum_parts, &d);
        zoo_parallel_for(threads, d.way == GENERAL || d.way == WINDOWS ? d.panels : taps,
                         1, join_parts, &d);
        failed = 0;
    }
    zoo_free(d.scratch);
    zoo_free(d.sums);
    return failed;
}

/* Rough cycles on one core, as those of the algorithms. m: 1 for directly. */
static double cycles(const zoo_isa *isa, const zoo_conv_shape *s, int m) {
    double lanes = (double)isa->lanes, c = (double)s->c, k = (double)s->k, a = m + 2;
    double rows = (double)((s->c + isa->mr - 1) / isa->mr * isa->mr);
    double cols = (double)((s->k + isa->nr - 1) / isa->nr * isa->nr), tiles;
    if (m == 1)
        return (double)(s->n * s->oh) * (double)s->ow * 9 * rows * cols / (2 * lanes) * 1.3;
    tiles = (double)s->n * (double)((s->oh + m - 1) / m) * (double)((s->ow + m - 1) / m);
    return tiles *
               (a * a * rows * cols / 2 +
                (m == 6 ? 300 : m == 4 ? 150 : 60) * (c + k)) /
               lanes +
           c * k * (9 * a + 3 * a * a) / 4;
}

/* ZOO_DIRECT, or one of Winograd's. */
static int choose(const zoo_isa *isa, const zoo_conv_shape *s, int wanted) {
    const zoo_algorithm *forced = zoo_algorithm_of(wanted);
    int best = ZOO_DIRECT;
    if (forced != NULL && forced->tile > 1 && forced->fits(forced, isa, s))
        return wanted;
    if ((forced != NULL && forced->plain) || s->c < 8 || s->k < 8)
        return best;
    for (int other = 0; other < ZOO_ALGORITHMS; other++) {
        const zoo_algorithm *a = zoo_algorithm_of(other);
        if (a != NULL && a->tile > 1 && a->fits(a, isa, s) &&
            cycles(isa, s, a->tile) < cycles(isa, s, zoo_algorithm_of(best)->tile))
            best = other;
    }
    return best;
}

static int by_algorithm(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                        int algorithm, const float *x, const float *delta, float *dw,
                        float *db) {
    zoo_conv p;
    zoo_rows rows;
    const zoo_rows_in in = {x, s->w * s->c, s->n * s->h, 0};
    const zoo_rows_out out = {(float *)delta, s->ow * s->k, s->n * s->oh, 0}; /* read */
    zoo_epilogue e = {0};
    int result = -1;
    int64_t ins;
    const float **table = NULL;
    if (zoo_conv_init(&p, isa, s, algorithm, &e, NULL, NULL, 1))
        goto done;
    ins = zoo_mul(p.tile_rows, p.span);
    table = zoo_alloc(zoo_mul(zoo_sum(ins, zoo_mul(p.tile_rows, p.tile)), sizeof *table));
    if (table == NULL)
        goto done;
    zoo_conv_rows(&p, 0, s->oh, 1, &in, NULL, &out, table, &rows);
    if (p.tile > 1) {
        result = zoo_winograd_gradient(&p, (int)p.tile, threads, &rows, dw, db);
    } else {
        p.block = 128;
        p.units = (p.tile_rows * s->ow + p.block - 1) / p.block;
        result = direct(&p, threads, &rows, dw);
        if (result == 0 && db)
            result =
                zoo_column_sums(isa, threads, s->n * s->oh * s->ow, s->k, delta, db);
    }
done:
    zoo_free((void *)table);
    zoo_conv_clear(&p);
    return result;
}

int zoo_conv2d_gradient(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                        int algorithm, const float *x, const float *delta, float *dw,
                        float *db) {
    int result = by_algorithm(isa, threads, s, choose(isa, s, algorithm), x, delta, dw, db);
    if (result > 0)
        result = by_algorithm(isa, threads, s, ZOO_DIRECT, x, delta, dw, db);
    return result;
}

/* -- sums of columns (gradients of biases) ---------------------------------- */

#define COLUMN_PARTS 32

typedef struct {
    const zoo_isa *isa;
    int64_t rows, cols;
    const float *x;
    float *sums; /* COLUMN_PARTS x cols */
} columns;

static void column_parts(void *context, int64_t begin, int64_t end, int worker) {
    const columns *c = context;
    (void)worker;
    for (int64_t part = begin; part < end; part++) {
        float *sums = c->sums + part * c->cols;
        memset(sums, 0, (size_t)c->cols * sizeof *sums);
        for (int64_t i = c->rows * part / COLUMN_PARTS;
             i < c->rows * (part + 1) / COLUMN_PARTS; i++)
            c->isa->axpy(1, sums, c->x + i * c->cols, sums, c->cols);
    }
}

int zoo_column_sums(const zoo_isa *isa, int threads, int64_t rows, int64_t cols,
                    const float *x, float *sums) {
    columns c = {isa, rows, cols, x, NULL};
    c.sums = zoo_alloc(zoo_mul(zoo_mul(COLUMN_PARTS, cols), sizeof *c.sums));
    if (c.sums == NULL)
        return -1;
    zoo_parallel_for(rows * cols < 65536 ? 1 : threads, COLUMN_PARTS, 1, column_parts, &c);
    for (int64_t j = 0; j < cols; j++) {
        double sum = 0;
        for (int64_t part = 0; part < COLUMN_PARTS; part++)
            sum += c.sums[part * cols + j];
        sums[j] = (float)sum;
    }
    zoo_free(c.sums);
    return 0;
}
