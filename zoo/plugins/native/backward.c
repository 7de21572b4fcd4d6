/* Gradients of whole arrays. Sums run over fixed parts of the pixels, which are then
 * added in order, so that results do not depend on the number of threads. */
#include "kernels.h"

#include "threads.h"

#include <string.h>

#define PARTS 8

typedef struct {
    const zoo_conv *conv;
    const zoo_rows *rows;
    int64_t parts, panels, panel_floats; /* panels: of all groups */
    float *sums;                         /* parts x panels x taps x cg x nr */
    float *dw;
    char *scratch;
    size_t scratch_bytes;
} gradient;

/* Units: a panel of filters over a part of the pixels. */
static void sum_parts(void *context, int64_t begin, int64_t end, int worker) {
    const gradient *d = context;
    const zoo_conv *p = d->conv;
    int64_t nr = p->isa->nr, per_group = d->panels / p->s.groups;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t part = unit / d->panels, panel = unit % d->panels;
        int64_t g = panel / per_group, k = panel % per_group * nr;
        float *sums = d->sums + unit * d->panel_floats;
        memset(sums, 0, (size_t)d->panel_floats * sizeof *sums);
        p->isa->weights_gradient(p, d->rows, p->units * part / d->parts,
                                 p->units * (part + 1) / d->parts, g, k,
                                 p->kg - k < nr ? p->kg - k : nr, sums,
                                 d->scratch + (size_t)worker * d->scratch_bytes);
    }
}

/* Units: panels. */
static void join_parts(void *context, int64_t begin, int64_t end, int worker) {
    const gradient *d = context;
    const zoo_conv *p = d->conv;
    int64_t nr = p->isa->nr, per_group = d->panels / p->s.groups;
    int64_t step = d->panels * d->panel_floats;
    (void)worker;
    for (int64_t panel = begin; panel < end; panel++) {
        int64_t g = panel / per_group, k = panel % per_group * nr;
        int64_t cols = p->kg - k < nr ? p->kg - k : nr;
        const float *from = d->sums + panel * d->panel_floats;
        float *to = d->dw + g * p->kg + k;
        for (int64_t row = 0; row < d->panel_floats / nr; row++, from += nr, to += p->s.k)
            for (int64_t j = 0; j < cols; j++) {
                float sum = from[j];
                for (int64_t part = 1; part < d->parts; part++)
                    sum += from[part * step + j];
                to[j] = sum;
            }
    }
}

int zoo_conv2d_weights(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                       const float *x, const float *delta, float *dw) {
    zoo_conv p;
    zoo_rows rows;
    zoo_epilogue e = {0};
    gradient d;
    int failed = -1, workers;
    int64_t ins, floats;
    const float **table = NULL;
    memset(&d, 0, sizeof d);
    if (zoo_conv_init(&p, isa, s, ZOO_DIRECT, &e, NULL, NULL))
        goto done;
    ins = zoo_mul(p.tile_rows, p.span);
    table = zoo_alloc(zoo_mul(zoo_sum(ins, p.tile_rows), sizeof *table));
    if (table == NULL)
        goto done;
    for (int64_t r = 0; r < p.tile_rows; r++) {
        int64_t image = r / s->oh, row = r % s->oh;
        for (int64_t i = 0; i < s->kh; i++) {
            int64_t from = zoo_source(row * s->sh - s->top + i * s->dh, s->h, s->pad_mode);
            table[r * s->kh + i] =
                from < 0 ? p.zeros : x + (image * s->h + from) * s->w * s->c;
        }
        table[ins + r] = delta + r * s->ow * s->k;
    }
    rows.in = table;
    rows.out = (float *const *)(table + ins); /* only read */
    rows.residual = NULL;
    p.block = 128;
    p.units = (p.tile_rows * s->ow + p.block - 1) / p.block;
    d.conv = &p;
    d.rows = &rows;
    d.dw = dw;
    d.parts = p.units < PARTS ? p.units : PARTS;
    d.panels = (p.kg + isa->nr - 1) / isa->nr * s->groups;
    d.panel_floats = s->kh * s->kw * p.cg * isa->nr;
    floats = zoo_mul(zoo_mul(d.parts, d.panels), d.panel_floats);
    workers = threads > d.parts * d.panels ? (int)(d.parts * d.panels) : threads;
    d.scratch_bytes =
        (size_t)(p.block * (8 * s->kh * s->kw + 8 + 4 * isa->nr) + 4096) / 64 * 64;
    d.sums = zoo_alloc(zoo_mul(floats, sizeof *d.sums));
    d.scratch = zoo_alloc(zoo_mul(workers, (int64_t)d.scratch_bytes));
    if (d.sums == NULL || d.scratch == NULL)
        goto done;
    zoo_parallel_for(workers, d.parts * d.panels, 1, sum_parts, &d);
    zoo_parallel_for(threads, d.panels, 1, join_parts, &d);
    failed = 0;
done:
    zoo_free(d.scratch);
    zoo_free(d.sums);
    zoo_free((void *)table);
    zoo_conv_clear(&p);
    return failed;
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

/* -- activations that are a line on each side of zero ------------------------ */

#define PIECE 16384

typedef struct {
    const zoo_isa *isa;
    float slope;
    const float *f, *delta;
    float *out;
    int64_t n;
} gates;

static void gate_pieces(void *context, int64_t begin, int64_t end, int worker) {
    const gates *g = context;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t at = unit * PIECE, n = g->n - at < PIECE ? g->n - at : PIECE;
        g->isa->gate(g->slope, g->f + at, g->delta + at, g->out + at, n);
    }
}

void zoo_gate(const zoo_isa *isa, int threads, float slope, const float *f,
              const float *delta, float *out, int64_t n) {
    gates g = {isa, slope, f, delta, out, n};
    zoo_parallel_for(threads, (n + PIECE - 1) / PIECE, 1, gate_pieces, &g);
}
