/* A whole network as one parallel section.
 *
 * The planner (zoo/program/schedule.py) has cut the work into tasks: rows
 * [start, stop) of the output of one step. Tasks run one after the other, each
 * shared by all threads; between two tasks there is a barrier and nothing else.
 * A value keeps its rows in a ring: row y stands at place y + shift modulo `rows`.
 */
#ifndef ZOO_ENGINE_H
#define ZOO_ENGINE_H

#include "kernels.h"

#define ZOO_STEP_INPUTS 8

typedef struct {
    float *data;    /* rows x width x channels */
    int64_t apart;  /* floats from row to row: of a strip, more than it is wide */
    int64_t rows;   /* of the ring; height if the value is kept whole, more if others
                     * follow it there */
    int64_t shift;  /* the place of row 0 */
    int64_t height, width, channels;
    int64_t pixel;  /* floats from pixel to pixel: of a part of another value's channels,
                     * more than it has */
} zoo_value;

/* A picture in its own pixels, and what they mean to the network:
 * value = (pixel * scale - mean) / std, and back. One channel in the picture and
 * several in the network: gray, replicated and averaged back. */
typedef struct {
    void *data;       /* first pixel of the strip in row `first` */
    int64_t first, rows; /* of the picture, that are there: all, or those of a window */
    int64_t apart;    /* bytes from row to row */
    int64_t channels; /* of the picture */
    int type;
    int reversed;     /* channels stand in the opposite order */
    int plain;        /* float32 in and out, nothing to compute */
    float scale;
    const float *mean, *std; /* of the network's channels; NULL: 0 and 1 */
} zoo_picture;

enum zoo_step_kind {
    ZOO_STEP_NONE, /* done outside */
    ZOO_STEP_CONV,
    ZOO_STEP_POOL,
    ZOO_STEP_SHUFFLE,
    ZOO_STEP_REPEAT,
    ZOO_STEP_PAD,
    ZOO_STEP_ACTIVATE,
    ZOO_STEP_ADD,
    ZOO_STEP_CONCAT,
    ZOO_STEP_MULTIPLY,
    ZOO_STEP_SCALE,
    ZOO_STEP_NORMALIZE,
    ZOO_STEP_UNSHUFFLE,
    ZOO_STEP_RESIZE,
    ZOO_STEP_MOMENTS,
    ZOO_STEP_ATTEND,
    ZOO_STEP_AFFINE,
    ZOO_STEP_LOAD, /* from the picture */
    ZOO_STEP_STORE /* to the result */
};

/* Along an axis, result o is the sum of weights[i] times what stands at places[i], for
 * i from starts[o] to starts[o + 1]. */
typedef struct {
    const int64_t *starts, *places;
    const float *weights;
} zoo_taps;

typedef struct {
    int kind;
    int inputs[ZOO_STEP_INPUTS];
    int64_t skip[ZOO_STEP_INPUTS]; /* columns of each input that come before */
    int input_count;
    int output;
    zoo_conv conv;
    int has_conv;         /* conv was initialised */
    zoo_pool pool;
    int64_t most_rows;    /* of one task */
    int64_t block[2];     /* moments: rows and columns */
    int64_t scale;        /* shuffle, repeat, conv: of its shuffle, or 1;
                           * pad: columns of the input it sees */
    int dcr;              /* shuffle */
    float factor;         /* repeat */
    int64_t top, left;    /* pad */
    int pad_mode;
    int activation;       /* activate, add */
    float slope, alpha, beta;
    int then;             /* activate: a second one, or ZOO_LINEAR */
    float then_slope;
    const float *slopes;
    int64_t first[ZOO_STEP_INPUTS]; /* concat: slice of each input's channels */
    int64_t last[ZOO_STEP_INPUTS];
    const float *scales, *biases; /* normalize; of each channel */
    float epsilon;
    zoo_taps rows, columns; /* resize */
    zoo_attention attention;
} zoo_step;

typedef struct {
    int64_t step, start, stop;
} zoo_task;

typedef struct {
    const zoo_isa *isa;
    zoo_value *values;
    zoo_step *steps;
    zoo_picture picture, result;
    int64_t value_count, step_count;
    float *zeros; /* a row outside of the image, for all convolutions */
    int64_t zero_count;
} zoo_engine;

zoo_engine *zoo_engine_new(const zoo_isa *isa, int64_t values, int64_t steps);
void zoo_engine_free(zoo_engine *engine);

/* Make the row of zeros at least so long; -1 where memory is short. */
int zoo_engine_zeros(zoo_engine *engine, int64_t count);

/* Bytes that the engine itself holds. */
int64_t zoo_engine_bytes(const zoo_engine *engine);

/* Bytes that one worker needs while it runs any of the steps; -1 on overflow. */
int64_t zoo_engine_scratch(const zoo_engine *engine);

/* Run tasks in order; scratch holds `threads` times zoo_engine_scratch bytes. */
void zoo_engine_run(const zoo_engine *engine, int threads, const zoo_task *tasks,
                    int64_t count, void *scratch);

#endif
