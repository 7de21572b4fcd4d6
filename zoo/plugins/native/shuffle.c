/* Pixel shuffle: copies, at the speed of memory. */
#include "kernels.h"

#include "threads.h"

#include <string.h>

#ifdef __GNUC__
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* Row i of the cells of w deep pixels, c channels each, stands in a row of the
 * shallow image, scale * out floats per cell. dcr: those stand together in the deep
 * pixel. crd: they stand scale^2 apart by channel, one apart by column. */

/* Small copies of constant size are cheaper than calls. */
INLINE void copy_run(float *to, const float *from, int64_t n) {
    if (n >= 64)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}

INLINE void row_dcr(const int up, const float *from, float *to, int64_t w, int64_t scale,
                    int64_t out, int64_t i) {
    int64_t run = scale * out, c = scale * run;
    for (int64_t x = 0; x < w; x++)
        if (up)
            copy_run(to + x * run, from + x * c + i * run, run);
        else
            copy_run(to + x * c + i * run, from + x * run, run);
}

/* With constant scale and out, all of a cell is unrolled. */
INLINE void row_crd(const int up, const float *from, float *to, int64_t w,
                    const int64_t scale, const int64_t out, int64_t i) {
    const int64_t run = scale * out, c = scale * run;
    for (int64_t x = 0; x < w; x++) {
        const float *a = from + (up ? x * c + i * scale : x * run);
        float *b = to + (up ? x * run : x * c + i * scale);
#pragma GCC unroll 8
        for (int64_t j = 0; j < scale; j++)
#pragma GCC unroll 4
            for (int64_t k = 0; k < out; k++)
                if (up)
                    b[j * out + k] = a[k * scale * scale + j];
                else
                    b[k * scale * scale + j] = a[j * out + k];
    }
}

/* The usual scales, of gray and color; then any number of channels. */
INLINE void row_any(const int up, const float *from, float *to, int64_t w, int64_t scale,
                    int64_t out, int dcr, int64_t i) {
#define SCALE(R)                                                                       \
    case R:                                                                            \
        if (out == 3)                                                                  \
            row_crd(up, from, to, w, R, 3, i);                                         \
        else if (out == 1)                                                             \
            row_crd(up, from, to, w, R, 1, i);                                         \
        else                                                                           \
            row_crd(up, from, to, w, R, out, i);                                       \
        break;
    if (dcr) {
        row_dcr(up, from, to, w, scale, out, i);
        return;
    }
    switch (scale) {
        SCALE(2)
        SCALE(3)
        SCALE(4)
        SCALE(6)
        SCALE(8)
    default:
        row_crd(up, from, to, w, scale, out, i);
    }
#undef SCALE
}

void zoo_shuffle_row(const float *deep, float *shallow, int64_t w, int64_t scale,
                     int64_t out, int dcr, int64_t i) {
    row_any(1, deep, shallow, w, scale, out, dcr, i);
}

void zoo_unshuffle_row(const float *shallow, float *deep, int64_t w, int64_t scale,
                       int64_t out, int dcr, int64_t i) {
    row_any(0, shallow, deep, w, scale, out, dcr, i);
}

typedef struct {
    int64_t w, c, scale;
    int dcr, up;
    const float *x;
    float *y;
} shuffle;

/* Units: rows of the deep image, of all images. */
static void shuffle_rows(void *context, int64_t begin, int64_t end, int worker) {
    const shuffle *s = context;
    int64_t r = s->scale, out = s->c / (r * r), run = r * out;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < r; i++) {
            int64_t deep = row * s->w * s->c, shallow = (row * r + i) * s->w * run;
            if (s->up)
                zoo_shuffle_row(s->x + deep, s->y + shallow, s->w, r, out, s->dcr, i);
            else
                zoo_unshuffle_row(s->x + shallow, s->y + deep, s->w, r, out, s->dcr, i);
        }
}

static void run(int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t scale,
                int dcr, int up, const float *x, float *y) {
    shuffle s = {w, c, scale, dcr, up, x, y};
    if (w > 0 && c > 0)
        zoo_parallel_for(n * h * w * c < 65536 ? 1 : threads, n * h, 1, shuffle_rows, &s);
}

void zoo_depth_to_space(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t scale, int dcr, const float *x, float *y) {
    run(threads, n, h, w, c, scale, dcr, 1, x, y);
}

void zoo_space_to_depth(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t scale, int dcr, const float *x, float *y) {
    run(threads, n, h, w, c, scale, dcr, 0, x, y);
}
