/* Self-attention inside windows: which pixels each window has. */
#include "kernels.h"

int64_t zoo_attend_scratch(const zoo_attention *a) {
    int64_t places = zoo_mul(a->rows, a->columns), floats;
    floats = zoo_mul(zoo_sum(zoo_sum(places, 2), zoo_mul(a->depth, 2)),
                     4 * ZOO_ATTEND_BLOCK);
    return zoo_sum(floats, zoo_mul(places, 5 * (int64_t)sizeof(void *)));
}

int64_t zoo_attend_units(const zoo_attention *a, int64_t start, int64_t stop) {
    int64_t down = (stop - 1 + a->top) / a->rows - (start + a->top) / a->rows + 1;
    int64_t last = a->out_first + a->out_width - 1 + a->left;
    return down * (last / a->columns - (a->out_first + a->left) / a->columns + 1);
}

void zoo_attend_part(const zoo_isa *isa, const zoo_attention *a, const zoo_rows_in *in,
                     const zoo_rows_out *out, int64_t start, int64_t stop, int64_t unit,
                     void *scratch) {
    int64_t channels = a->heads * a->depth, at = 0, places = a->rows * a->columns;
    int64_t low = (a->out_first + a->left) / a->columns;
    int64_t last = (a->out_first + a->out_width - 1 + a->left) / a->columns;
    int64_t across = last - low + 1;
    int64_t y0 = (unit / across + (start + a->top) / a->rows) * a->rows - a->top;
    int64_t x0 = (unit % across + low) * a->columns - a->left;
    const float **pixels = scratch;
    float **results = (float **)(pixels + places);
    for (int64_t y = y0; y < y0 + a->rows; y++)
        for (int64_t x = x0; x < x0 + a->columns; x++, at++) {
            int64_t from = x - a->in_first, to = x - a->out_first;
            pixels[at] = NULL;
            results[at] = NULL;
            if (y < 0 || y >= a->height || from < 0 || from >= a->in_width)
                continue;
            pixels[at] = zoo_row_in(in, y) + from * 3 * channels;
            if (y >= start && y < stop && to >= 0 && to < a->out_width)
                results[at] = zoo_row_out(out, y) + to * channels;
        }
    isa->attend(a, pixels, results, results + places);
}
