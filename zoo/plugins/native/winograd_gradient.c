/* Gradients of the weights of 3x3 convolutions by Winograd's algorithm, for whole
 * arrays. Tiles are taken in chunks: all threads transform a chunk's tiles, then each
 * sums up products for some of the positions. Every sum runs in the order of the
 * tiles, so results do not depend on the number of threads. */
#include "gradients.h"

#include "threads.h"
#include "winograd.h"

#include <math.h>
#include <string.h>

#define CHUNK_BYTES (8 << 20)
#define LEAST_CHUNK 64 /* tiles */
#define MOST_CHUNK 512

typedef struct {
    const zoo_conv *conv;
    const zoo_rows *rows;
    int m, swapped; /* swapped: the matrix's rows are filters, its columns channels */
    int64_t tiles, chunk, first;
    int64_t v_row, d_row, v_apart, d_apart; /* floats from tile to tile, positions */
    float *v, *d;
    int64_t height, width, panels; /* of the matrix of sums, height rounded up */
    float *sums;                   /* positions x panels x height x nr */
    double *bias;                  /* k */
    double g[8][3];
    float *dw, *db;
} work;

/* Units: tiles of the chunk. */
static void transform(void *context, int64_t begin, int64_t end, int worker) {
    const work *w = context;
    (void)worker;
    w->conv->isa->gradient_tiles[w->m / 2 - 1](
        w->conv, w->rows, w->first, w->first + begin, w->first + end, w->v, w->v_row,
        w->v_apart, w->d, w->d_row, w->d_apart);
}

/* Units: panels of all positions, and one for the biases. */
static void multiply(void *context, int64_t begin, int64_t end, int worker) {
    const work *w = context;
    int64_t a = w->m + 2, nr = w->conv->isa->nr, left = w->tiles - w->first;
    int64_t depth = left < w->chunk ? left : w->chunk;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t position = unit / w->panels, panel = unit % w->panels;
        const float *v = w->v + position * w->v_apart, *d = w->d + position * w->d_apart;
        float *sums = w->sums + unit * w->height * nr;
        if (position < a * a && w->swapped) {
            w->conv->isa->outer_panel(d, w->d_row, w->conv->s.k, v + panel * nr,
                                      w->v_row, depth, sums);
        } else if (position < a * a) {
            w->conv->isa->outer_panel(v, w->v_row, w->conv->s.c, d + panel * nr,
                                      w->d_row, depth, sums);
        } else { /* at the point (1, 1) stands the sum of each tile */
            const float *from = w->d + (a + 1) * w->d_apart;
            for (int64_t t = 0; t < depth; t++, from += w->d_row)
                for (int64_t k = 0; k < w->conv->s.k; k++)
                    w->bias[k] += from[k];
        }
    }
}

#define SOME 8 /* sums worked on at a time; the inner loops run along them */

/* dw = G' S G for `n` neighbors in a row of S. */
static void finish_some(const work *w, const float *from, int64_t n, int64_t row,
                        int64_t column) {
    int a = w->m + 2;
    int64_t apart = w->panels * w->height * w->conv->isa->nr;
    double half[3][8][SOME] = {{{0}}};
    for (int i = 0; i < a; i++)
        for (int j = 0; j < a; j++)
            for (int u = 0; u < 3; u++)
                for (int f = 0; f < SOME; f++)
                    half[u][j][f] += w->g[i][u] * from[(i * a + j) * apart + f];
    for (int u = 0; u < 3; u++)
        for (int x = 0; x < 3; x++) {
            double sum[SOME] = {0};
            for (int j = 0; j < a; j++)
                for (int f = 0; f < SOME; f++)
                    sum[f] += half[u][j][f] * w->g[j][x];
            for (int64_t f = 0; f < n; f++) {
                int64_t c = w->swapped ? column + f : row;
                int64_t k = w->swapped ? row : column + f;
                w->dw[((u * 3 + x) * w->conv->s.c + c) * w->conv->s.k + k] =
                    (float)sum[f];
            }
        }
}

/* Units: rows of the matrix of sums. */
static void finish(void *context, int64_t begin, int64_t end, int worker) {
    const work *w = context;
    int64_t nr = w->conv->isa->nr, step = nr < SOME ? nr : SOME;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        for (int64_t column = 0; column < w->width; column += step) {
            int64_t left = w->width - column, at = column / nr * w->height * nr;
            finish_some(w, w->sums + at + row * nr + column % nr,
                        left < step ? left : step, row, column);
        }
}

static void section(zoo_team *team, int worker, void *context) {
    work *w = context;
    int64_t a = w->m + 2;
    for (int64_t first = 0; first < w->tiles; first += w->chunk) {
        int64_t left = w->tiles - first;
        if (worker == 0)
            w->first = first;
        zoo_team_barrier(team);
        zoo_team_for(team, worker, left < w->chunk ? left : w->chunk, 4, transform, w);
        zoo_team_for(team, worker, a * a * w->panels + 1, 1, multiply, w);
    }
    zoo_team_for(team, worker, w->swapped ? w->conv->s.k : w->conv->s.c, 4, finish, w);
}

static int64_t round_up(int64_t value, int64_t step) {
    return (value + step - 1) / step * step;
}

/* Floats from tile to tile: an odd number of cache lines, so that a column of the
 * matrix does not fall on a few sets of the cache. */
static int64_t row_floats(const zoo_isa *isa, int64_t channels) {
    int64_t end = isa->nr > isa->mr ? isa->nr : isa->mr;
    int64_t lines = (round_up(channels, isa->lanes) + end + 15) / 16;
    return (lines | 1) * 16;
}

static int all_finite(const float *values, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i] - values[i];
    return sum == 0;
}

int zoo_winograd_gradient(const zoo_conv *conv, int m, int threads, const zoo_rows *rows,
                          float *dw, float *db) {
    work w;
    int64_t a = m + 2, nr = conv->isa->nr, mr = conv->isa->mr;
    int64_t c = conv->s.c, k = conv->s.k, floats, each;
    int result = -1;
    memset(&w, 0, sizeof w);
    w.conv = conv;
    w.rows = rows;
    w.m = m;
    w.dw = dw;
    w.swapped = round_up(k, mr) * round_up(c, nr) < round_up(c, mr) * round_up(k, nr);
    w.height = round_up(w.swapped ? k : c, mr);
    w.width = w.swapped ? c : k;
    w.panels = (w.width + nr - 1) / nr;
    w.tiles = conv->tile_rows * conv->tile_cols;
    w.v_row = row_floats(conv->isa, c);
    w.d_row = row_floats(conv->isa, k);
    each = a * a * (w.v_row + w.d_row) * 4;
    w.chunk = CHUNK_BYTES / each;
    w.chunk = w.chunk < LEAST_CHUNK ? LEAST_CHUNK : w.chunk;
    w.chunk = w.chunk > MOST_CHUNK ? MOST_CHUNK : w.chunk;
    w.chunk = w.chunk > w.tiles ? w.tiles : w.chunk;
    w.v_apart = w.chunk * w.v_row + 16;
    w.d_apart = w.chunk * w.d_row + 16;
    floats = zoo_mul(a * a * w.panels, w.height * nr);
    w.sums = zoo_alloc(zoo_mul(zoo_sum(floats, SOME), 4));
    w.v = zoo_alloc(zoo_mul(a * a * 4, w.v_apart));
    w.d = zoo_alloc(zoo_mul(a * a * 4, w.d_apart));
    w.bias = zoo_alloc(zoo_mul(k, 8));
    if (w.sums == NULL || w.v == NULL || w.d == NULL || w.bias == NULL)
        goto done;
    memset(w.sums, 0, (size_t)(floats + SOME) * 4);
    memset(w.bias, 0, (size_t)k * 8);
    zoo_winograd_matrix(m, w.g);
    zoo_parallel(threads, section, &w);
    if (db)
        for (int64_t i = 0; i < k; i++)
            db[i] = (float)w.bias[i];
    /* NaN and infinity spread over all taps here, as they would not in sums. */
    result = all_finite(dw, 9 * c * k) && (db == NULL || all_finite(db, k)) ? 0 : 1;
done:
    zoo_free(w.bias);
    zoo_free(w.d);
    zoo_free(w.v);
    zoo_free(w.sums);
    return result;
}
