/* Pixel shuffle: copies, at the speed of memory. */
#include "kernels.h"

#include "threads.h"

#include <string.h>

typedef struct {
    int64_t h, w, c, scale, out; /* out: channels of the shallow side */
    int dcr, up;
    const float *x;
    float *y;
} shuffle;

/* Floats of one deep pixel that go to row i of its cell are scale * out long in the
 * shallow image. dcr: they stand together. crd: they stand scale^2 apart by
 * channel, one apart by column. */
static void scatter_crd(const float *from, float *to, int64_t scale, int64_t out) {
    for (int64_t j = 0; j < scale; j++)
        for (int64_t c = 0; c < out; c++)
            to[j * out + c] = from[c * scale * scale + j];
}

static void gather_crd(const float *from, float *to, int64_t scale, int64_t out) {
    for (int64_t j = 0; j < scale; j++)
        for (int64_t c = 0; c < out; c++)
            to[c * scale * scale + j] = from[j * out + c];
}

/* Small copies of constant size are cheaper than calls. */
static void copy_run(float *to, const float *from, int64_t n) {
    if (n >= 64)
        memcpy(to, from, (size_t)n * sizeof *to);
    else
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}

/* Units: rows of the deep image, of all images. */
static void shuffle_rows(void *context, int64_t begin, int64_t end, int worker) {
    const shuffle *s = context;
    int64_t r = s->scale, out = s->out, run = r * out;
    (void)worker;
    for (int64_t row = begin; row < end; row++)
        for (int64_t i = 0; i < r; i++) {
            int64_t deep = row * s->w * s->c, shallow = (row * r + i) * s->w * run;
            int64_t offset = s->dcr ? i * run : i * r;
            for (int64_t x = 0; x < s->w; x++, deep += s->c, shallow += run) {
                if (s->up && s->dcr)
                    copy_run(s->y + shallow, s->x + deep + offset, run);
                else if (s->up && r == 2)
                    scatter_crd(s->x + deep + offset, s->y + shallow, 2, out);
                else if (s->up)
                    scatter_crd(s->x + deep + offset, s->y + shallow, r, out);
                else if (s->dcr)
                    copy_run(s->y + deep + offset, s->x + shallow, run);
                else
                    gather_crd(s->x + shallow, s->y + deep + offset, r, out);
            }
        }
}

static void run(int threads, int64_t n, int64_t h, int64_t w, int64_t c, int64_t scale,
                int dcr, int up, const float *x, float *y) {
    shuffle s = {h, w, c, scale, c / (scale * scale), dcr, up, x, y};
    if (w > 0 && s.out > 0)
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
