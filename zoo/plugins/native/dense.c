/* Fully connected layers: y = activation(x W' + b), W outputs x inputs. */
#include "kernels.h"

#include "threads.h"

#define FEW 8      /* rows of x up to which packing W does not pay */
#define DEPTH 1024 /* inputs whose weights are packed at a time */

typedef struct {
    const zoo_isa *isa;
    int64_t n, inputs, outputs;
    const float *x, *weights;
    const zoo_epilogue *e;
    float *y, *panels; /* one panel per worker */
} dense;

static void finish_columns(const dense *d, int64_t row, int64_t first, int64_t cols) {
    float *y = d->y + row * d->outputs + first;
    if (d->e->bias)
        d->isa->axpy(1, y, d->e->bias + first, y, cols);
    if (d->e->activation != ZOO_LINEAR)
        d->isa->activate(d->e->activation, d->e->slope, NULL, y, y, cols);
}

/* Units: panels of nr outputs. */
static void dense_panels(void *context, int64_t begin, int64_t end, int worker) {
    const dense *d = context;
    int64_t nr = d->isa->nr, lanes = d->isa->lanes;
    float *panel = d->panels + worker * nr * DEPTH;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t k = unit * nr, cols = d->outputs - k < nr ? d->outputs - k : nr;
        if (d->n <= FEW) {
            for (int64_t i = 0; i < d->n; i++)
                for (int64_t j = k; j < k + cols; j++)
                    d->y[i * d->outputs + j] = d->isa->dot(
                        d->x + i * d->inputs, d->weights + j * d->inputs, d->inputs);
        } else {
            int64_t width = cols <= lanes ? lanes : nr;
            for (int64_t c = 0; c < d->inputs; c += DEPTH) {
                int64_t depth = d->inputs - c < DEPTH ? d->inputs - c : DEPTH;
                for (int64_t j = 0; j < width; j++)
                    for (int64_t i = 0; i < depth; i++)
                        panel[i * width + j] =
                            j < cols ? d->weights[(k + j) * d->inputs + c + i] : 0;
                d->isa->matmul_panel(d->x + c, d->inputs, d->n, depth, panel, cols,
                                     d->y + k, d->outputs, c > 0);
            }
        }
        for (int64_t i = 0; i < d->n; i++)
            finish_columns(d, i, k, cols);
    }
}

int zoo_dense(const zoo_isa *isa, int threads, int64_t n, int64_t inputs, int64_t outputs,
              const float *x, const float *weights, const zoo_epilogue *e, float *y) {
    dense d = {isa, n, inputs, outputs, x, weights, e, y, NULL};
    int64_t panels = (outputs + isa->nr - 1) / isa->nr;
    if (n < 1 || outputs < 1)
        return 0;
    if (inputs == 0) /* the sums are empty */
        for (int64_t i = 0; i < n * outputs; i++)
            y[i] = 0;
    if (threads > panels)
        threads = (int)panels;
    d.panels = zoo_alloc(zoo_mul(zoo_mul(threads, isa->nr), DEPTH * 4));
    if (d.panels == NULL)
        return -1;
    zoo_parallel_for(threads, panels, 1, dense_panels, &d);
    zoo_free(d.panels);
    return 0;
}
