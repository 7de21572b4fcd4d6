/* Steps of a compiled network, row by row, and the section that runs them. */
#include "engine.h"

#include "threads.h"

#include <stdlib.h>
#include <string.h>

zoo_engine *zoo_engine_new(const zoo_isa *isa, int64_t values, int64_t steps) {
    zoo_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->isa = isa;
    engine->values = calloc((size_t)values, sizeof *engine->values);
    engine->steps = calloc((size_t)steps, sizeof *engine->steps);
    engine->value_count = values;
    engine->step_count = steps;
    if (engine->values == NULL || engine->steps == NULL) {
        zoo_engine_free(engine);
        return NULL;
    }
    return engine;
}

void zoo_engine_free(zoo_engine *engine) {
    if (engine == NULL)
        return;
    for (int64_t i = 0; engine->steps && i < engine->step_count; i++)
        if (engine->steps[i].has_conv)
            zoo_conv_clear(&engine->steps[i].conv);
    zoo_free(engine->zeros);
    free(engine->steps);
    free(engine->values);
    free(engine);
}

int zoo_engine_zeros(zoo_engine *engine, int64_t count) {
    float *zeros;
    if (count >= 0 && count <= engine->zero_count)
        return 0;
    zeros = zoo_alloc(zoo_mul(count, 4));
    if (zeros == NULL)
        return -1;
    memset(zeros, 0, (size_t)count * sizeof *zeros);
    zoo_free(engine->zeros);
    engine->zeros = zeros;
    engine->zero_count = count;
    return 0;
}

int64_t zoo_engine_bytes(const zoo_engine *engine) {
    int64_t bytes = 4 * engine->zero_count;
    for (int64_t i = 0; i < engine->step_count; i++)
        bytes += engine->steps[i].conv.bytes;
    return bytes;
}

/* Pointers that a convolution's task needs: input, output and residual rows. */
static int64_t table_bytes(const zoo_step *step) {
    const zoo_conv *c = &step->conv;
    int64_t tiles = (step->most_rows + c->tile - 1) / c->tile;
    return zoo_mul(zoo_mul(tiles, c->span + 2 * c->tile), (int64_t)sizeof(void *));
}

int64_t zoo_engine_scratch(const zoo_engine *engine) {
    int64_t most = 0;
    for (int64_t i = 0; i < engine->step_count; i++) {
        const zoo_step *step = &engine->steps[i];
        int64_t bytes = 0;
        if (step->has_conv)
            bytes = zoo_sum((int64_t)step->conv.scratch, table_bytes(step));
        else if (step->kind == ZOO_STEP_POOL)
            bytes = step->pool.scratch;
        else if (step->kind == ZOO_STEP_RESIZE)
            bytes = zoo_mul(step->scale, engine->values[step->output].channels * 4);
        else if (step->kind == ZOO_STEP_ATTEND)
            bytes = zoo_attend_scratch(&step->attention);
        if (bytes < 0)
            return -1;
        most = bytes > most ? bytes : most;
    }
    return (most + 64 + 4095) / 4096 * 4096; /* no two workers share a page */
}

/* -- steps ------------------------------------------------------------------ */

static float *row_of(const zoo_value *value, int64_t row) {
    return value->data + (row + value->shift) % value->rows * value->apart;
}

/* Row of a step's input, from the first column that the step reads. */
static const float *input_row(const zoo_engine *engine, const zoo_step *step, int n,
                              int64_t row) {
    const zoo_value *value = &engine->values[step->inputs[n]];
    return row_of(value, row) + step->skip[n] * value->pixel;
}

typedef struct {
    const zoo_engine *engine;
    const zoo_step *step;
    int64_t start, stop;
    zoo_conv conv; /* the task's: fewer rows than the picture's */
    zoo_rows rows;
    int64_t band;  /* rows of a unit of pooling */
    void *scratch; /* the worker's */
} job;

static zoo_rows_in rows_in(const job *j, int n) {
    const zoo_value *in = &j->engine->values[j->step->inputs[n]];
    zoo_rows_in rows = {in->data + j->step->skip[n] * in->pixel, in->apart, in->rows,
                        in->shift};
    return rows;
}

static zoo_rows_out rows_out(const job *j) {
    const zoo_value *out = &j->engine->values[j->step->output];
    zoo_rows_out rows = {out->data, out->apart, out->rows, out->shift};
    return rows;
}

static void conv_units(void *context, int64_t begin, int64_t end, int worker) {
    job *j = context;
    (void)worker;
    zoo_conv_part(&j->conv, &j->rows, begin, end, j->scratch);
}

/* Describe the rows of one task; every worker does so in its own scratch. */
static void prepare_conv(job *j, int team) {
    const zoo_step *step = j->step;
    const zoo_value *out = &j->engine->values[step->output];
    const zoo_rows_in in = rows_in(j, 0);
    const zoo_rows_in residual = rows_in(j, step->input_count - 1);
    const zoo_rows_out to = rows_out(j);
    zoo_conv *c = &j->conv;
    int64_t scale = step->scale, start = j->start / scale, stop = j->stop / scale, bytes;
    *c = step->conv;
    c->zeros = j->engine->zeros;
    /* The rows that a row becomes stand together: rings hold whole groups of them. */
    c->jump = out->apart - c->cell;
    zoo_conv_divide(c, 1, (stop - start + c->tile - 1) / c->tile, team);
    bytes = zoo_conv_rows(c, start / c->tile, stop, scale, &in,
                          step->input_count > 1 ? &residual : NULL, &to, j->scratch,
                          &j->rows) *
            (int64_t)sizeof(void *);
    j->scratch = (char *)j->scratch + (bytes + 63) / 64 * 64;
}

static void shuffle_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    int64_t r = s->scale;
    zoo_shuffle_row(input_row(j->engine, s, 0, y / r), row_of(out, y), out->width / r, r,
                    out->channels, s->dcr, y % r);
}

static void repeat_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *in = &j->engine->values[s->inputs[0]];
    const zoo_value *out = &j->engine->values[s->output];
    const float *from = input_row(j->engine, s, 0, y / s->scale);
    float *to = row_of(out, y);
    int64_t c = in->channels;
    for (int64_t x = 0; x < out->width / s->scale; x++, from += c)
        for (int64_t k = 0; k < s->scale; k++, to += c) {
            if (s->factor == 1)
                memcpy(to, from, (size_t)c * sizeof *to);
            else
                for (int64_t i = 0; i < c; i++)
                    to[i] = s->factor * from[i];
        }
}

static void pad_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *in = &j->engine->values[s->inputs[0]];
    const zoo_value *out = &j->engine->values[s->output];
    int64_t c = in->channels, row = zoo_source(y - s->top, in->height, s->pad_mode);
    const float *from = row < 0 ? NULL : input_row(j->engine, s, 0, row);
    float *to = row_of(out, y);
    if (from == NULL) {
        memset(to, 0, (size_t)(out->width * c) * sizeof *to);
        return;
    }
    for (int64_t x = 0, run; x < out->width; x += run, to += run * c) {
        int64_t column = zoo_source(x - s->left, s->scale, s->pad_mode);
        run = 1;
        if (column >= 0 && column == x - s->left) /* the image itself */
            run = s->scale - column < out->width - x ? s->scale - column : out->width - x;
        if (column < 0)
            memset(to, 0, (size_t)c * sizeof *to);
        else
            memcpy(to, from + column * c, (size_t)(run * c) * sizeof *to);
    }
}

static void activate_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    const float *from = input_row(j->engine, s, 0, y);
    float *to = row_of(out, y);
    int64_t c = out->channels;
    int64_t run = c, pixels = out->width, apart = j->engine->values[s->inputs[0]].pixel;
    if (s->slopes == NULL && apart == c && out->pixel == c) {
        run *= pixels;
        pixels = 1;
    }
    for (int64_t x = 0; x < pixels; x++, from += apart, to += out->pixel) {
        j->engine->isa->activate(s->activation, s->slope, s->slopes, from, to, run);
        if (s->then != ZOO_LINEAR)
            j->engine->isa->activate(s->then, s->then_slope, NULL, to, to, run);
    }
}

static void add_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    const float *a = input_row(j->engine, s, 0, y), *b = input_row(j->engine, s, 1, y);
    float *to = row_of(out, y);
    int64_t run = out->channels, pixels = out->width;
    int64_t a_pixel = j->engine->values[s->inputs[0]].pixel;
    int64_t b_pixel = j->engine->values[s->inputs[1]].pixel;
    if (a_pixel == run && b_pixel == run && out->pixel == run) {
        run *= pixels;
        pixels = 1;
    }
    for (int64_t x = 0; x < pixels; x++, a += a_pixel, b += b_pixel, to += out->pixel)
        j->engine->isa->blend(s->activation, s->slope, s->alpha, s->beta, a, b, to, run);
}

static void concat_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    float *row = row_of(out, y);
    for (int n = 0; n < s->input_count; n++) {
        const zoo_value *in = &j->engine->values[s->inputs[n]];
        const float *from = input_row(j->engine, s, n, y) + s->first[n];
        int64_t c = s->last[n] - s->first[n];
        float *to = row;
        for (int64_t x = 0; x < out->width; x++) {
            memcpy(to, from, (size_t)c * sizeof *to);
            to += out->pixel;
            from += in->pixel;
        }
        row += c;
    }
}

/* One of two inputs may have a single channel, for all of the other's. */
static void multiply_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_isa *isa = j->engine->isa;
    const zoo_value *out = &j->engine->values[s->output];
    int first = j->engine->values[s->inputs[0]].channels < out->channels;
    const float *a = input_row(j->engine, s, first, y);
    const float *b = input_row(j->engine, s, !first, y);
    float *to = row_of(out, y);
    int64_t c = out->channels;
    if (j->engine->values[s->inputs[!first]].channels == c)
        isa->multiply(a, b, to, out->width * c);
    else
        isa->multiply_each(a, b, to, out->width, c);
    if (s->activation != ZOO_LINEAR)
        isa->activate(s->activation, s->slope, NULL, to, to, out->width * c);
}

static void scale_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    const float *factors = input_row(j->engine, s, 0, 0);
    const float *from = input_row(j->engine, s, 1, y);
    float *to = row_of(out, y);
    int64_t c = out->channels;
    for (int64_t x = 0; x < out->width * c; x += c)
        j->engine->isa->multiply(from + x, factors, to + x, c);
    if (s->activation != ZOO_LINEAR)
        j->engine->isa->activate(s->activation, s->slope, NULL, to, to, out->width * c);
}

static void affine_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    int64_t c = out->channels;
    const float *mean = input_row(j->engine, s, 0, 0), *from = input_row(j->engine, s, 1, y);
    float *to = row_of(out, y);
    for (int64_t x = 0; x < out->width * c; x += c)
        j->engine->isa->normalize(from + x, mean, mean + c, mean + 2 * c, NULL, NULL, to + x,
                                  c);
}

static void normalize_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    j->engine->isa->normalize_pixels(input_row(j->engine, s, 0, y), s->scales, s->biases,
                                     s->epsilon, row_of(out, y), out->width,
                                     out->channels);
}

static void unshuffle_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *in = &j->engine->values[s->inputs[0]];
    const zoo_value *out = &j->engine->values[s->output];
    for (int64_t i = 0; i < s->scale; i++)
        zoo_unshuffle_row(input_row(j->engine, s, 0, y * s->scale + i), row_of(out, y),
                          out->width, s->scale, in->channels, s->dcr, i);
}

static void resize_row(const job *j, int64_t y) {
    const zoo_step *s = j->step;
    const zoo_value *out = &j->engine->values[s->output];
    int64_t c = out->channels, n = s->scale * c, at = s->rows.starts[y];
    int64_t count = s->rows.starts[y + 1] - at;
    const float *line = input_row(j->engine, s, 0, s->rows.places[at]);
    float *mixed = j->scratch, *to = row_of(out, y);
    if (count > 1 || s->rows.weights[at] != 1) {
        memset(mixed, 0, (size_t)n * sizeof *mixed);
        for (int64_t i = at; i < at + count; i++)
            j->engine->isa->axpy(s->rows.weights[i], mixed,
                                 input_row(j->engine, s, 0, s->rows.places[i]), mixed, n);
        line = mixed;
    }
    j->engine->isa->resample_pixels(line, s->columns.starts, s->columns.places,
                                    s->columns.weights, to, out->width, c);
}

/* Mean of each block, channel by channel, and its variance if the output has room. */
static void moments_row(const job *j, int64_t y) {
    enum { SOME = 64 };
    const zoo_step *s = j->step;
    const zoo_value *in = &j->engine->values[s->inputs[0]];
    const zoo_value *out = &j->engine->values[s->output];
    int64_t c = in->channels, first = y * s->block[0], last = first + s->block[0];
    float *to = row_of(out, y);
    if (last > in->height)
        last = in->height;
    for (int64_t x = 0; x < out->width; x++, to += out->channels) {
        int64_t left = x * s->block[1], count = s->scale - left;
        if (count > s->block[1])
            count = s->block[1];
        for (int64_t c0 = 0; c0 < c; c0 += SOME) {
            int64_t n = c - c0 < SOME ? c - c0 : SOME;
            double number = (double)((last - first) * count);
            double sums[SOME] = {0}, squares[SOME] = {0};
            for (int64_t r = first; r < last; r++) {
                const float *from = input_row(j->engine, s, 0, r) + left * c + c0;
                for (int64_t p = 0; p < count; p++, from += c)
                    for (int64_t i = 0; i < n; i++)
                        sums[i] += from[i];
            }
            for (int64_t i = 0; i < n; i++) {
                sums[i] /= number;
                to[c0 + i] = (float)sums[i];
            }
            if (out->channels == c)
                continue;
            for (int64_t r = first; r < last; r++) {
                const float *from = input_row(j->engine, s, 0, r) + left * c + c0;
                for (int64_t p = 0; p < count; p++, from += c)
                    for (int64_t i = 0; i < n; i++)
                        squares[i] += (from[i] - sums[i]) * (from[i] - sums[i]);
            }
            for (int64_t i = 0; i < n; i++) {
                /* About the mean as it is stored, which is what others will know. */
                double off = sums[i] - (double)to[c0 + i];
                to[c + c0 + i] = (float)(squares[i] / number + off * off);
            }
        }
    }
}

/* -- pictures --------------------------------------------------------------- */

static float pixel_at(const zoo_picture *p, const char *row, int64_t i) {
    switch (p->type) {
    case ZOO_UINT8:
        return ((const uint8_t *)row)[i];
    case ZOO_UINT16:
        return ((const uint16_t *)row)[i];
    default:
        return ((const float *)row)[i];
    }
}

static void load_row(const job *j, int64_t y) {
    const zoo_picture *p = &j->engine->picture;
    const zoo_value *out = &j->engine->values[j->step->output];
    const char *from = (const char *)p->data + (y - p->first) * p->apart;
    float *to = row_of(out, y);
    int64_t c = out->channels;
    if (p->plain) {
        memcpy(to, from, (size_t)(out->width * c) * sizeof *to);
        return;
    }
    for (int64_t x = 0; x < out->width; x++)
        for (int64_t k = 0; k < c; k++) {
            int64_t at = p->channels == 1 ? 0 : p->reversed ? c - 1 - k : k;
            float v = pixel_at(p, from, x * p->channels + at);
            if (p->scale != 1)
                v *= p->scale;
            if (p->mean)
                v -= p->mean[k];
            if (p->std)
                v /= p->std[k];
            *to++ = v;
        }
}

/* Clipped and rounded, halves to even as NumPy does; NaN becomes 0. Between 2^23
 * and 2^24 floats are whole numbers, so adding 2^23 rounds. */
static float rounded(float v, float most) {
    v = v > 0 ? (v < most ? v : most) : 0;
    return (v + 8388608.0f) - 8388608.0f;
}

static void store_row(const job *j, int64_t y) {
    const zoo_picture *p = &j->engine->result;
    const zoo_value *in = &j->engine->values[j->step->inputs[0]];
    const zoo_value *out = &j->engine->values[j->step->output];
    const float *from = input_row(j->engine, j->step, 0, y);
    char *row = (char *)p->data + (y - p->first) * p->apart;
    int64_t c = in->channels, gray = p->channels == 1 && c > 1;
    if (p->plain) {
        memcpy(row, from, (size_t)(out->width * c) * sizeof *from);
        return;
    }
    for (int64_t x = 0; x < out->width; x++, from += c) {
        float sum = 0;
        for (int64_t n = 0; n < c; n++) {
            int64_t k = p->reversed ? c - 1 - n : n, at = x * p->channels + n;
            float v = from[k];
            if (p->std)
                v *= p->std[k];
            if (p->mean)
                v += p->mean[k];
            if (p->scale != 1)
                v *= p->scale;
            if (gray) {
                sum += v;
                if (n + 1 < c)
                    continue;
                v = sum / (float)c;
                at = x;
            }
            if (p->type == ZOO_UINT8)
                ((uint8_t *)row)[at] = (uint8_t)rounded(v, 255);
            else if (p->type == ZOO_UINT16)
                ((uint16_t *)row)[at] = (uint16_t)rounded(v, 65535);
            else
                ((float *)row)[at] = v;
        }
    }
}

static void step_rows(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    (void)worker;
    for (int64_t y = j->start + begin; y < j->start + end; y++)
        switch (j->step->kind) {
        case ZOO_STEP_SHUFFLE:
            shuffle_row(j, y);
            break;
        case ZOO_STEP_REPEAT:
            repeat_row(j, y);
            break;
        case ZOO_STEP_PAD:
            pad_row(j, y);
            break;
        case ZOO_STEP_ACTIVATE:
            activate_row(j, y);
            break;
        case ZOO_STEP_ADD:
            add_row(j, y);
            break;
        case ZOO_STEP_CONCAT:
            concat_row(j, y);
            break;
        case ZOO_STEP_MULTIPLY:
            multiply_row(j, y);
            break;
        case ZOO_STEP_SCALE:
            scale_row(j, y);
            break;
        case ZOO_STEP_AFFINE:
            affine_row(j, y);
            break;
        case ZOO_STEP_NORMALIZE:
            normalize_row(j, y);
            break;
        case ZOO_STEP_MOMENTS:
            moments_row(j, y);
            break;
        case ZOO_STEP_UNSHUFFLE:
            unshuffle_row(j, y);
            break;
        case ZOO_STEP_RESIZE:
            resize_row(j, y);
            break;
        case ZOO_STEP_LOAD:
            load_row(j, y);
            break;
        case ZOO_STEP_STORE:
            store_row(j, y);
            break;
        default:
            break;
        }
}

static void pool_units(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    zoo_rows_in from = rows_in(j, 0);
    zoo_rows_out to = rows_out(j);
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t o0 = j->start + unit * j->band;
        int64_t o1 = o0 + j->band < j->stop ? o0 + j->band : j->stop;
        zoo_pool_part(&j->step->pool, &from, &to, o0, o1, j->scratch);
    }
}

static void attend_units(void *context, int64_t begin, int64_t end, int worker) {
    const job *j = context;
    zoo_rows_in from = rows_in(j, 0);
    zoo_rows_out to = rows_out(j);
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++)
        zoo_attend_part(j->engine->isa, &j->step->attention, &from, &to, j->start,
                        j->stop, unit, j->scratch);
}

/* The rows of a task cut into units: no more than threads, where windows are high
 * and every unit begins with the tails of a block. */
static int64_t pool_count(job *j, int team) {
    int64_t rows = j->stop - j->start, band = (rows + team - 1) / team;
    const zoo_pool *p = &j->step->pool;
    j->band = p->direct && band > p->band ? p->band : band;
    return (rows + j->band - 1) / j->band;
}

/* -- the section ------------------------------------------------------------ */

typedef struct {
    const zoo_engine *engine;
    const zoo_task *tasks;
    int64_t count;
    char *scratch;
    int64_t scratch_bytes;
} section;

static void run_tasks(zoo_team *team, int worker, void *context) {
    const section *s = context;
    int size = zoo_team_size(team);
    for (int64_t i = 0; i < s->count; i++) {
        const zoo_task *task = &s->tasks[i];
        job j;
        j.engine = s->engine;
        j.step = &s->engine->steps[task->step];
        j.start = task->start;
        j.stop = task->stop;
        j.scratch = s->scratch + worker * s->scratch_bytes;
        if (j.step->kind == ZOO_STEP_CONV) {
            prepare_conv(&j, size);
            zoo_team_for(team, worker, j.conv.units, 1, conv_units, &j);
        } else if (j.step->kind == ZOO_STEP_POOL) {
            zoo_team_for(team, worker, pool_count(&j, size), 1, pool_units, &j);
        } else if (j.step->kind == ZOO_STEP_ATTEND) {
            zoo_team_for(team, worker,
                         zoo_attend_units(&j.step->attention, j.start, j.stop), 1,
                         attend_units, &j);
        } else {
            zoo_team_for(team, worker, j.stop - j.start, 1, step_rows, &j);
        }
    }
}

void zoo_engine_run(const zoo_engine *engine, int threads, const zoo_task *tasks,
                    int64_t count, void *scratch) {
    section s = {engine, tasks, count, scratch, zoo_engine_scratch(engine)};
    zoo_parallel(threads, run_tasks, &s);
}
