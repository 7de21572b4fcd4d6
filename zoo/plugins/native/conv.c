/* Convolutions: the description of the work that the kernels follow. */
#include "conv.h"

#include <string.h>

const zoo_algorithm *zoo_algorithm_of(int number) {
    static const zoo_algorithm *const algorithms[ZOO_ALGORITHMS] = {
        [ZOO_DIRECT] = &zoo_algorithm_direct,
        [ZOO_DOT] = &zoo_algorithm_dot,
        [ZOO_DEPTHWISE] = &zoo_algorithm_depthwise,
        [ZOO_WINOGRAD2] = &zoo_algorithm_winograd2,
        [ZOO_WINOGRAD4] = &zoo_algorithm_winograd4,
        [ZOO_WINOGRAD6] = &zoo_algorithm_winograd6,
        [ZOO_AMX3] = &zoo_algorithm_amx3,
        [ZOO_AMX1] = &zoo_algorithm_amx1,
    };
    return number >= 0 && number < ZOO_ALGORITHMS ? algorithms[number] : NULL;
}

int zoo_conv_algorithm(const zoo_isa *isa, const zoo_conv_shape *s, int wanted,
                       int packed) {
    const zoo_algorithm *forced = zoo_algorithm_of(wanted), *a;
    int best = ZOO_DIRECT;
    double least;
    if (forced != NULL && !forced->plain)
        return forced->fits(forced, isa, s) ? wanted : -1;
    for (int number = 0; number < ZOO_ALGORITHMS; number++) {
        a = zoo_algorithm_of(number);
        if (a != NULL && a->plain && a->fits(a, isa, s))
            best = number;
    }
    if (forced != NULL)
        return best;
    a = zoo_algorithm_of(best);
    least = a->cycles(a, isa, s, packed);
    for (int number = 0; number < ZOO_ALGORITHMS; number++) {
        a = zoo_algorithm_of(number);
        if (a != NULL && !a->plain && a->worth(a, isa, s, wanted == ZOO_AUTO_BF16)) {
            double cycles = a->cycles(a, isa, s, packed);
            if (cycles < least) {
                best = number;
                least = cycles;
            }
        }
    }
    return best;
}

int64_t zoo_conv_packed(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm) {
    const zoo_algorithm *a = zoo_algorithm_of(algorithm);
    return a->packed(a, isa, s);
}

void zoo_conv_pack(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                   int threads, const float *weights, float *packed) {
    const zoo_algorithm *a = zoo_algorithm_of(algorithm);
    a->pack(a, isa, s, threads, weights, packed);
}

void zoo_divide_evenly(zoo_conv *p, int64_t images, int64_t rows, int team) {
    int64_t mr = p->isa->mr, all = images * rows * p->tile_cols, rounds, tiles;
    rounds = (all + p->block * team - 1) / (p->block * team);
    tiles = (all + rounds * team - 1) / (rounds * team);
    tiles = (tiles + mr - 1) / mr * mr;
    if (tiles < p->block)
        p->block = tiles;
    p->units = (all + p->block - 1) / p->block;
}

void zoo_conv_divide(zoo_conv *p, int64_t images, int64_t rows, int team) {
    p->image_rows = rows;
    p->tile_rows = images * rows;
    p->algorithm->divide(p, images, rows, team);
}

static int simple(int activation) {
    return activation == ZOO_LINEAR || activation == ZOO_RELU || activation == ZOO_SLOPE;
}

/* Where each column of the windows lies in a row of the image. */
static void find_columns(zoo_conv *p, int64_t columns) {
    const zoo_conv_shape *s = &p->s;
    int64_t last = (s->ow - 1) * s->sw + (s->kw - 1) * s->dw;
    if (p->line) {
        for (int64_t x = 0; x < columns; x++)
            p->columns[x] =
                x <= last ? zoo_source(x - s->left, s->w, s->pad_mode) : -1;
        return;
    }
    for (int64_t x = 0; x < s->ow; x++)
        for (int64_t t = 0; t < s->kw; t++)
            p->columns[x * s->kw + t] =
                zoo_source(x * s->sw - s->left + t * s->dw, s->w, s->pad_mode);
}

int zoo_conv_init(zoo_conv *p, const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                  const zoo_epilogue *e, const float *weights, const float *packed,
                  int own_zeros) {
    int64_t columns, bytes, k, scratch;
    char *memory;
    memset(p, 0, sizeof *p);
    p->isa = isa;
    p->s = *s;
    p->algorithm = zoo_algorithm_of(algorithm);
    p->e = *e;
    p->weights = weights;
    p->packed = packed;
    p->cg = s->c / s->groups;
    p->kg = p->kcols = s->k / s->groups;
    p->in_pixel = s->c;
    p->out_pixel = p->residual_pixel = p->cell = s->k;
    p->fused = simple(e->activation) &&
               (e->last == ZOO_LINEAR || e->last == ZOO_RELU);
    p->tile = p->algorithm->tile;
    p->planes = p->algorithm->planes;
    p->span = s->kh;
    p->image_rows = (s->oh + p->tile - 1) / p->tile;
    p->tile_rows = s->n * p->image_rows;
    p->tile_cols = (s->ow + p->tile - 1) / p->tile;
    scratch = p->algorithm->init(p);
    columns = p->line ? (p->line - 1) * s->sw + (s->kw - 1) * s->dw + 1
                      : zoo_mul(s->ow, s->kw);
    k = zoo_mul(s->groups, p->kcols) + 64;
    bytes = zoo_mul(zoo_sum(columns, 8), 8);
    bytes = zoo_sum(bytes, own_zeros ? zoo_mul(zoo_conv_zeros(s), 4) : 0);
    bytes = zoo_sum(bytes, zoo_mul(k, 8));
    if (scratch < 0 || bytes < 0 || (p->memory = memory = zoo_alloc(bytes)) == NULL)
        return -1;
    memset(memory, 0, (size_t)bytes);
    p->scratch = (size_t)round_up(scratch, 4096);
    p->columns = (int64_t *)memory;
    p->bias = (float *)(p->columns + columns + 8);
    p->slopes = p->bias + k;
    p->zeros = own_zeros ? p->slopes + k : NULL;
    p->bytes = bytes;
    find_columns(p, columns);
    for (int64_t g = 0; g < s->groups; g++)
        for (int64_t i = 0; i < p->kg; i++) {
            int64_t at = g * p->kcols + i, from = g * p->kg + i;
            p->bias[at] = e->bias ? e->bias[from] : 0;
            p->slopes[at] = e->slopes ? e->slopes[from] : e->slope;
        }
    return 0;
}

int64_t zoo_conv_zeros(const zoo_conv_shape *s) {
    return zoo_sum(zoo_mul(s->w, s->c), 64);
}

/* Row of the image that row i of the window of a row of tiles sees; -1 for zeros. */
static int64_t source_row(const zoo_conv *p, int64_t row, int64_t i) {
    if (p->tile == 1)
        return zoo_source(row * p->s.sh - p->s.top + i * p->s.dh, p->s.h, p->s.pad_mode);
    row *= p->tile;
    if (row + i >= p->s.oh + 2) /* seen only by rows below the last */
        return -1;
    return zoo_source(row - p->s.top + i, p->s.h, p->s.pad_mode);
}

int64_t zoo_conv_rows(const zoo_conv *p, int64_t first, int64_t stop, int64_t scale,
                      const zoo_rows_in *in, const zoo_rows_in *residual,
                      const zoo_rows_out *out, const float **table, zoo_rows *rows) {
    int64_t ins = p->tile_rows * p->span, outs = p->tile_rows * p->tile;
    int64_t high = (p->s.oh + p->tile - 1) / p->tile; /* p->image_rows are the task's */
    for (int64_t r = 0; r < p->tile_rows; r++) {
        int64_t image = (first + r) / high, row = (first + r) % high;
        for (int64_t i = 0; i < p->span; i++) {
            int64_t from = source_row(p, row, i);
            table[r * p->span + i] =
                from < 0 ? p->zeros : zoo_row_in(in, image * p->s.h + from);
        }
        for (int64_t i = 0; i < p->tile; i++) {
            int64_t y = row * p->tile + i, at = ins + r * p->tile + i;
            int64_t to = image * p->s.oh + y;
            table[at] = y < stop ? zoo_row_out(out, to * scale) : NULL;
            if (residual)
                table[at + outs] = y < stop ? zoo_row_in(residual, to) : NULL;
        }
    }
    rows->in = table;
    rows->out = (float *const *)(table + ins);
    rows->residual = residual ? table + ins + outs : NULL;
    return ins + outs * (residual ? 2 : 1);
}

int zoo_conv_shuffle(zoo_conv *p, int64_t scale) {
    int64_t cell = p->s.k / scale;
    if (!p->algorithm->shuffles || !p->fused || p->s.groups != 1 || p->s.k % (scale * scale) ||
        cell % ZOO_WIDEST_PANEL)
        return -1;
    p->out_pixel = p->cell = cell;
    return 0;
}

void zoo_conv_place(zoo_conv *p, int64_t in, int64_t out, int64_t residual) {
    p->in_pixel = in;
    p->row_taps = p->row_taps && in == p->s.c;
    p->out_pixel = out;
    p->residual_pixel = residual;
}

void zoo_conv_clear(zoo_conv *p) {
    zoo_free(p->memory);
    p->memory = NULL;
}

void zoo_conv_part(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                   void *scratch) {
    p->algorithm->part(p, rows, begin, end, scratch);
}
