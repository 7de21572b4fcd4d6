/* Gradients of pooling.
 *
 * Maxima: on the way forward it is kept which cell of each window is the largest, at a
 * cost that hardly depends on the window. Along the rows windows are made by doubling,
 * down the columns from tails and heads of blocks (pool.c), of pairs of a value and the
 * number of its cell. On the way back every unit is a band of the image's own rows; it
 * looks at all windows that reach into the band, from top to bottom, and adds what
 * belongs to its rows, so sums have one order for every number of threads.
 *
 * Means: each row of the image sums up the rows of windows that reach it, and then
 * along the row. */
#include "gradients.h"

#include "threads.h"

#include <math.h>
#include <string.h>

typedef struct {
    const zoo_isa *isa;
    zoo_pool_shape s;
    const float *x, *delta;
    float *y, *dx;
    int32_t *found;
    const int32_t *places; /* cells of the image, which are the largest of a window */
    int64_t bands, band; /* per image; rows of the image in each */
    int64_t padded, line; /* values of a padded row, and of one of results */
    size_t scratch;
    char *memory;
} pool;

/* Values and cells of a row. */
typedef struct {
    float *value;
    int32_t *cell;
} pairs;

static pairs at(pairs p, int64_t i) {
    pairs found = {p.value + i, p.cell + i};
    return found;
}

static void join(const pool *p, pairs a, pairs b, pairs out, int64_t n) {
    p->isa->larger(a.value, a.cell, b.value, b.cell, out.value, out.cell, n);
}

static void nothing(pairs to, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        to.value[i] = -INFINITY;
        to.cell[i] = -1;
    }
}

/* Maxima of the windows of row y, which may lie outside; wide: a padded row. */
static void row_windows(const pool *p, const float *image, int64_t y, pairs wide,
                        pairs out) {
    const zoo_pool_shape *s = &p->s;
    int64_t c = s->c, k = s->kw, reach = 1, pixels = p->padded / c;
    if (y < 0 || y >= s->h) {
        nothing(out, p->line);
        return;
    }
    nothing(wide, s->left * c);
    for (int64_t x = 0, i = s->left * c; x < s->w; x++)
        for (int64_t j = 0; j < c; j++, i++)
            wide.cell[i] = (int32_t)(y * s->w + x);
    memcpy(wide.value + s->left * c, image + y * s->w * c,
           (size_t)(s->w * c) * sizeof(float));
    nothing(at(wide, (s->left + s->w) * c), p->padded - (s->left + s->w) * c);
    for (; 2 * reach <= k; reach *= 2)
        join(p, wide, at(wide, reach * c), wide, (pixels - 2 * reach + 1) * c);
    if (reach < k)
        join(p, wide, at(wide, (k - reach) * c), wide, (pixels - k + 1) * c);
    for (int64_t o = 0; o < s->ow; o++)
        for (int64_t j = 0; j < c; j++) {
            out.value[o * c + j] = wide.value[o * s->sw * c + j];
            out.cell[o * c + j] = wide.cell[o * s->sw * c + j];
        }
}

static pairs carve(char **memory, int64_t n) {
    pairs made;
    made.value = (float *)*memory;
    made.cell = (int32_t *)(made.value + n);
    *memory += (n * 8 + 63) / 64 * 64;
    return made;
}

/* Units: bands of rows of the results. */
static void find_bands(void *context, int64_t begin, int64_t end, int worker) {
    const pool *p = context;
    const zoo_pool_shape *s = &p->s;
    int64_t k = s->kh, n = p->line;
    char *memory = p->memory + (size_t)worker * p->scratch;
    pairs wide = carve(&memory, p->padded), row = carve(&memory, n);
    pairs head = carve(&memory, n), tails = carve(&memory, n);
    for (int64_t i = 1; i < k; i++)
        carve(&memory, n);
    int64_t apart = (n * 8 + 63) / 64 * 16; /* floats from one of the tails to the next */
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t number = unit / p->bands, first = unit % p->bands * p->band;
        int64_t last = first + p->band < s->oh ? first + p->band : s->oh;
        const float *image = p->x + number * s->h * s->w * s->c;
        int64_t block = -1, heads = 0;
        for (int64_t o = first; o < last; o++) {
            int64_t v = o * s->sh, own = v / k, j = v % k, start = own * k - s->top;
            int64_t place = (number * s->oh + o) * n;
            pairs found, out = {p->y + place, p->found + place};
            if (own != block) {
                for (int64_t i = k - 1; i >= 0; i--) {
                    pairs tail = at(tails, i * apart);
                    row_windows(p, image, start + i, wide, i == k - 1 ? tail : row);
                    if (i < k - 1)
                        join(p, row, at(tails, (i + 1) * apart), tail, n);
                }
                nothing(head, n);
                block = own;
                heads = 0;
            }
            for (; heads < j; heads++) {
                row_windows(p, image, start + k + heads, wide, row);
                join(p, head, row, head, n);
            }
            found = at(tails, j * apart);
            if (j > 0) {
                join(p, found, head, out, n);
                continue;
            }
            memcpy(out.value, found.value, (size_t)n * sizeof *out.value);
            memcpy(out.cell, found.cell, (size_t)n * sizeof *out.cell);
        }
    }
}

/* Units: bands of rows of the images. */
static void scatter_bands(void *context, int64_t begin, int64_t end, int worker) {
    const pool *p = context;
    const zoo_pool_shape *s = &p->s;
    int64_t c = s->c, n = p->line;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t number = unit / p->bands, low = unit % p->bands * p->band;
        int64_t high = low + p->band < s->h ? low + p->band : s->h;
        int64_t o = low + s->top - s->kh + 1;
        float *to = p->dx + (number * s->h + low) * s->w * c;
        uint32_t least = (uint32_t)(low * s->w), cells = (uint32_t)((high - low) * s->w);
        memset(to, 0, (size_t)cells * (size_t)c * sizeof *to);
        o = o <= 0 ? 0 : (o + s->sh - 1) / s->sh;
        for (; o < s->oh && o * s->sh - s->top < high; o++) {
            const float *delta = p->delta + (number * s->oh + o) * n;
            const int32_t *place = p->places + (number * s->oh + o) * n;
            for (int64_t i = 0; i < n; i += c)
                for (int64_t q = 0; q < c; q++) {
                    /* Other bands' rows and -1, of windows of nothing, are far off. */
                    uint32_t cell = (uint32_t)place[i + q] - least;
                    if (cell < cells)
                        to[(int64_t)cell * c + q] += delta[i + q];
                }
        }
    }
}

static int64_t padded_pixels(const zoo_pool_shape *s) {
    int64_t reach = (s->ow - 1) * s->sw + s->kw;
    return zoo_sum(reach > s->left + s->w ? reach : s->left + s->w, 0);
}

/* Bands of rows, of which each image has so many; several for every thread. */
static void set_bands(pool *p, int64_t rows, int threads) {
    p->band = 4 * p->s.kh > 32 ? 4 * p->s.kh : 32;
    while (p->band > 8 && (rows + p->band - 1) / p->band * p->s.n < 2 * threads)
        p->band = (p->band + 1) / 2;
    p->bands = (rows + p->band - 1) / p->band;
}

int zoo_max_pool_places(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                        const float *x, float *y, int32_t *places) {
    pool p = {.isa = isa, .s = *s, .x = x, .y = y, .found = places};
    int64_t bytes;
    p.line = zoo_mul(s->ow, s->c);
    p.padded = zoo_mul(padded_pixels(s), s->c);
    set_bands(&p, s->oh, threads);
    bytes = zoo_mul(p.line, zoo_sum(s->kh, 2));
    bytes = zoo_mul(zoo_sum(bytes, p.padded), 8);
    bytes = zoo_sum(bytes, zoo_mul(zoo_sum(s->kh, 8), 64));
    if (bytes < 0 || zoo_mul(s->h, s->w) < 0 || s->h * s->w > INT32_MAX)
        return -1;
    p.scratch = (size_t)(bytes + 63) / 64 * 64;
    if (threads > p.bands * s->n)
        threads = (int)(p.bands * s->n);
    p.memory = zoo_alloc(zoo_mul(threads, (int64_t)p.scratch));
    if (p.memory == NULL)
        return -1;
    zoo_parallel_for(threads, p.bands * s->n, 1, find_bands, &p);
    zoo_free(p.memory);
    return 0;
}

int zoo_max_pool_gradient(int threads, const zoo_pool_shape *s, const int32_t *places,
                          const float *delta, float *dx) {
    pool p = {.s = *s, .places = places, .delta = delta, .dx = dx};
    p.line = zoo_mul(s->ow, s->c);
    if (p.line < 0 || zoo_mul(s->h, s->w) < 0 || s->h * s->w > INT32_MAX)
        return -1;
    set_bands(&p, s->h, threads);
    zoo_parallel_for(threads, p.bands * s->n, 1, scatter_bands, &p);
    return 0;
}

/* -- means -------------------------------------------------------------------- */

static int64_t inside(int64_t first, int64_t size, int64_t length) {
    int64_t low = first < 0 ? 0 : first, high = first + size;
    if (high > length)
        high = length;
    return high > low ? high - low : 0;
}

/* Units: rows of the image. */
static void mean_rows(void *context, int64_t begin, int64_t end, int worker) {
    const pool *p = context;
    const zoo_pool_shape *s = &p->s;
    int64_t c = s->c, n = p->line;
    float *sums = (float *)(p->memory + (size_t)worker * p->scratch);
    for (int64_t row = begin; row < end; row++) {
        int64_t y = row % s->h, low = y + s->top - s->kh + 1;
        int64_t o = low <= 0 ? 0 : (low + s->sh - 1) / s->sh;
        const float *delta = p->delta + row / s->h * s->oh * n;
        float *to = p->dx + row * s->w * c;
        memset(sums, 0, (size_t)n * sizeof *sums);
        memset(to, 0, (size_t)(s->w * c) * sizeof *to);
        for (; o < s->oh && o * s->sh - s->top <= y; o++)
            p->isa->axpy(1.0f / (float)inside(o * s->sh - s->top, s->kh, s->h), sums,
                         delta + o * n, sums, n);
        for (o = 0; o < s->ow; o++) {
            int64_t cells = inside(o * s->sw - s->left, s->kw, s->w);
            for (int64_t j = o * c; cells > 1 && j < (o + 1) * c; j++)
                sums[j] /= (float)cells;
        }
        if (s->sw == 1) { /* the whole row moved by one pixel after another */
            for (int64_t i = 0; i < s->kw; i++) {
                int64_t from = s->left - i, last = s->w + s->left - i;
                from = from < 0 ? 0 : from;
                last = last > s->ow ? s->ow : last;
                if (from < last) {
                    float *at_x = to + (from - s->left + i) * c;
                    p->isa->axpy(1, at_x, sums + from * c, at_x, (last - from) * c);
                }
            }
            continue;
        }
        for (o = 0; o < s->ow; o++) {
            int64_t x = o * s->sw - s->left, last = x + s->kw < s->w ? x + s->kw : s->w;
            for (x = x < 0 ? 0 : x; x < last; x++)
                for (int64_t j = 0; j < c; j++)
                    to[x * c + j] += sums[o * c + j];
        }
    }
}

int zoo_average_pool_gradient(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                              const float *delta, float *dx) {
    pool p = {.isa = isa, .s = *s, .delta = delta, .dx = dx};
    p.line = zoo_mul(s->ow, s->c);
    if (p.line < 0)
        return -1;
    p.scratch = (size_t)(p.line * 4 + 63) / 64 * 64;
    if (threads > s->n * s->h)
        threads = (int)(s->n * s->h);
    p.memory = zoo_alloc(zoo_mul(threads, (int64_t)p.scratch));
    if (p.memory == NULL)
        return -1;
    zoo_parallel_for(threads, s->n * s->h, 4, mean_rows, &p);
    zoo_free(p.memory);
    return 0;
}
