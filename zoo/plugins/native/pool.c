/* Pooling, at a cost per pixel that hardly depends on the window.
 *
 * Down the columns: the image's rows are cut into blocks as high as the window
 * (van Herk, Gil and Werman). A window is then a tail of one block and a head of
 * the next; running results from both ends of each block give every window with
 * one more operation. Along the rows: results over 1, 2, 4, ... pixels by doubling.
 * Neither ever takes a value back out, so NaN and infinity stay where they belong.
 *
 * Blocks stand at fixed rows of the image, so that means do not depend on how the
 * rows are shared among threads.
 */
#include "kernels.h"

#include "threads.h"

#include <math.h>
#include <string.h>

/* -- values of rows --------------------------------------------------------- */

static void load_row(const zoo_pool *p, void *to, const float *from) {
    if (p->isa) {
        memcpy(to, from, (size_t)p->line * sizeof *from);
    } else {
        double *d = to;
        for (int64_t i = 0; i < p->line; i++)
            d[i] = from[i];
    }
}

static void join_doubles(const double *a, const double *b, double *y, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

/* to = a (+) row */
static void join_row(const zoo_pool *p, void *to, const void *a, const float *row) {
    if (p->isa) {
        p->isa->maximum(a, row, to, p->line);
    } else {
        const double *from = a;
        double *d = to;
        for (int64_t i = 0; i < p->line; i++)
            d[i] = from[i] + row[i];
    }
}

/* to = a (+) b for values already loaded */
static void join(const zoo_pool *p, void *to, const void *a, const void *b, int64_t n) {
    if (p->isa)
        p->isa->maximum(a, b, to, n);
    else
        join_doubles(a, b, to, n);
}

static void neutral(const zoo_pool *p, void *to, int64_t n) {
    if (p->isa) {
        float *f = to;
        for (int64_t i = 0; i < n; i++)
            f[i] = -INFINITY;
    } else {
        double *d = to;
        for (int64_t i = 0; i < n; i++)
            d[i] = 0;
    }
}

/* -- along a row ------------------------------------------------------------ */

/* row[i] becomes the result over kw pixels from i on, for the windows' first
 * pixels; spare is as long as row. Returns where the results stand. */
static char *sweep(const zoo_pool *p, char *row, char *spare) {
    int64_t c = p->s.c, k = p->s.kw, reach = 1, size = p->size;
    int64_t pixels = p->padded / c, done = 0;
    if (p->isa) {
        while (2 * reach <= k) {
            join(p, row, row, row + reach * c * size, (pixels - 2 * reach + 1) * c);
            reach *= 2;
        }
        if (reach < k)
            join(p, row, row, row + (k - reach) * c * size, (pixels - k + 1) * c);
        return row;
    }
    for (;; reach *= 2) { /* k in powers of two, from the left */
        if (k & reach) {
            int64_t n = (pixels - done - reach + 1) * c;
            if (done == 0)
                memcpy(spare, row, (size_t)(n * size));
            else
                join(p, spare, spare, row + done * c * size, n);
            done += reach;
        }
        if (2 * reach > k)
            return spare;
        join(p, row, row, row + reach * c * size, (pixels - 2 * reach + 1) * c);
    }
}

static int64_t inside(int64_t first, int64_t size, int64_t length) {
    int64_t low = first < 0 ? 0 : first, high = first + size;
    if (high > length)
        high = length;
    return high > low ? high - low : 0;
}

/* One output row from the joined rows in `row` (padded). */
static void emit(const zoo_pool *p, char *row, char *spare, int64_t oy, float *out) {
    int64_t c = p->s.c, sw = p->s.sw;
    const char *from = sweep(p, row, spare);
    if (p->isa) {
        const float *f = (const float *)from;
        if (sw == 1)
            memcpy(out, f, (size_t)(p->s.ow * c) * sizeof *out);
        else
            for (int64_t ox = 0; ox < p->s.ow; ox++, out += c)
                for (int64_t i = 0; i < c; i++)
                    out[i] = f[ox * sw * c + i];
        return;
    }
    int64_t high = inside(oy * p->s.sh - p->s.top, p->s.kh, p->s.h);
    for (int64_t ox = 0; ox < p->s.ow; ox++, out += c) {
        int64_t cells = high * inside(ox * sw - p->s.left, p->s.kw, p->s.w);
        const double *d = (const double *)from + ox * sw * c;
        for (int64_t i = 0; i < c; i++)
            out[i] = (float)(d[i] / (double)cells);
    }
}

/* -- down the columns ------------------------------------------------------- */

typedef struct {
    char *row;    /* padded */
    char *spare;
    char *head;   /* running result from the top of a block */
    char *tails;  /* kh rows: results from each row of a block to its end */
} buffers;

static void direct_row(const zoo_pool *p, const zoo_rows_in *in, int64_t oy, char *middle) {
    int64_t low = oy * p->s.sh - p->s.top, high = low + p->s.kh;
    if (low < 0)
        low = 0;
    if (high > p->s.h)
        high = p->s.h;
    if (low >= high)
        return;
    if (p->isa && high - low > 1) {
        p->isa->maximum(zoo_row_in(in, low), zoo_row_in(in, low + 1), (float *)middle, p->line);
        low++;
    } else {
        load_row(p, middle, zoo_row_in(in, low));
    }
    for (int64_t i = low + 1; i < high; i++)
        join_row(p, middle, middle, zoo_row_in(in, i));
}

/* Tails from the last row of a block up to its row `from`: what is above may be gone
 * already. Rows outside the image join as nothing: tails of an empty run are neutral. */
static void fill_tails(const zoo_pool *p, const zoo_rows_in *in, int64_t first, int64_t from,
                       char *tails) {
    int64_t k = p->s.kh, wc = p->line, bytes = wc * p->size;
    for (int64_t j = k - 1; j >= from; j--) {
        int64_t at = first + j;
        int out = at < 0 || at >= p->s.h;
        char *to = tails + j * bytes;
        if (j == k - 1) {
            if (out)
                neutral(p, to, wc);
            else
                load_row(p, to, zoo_row_in(in, at));
        } else if (out) {
            memcpy(to, to + bytes, (size_t)bytes);
        } else {
            join_row(p, to, to + bytes, zoo_row_in(in, at));
        }
    }
}

static void blocked_rows(const zoo_pool *p, const zoo_rows_in *in, const zoo_rows_out *out,
                         int64_t o0, int64_t o1, const buffers *b) {
    int64_t k = p->s.kh, wc = p->line, bytes = wc * p->size, pad = p->s.left * p->s.c;
    int64_t block = -1, heads = 0; /* of the next block, rows in b->head */
    char *middle = b->row + pad * p->size;
    for (int64_t oy = o0; oy < o1; oy++) {
        int64_t v = oy * p->s.sh, own = v / k, j = v % k; /* in padded rows */
        int64_t next = (own + 1) * k - p->s.top;
        if (own != block) {
            fill_tails(p, in, own * k - p->s.top, j, b->tails);
            neutral(p, b->head, wc);
            block = own;
            heads = 0;
        }
        for (; heads < j; heads++) {
            int64_t at = next + heads;
            if (at >= 0 && at < p->s.h)
                join_row(p, b->head, b->head, zoo_row_in(in, at));
        }
        neutral(p, b->row, p->padded);
        if (j == 0)
            memcpy(middle, b->tails, (size_t)bytes);
        else
            join(p, middle, b->tails + j * bytes, b->head, wc);
        emit(p, b->row, b->spare, oy, zoo_row_out(out, oy));
    }
}

int zoo_pool_init(zoo_pool *p, const zoo_isa *isa, const zoo_pool_shape *s) {
    int64_t right = (s->ow - 1) * s->sw + s->kw - s->left - s->w, bytes;
    memset(p, 0, sizeof *p);
    p->isa = isa;
    p->s = *s;
    if (right < 0)
        right = 0;
    p->size = isa ? sizeof(float) : sizeof(double);
    p->line = s->w * s->c;
    p->padded = zoo_mul(zoo_sum(zoo_sum(s->left, s->w), right), s->c);
    /* Cost per output row: kh rows directly, about 3 sh by blocks. */
    p->direct = s->kh <= 3 * s->sh + 1 || s->oh <= 2;
    p->band = p->direct ? 8 : s->kh / s->sh * 4;
    bytes = zoo_sum(zoo_mul(p->padded, 2),
                    zoo_mul(p->line, p->direct ? 1 : zoo_sum(s->kh, 1)));
    bytes = zoo_sum(zoo_mul(bytes, p->size), 4096);
    if (bytes < 0)
        return -1;
    p->scratch = bytes / 64 * 64;
    return 0;
}

void zoo_pool_part(const zoo_pool *p, const zoo_rows_in *in, const zoo_rows_out *out,
                   int64_t o0, int64_t o1, void *scratch) {
    buffers b;
    b.row = scratch;
    b.spare = b.row + p->padded * p->size;
    b.head = b.spare + p->padded * p->size;
    b.tails = b.head + p->line * p->size;
    if (!p->direct) {
        blocked_rows(p, in, out, o0, o1, &b);
        return;
    }
    for (int64_t oy = o0; oy < o1; oy++) {
        neutral(p, b.row, p->padded);
        direct_row(p, in, oy, b.row + p->s.left * p->s.c * p->size);
        emit(p, b.row, b.spare, oy, zoo_row_out(out, oy));
    }
}

/* -- whole arrays ----------------------------------------------------------- */

typedef struct {
    zoo_pool pool;
    const float *x;
    float *y;
    int64_t bands; /* per image */
    char *memory;
} pool_loop;

/* Units: bands of output rows. */
static void pool_bands(void *context, int64_t begin, int64_t end, int worker) {
    const pool_loop *l = context;
    const zoo_pool_shape *s = &l->pool.s;
    char *scratch = l->memory + worker * l->pool.scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t image = unit / l->bands, o0 = unit % l->bands * l->pool.band;
        int64_t o1 = o0 + l->pool.band < s->oh ? o0 + l->pool.band : s->oh;
        zoo_rows_in in = {l->x + image * s->h * l->pool.line, l->pool.line, s->h, 0};
        zoo_rows_out out = {l->y + image * s->oh * s->ow * s->c, s->ow * s->c, s->oh, 0};
        zoo_pool_part(&l->pool, &in, &out, o0, o1, scratch);
    }
}

static int run(const zoo_isa *isa, int threads, const zoo_pool_shape *s, const float *x,
               float *y) {
    pool_loop l = {.x = x, .y = y};
    zoo_pool *p = &l.pool;
    if (s->n < 1 || s->oh < 1 || s->ow < 1 || s->c < 1)
        return 0;
    if (zoo_pool_init(p, isa, s))
        return -1;
    while (p->band > 8 && (s->oh + p->band - 1) / p->band * s->n < 2 * threads)
        p->band = (p->band + 1) / 2;
    l.bands = (s->oh + p->band - 1) / p->band;
    if (threads > l.bands * s->n)
        threads = (int)(l.bands * s->n);
    l.memory = zoo_alloc(zoo_mul(threads, p->scratch));
    if (l.memory == NULL)
        return -1;
    zoo_parallel_for(threads, l.bands * s->n, 1, pool_bands, &l);
    zoo_free(l.memory);
    return 0;
}

int zoo_max_pool(const zoo_isa *isa, int threads, const zoo_pool_shape *s, const float *x,
                 float *y) {
    return run(isa, threads, s, x, y);
}

int zoo_average_pool(int threads, const zoo_pool_shape *s, const float *x, float *y) {
    return run(NULL, threads, s, x, y);
}
