/* Convolutions: the description of the work that the kernels follow. */
#include "conv.h"

#include "cpu.h"
#include "threads.h"

#include <string.h>

/* Tiles per unit: many enough to use the packed weights often, few enough that
 * transformed tiles stay in the level-2 cache, and enough units for all threads. */
static int64_t winograd_block(const zoo_conv *p) {
    int64_t mr = p->isa->mr, a2 = (p->tile + 2) * (p->tile + 2);
    int64_t bytes = a2 * (p->s.c + p->kcols) * 4;
    int64_t block = zoo_l2_bytes() * 3 / 4 / bytes, total = p->tile_rows * p->tile_cols;
    if (block < 48)
        block = 48;
    if (block > 128)
        block = 128;
    if (block > total / 8)
        block = total / 8;
    return round_up(block < 1 ? 1 : block, mr);
}

/* Channels beyond which a loop over them is long enough by itself. */
#define MOST_ROW_TAPS 64

static int64_t direct_block(const zoo_conv *p) {
    int64_t mr = p->isa->mr, total = p->tile_rows * p->s.ow;
    int64_t block = 16 * mr;
    if (block > total / 8)
        block = total / 8;
    return round_up(block < 1 ? 1 : block, mr);
}

/* Rows of output per unit at most; sets the columns. */
static int64_t most_tile_rows(zoo_conv *p) {
    int64_t bytes = p->s.groups * p->depth_blocks * (p->algorithm == ZOO_AMX3 ? 128 : 64);
    int64_t most = zoo_l2_bytes() * 3 / 8 / bytes / (p->s.sh * p->s.sw);
    int64_t groups = most / 4 / 16, across; /* at least four rows, if there are */
    if (groups < 2)
        groups = 2;
    across = (p->tile_cols + groups - 1) / groups;
    p->block_groups = (p->tile_cols + across - 1) / across;
    most /= p->block_groups * 16;
    return most < 1 ? 1 : most;
}

/* Units on tiles: as many output pixels as keep the converted input in part of the
 * level-2 cache, the rest of which holds the weights of 32 filters. */
static void divide_tiles(zoo_conv *p, int64_t images, int64_t rows, int team) {
    int64_t most = most_tile_rows(p), across, down = (rows + most - 1) / most;
    across = (p->tile_cols + p->block_groups - 1) / p->block_groups;
    while (down < rows && images * across * down % team)
        down++;
    p->block_rows = (rows + down - 1) / down;
    down = (rows + p->block_rows - 1) / p->block_rows;
    p->units = images * across * down;
}

void zoo_conv_divide(zoo_conv *p, int64_t images, int64_t rows, int team) {
    int64_t mr = p->isa->mr, tiles, rounds;
    p->image_rows = rows;
    p->tile_rows = images * rows;
    if (on_tiles(p->algorithm)) {
        divide_tiles(p, images, rows, team);
        return;
    }
    if (p->algorithm == ZOO_DEPTHWISE) { /* whole rows, two units for each thread */
        int64_t height = (p->tile_rows + 2 * team - 1) / (2 * team);
        p->block = (height < 1 ? 1 : height) * p->s.ow;
        p->units = (p->tile_rows * p->s.ow + p->block - 1) / p->block;
        return;
    }
    /* Units of one size for all threads, none larger than planned. */
    tiles = p->tile_rows * p->tile_cols;
    rounds = (tiles + p->block * team - 1) / (p->block * team);
    tiles = (tiles + rounds * team - 1) / (rounds * team);
    tiles = (tiles + mr - 1) / mr * mr;
    if (tiles < p->block)
        p->block = tiles;
    p->units = (p->tile_rows * p->tile_cols + p->block - 1) / p->block;
}

static int simple(int activation) {
    return activation == ZOO_LINEAR || activation == ZOO_RELU || activation == ZOO_SLOPE;
}

int zoo_conv_init(zoo_conv *p, const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                  const zoo_epilogue *e, const float *weights, const float *packed,
                  int own_zeros) {
    int64_t taps = s->kh * s->kw, columns, bytes, k, scratch, most_rows;
    char *memory;
    memset(p, 0, sizeof *p);
    p->isa = isa;
    p->s = *s;
    p->algorithm = algorithm;
    p->e = *e;
    p->weights = weights;
    p->packed = packed;
    p->cg = s->c / s->groups;
    p->kg = s->k / s->groups;
    p->in_pixel = s->c;
    p->out_pixel = p->residual_pixel = p->cell = s->k;
    p->fused = simple(e->activation) &&
               (e->last == ZOO_LINEAR || e->last == ZOO_RELU);
    p->tile = winograd_tile(algorithm);
    if (p->tile) {
        p->span = p->span_w = p->tile + 2;
        p->tile_rows = (s->oh + p->tile - 1) / p->tile * s->n;
        p->tile_cols = (s->ow + p->tile - 1) / p->tile;
        p->kcols = panel_columns(isa, s->k);
        columns = p->tile_cols * p->tile + 2;
        p->block = winograd_block(p);
        p->units = (p->tile_rows * p->tile_cols + p->block - 1) / p->block;
        scratch = (p->tile + 2) * (p->tile + 2);
        scratch = zoo_mul(
            scratch * 4,
            zoo_sum(zoo_mul(p->block, round_up(s->c, isa->lanes) + p->kcols), 32));
    } else if (on_tiles(algorithm)) {
        p->tile = 1;
        p->span = s->kh;
        p->span_w = s->kw;
        p->tile_cols = (s->ow + 15) / 16;
        p->kcols = round_up(p->kg, 16);
        p->depth_blocks = (p->cg + 31) / 32;
        columns = (p->tile_cols * 16 - 1) * s->sw + (s->kw - 1) * s->dw + 1;
        zoo_conv_divide(p, s->n, s->oh, 1);
        most_rows = most_tile_rows(p) < s->oh ? most_tile_rows(p) : s->oh;
        /* An odd number of columns: of a power of two, lines would share sets. */
        p->block_columns =
            ((p->block_groups * 16 - 1) * s->sw + (s->kw - 1) * s->dw + 1) | 1;
        p->block_span = (most_rows - 1) * s->sh + (s->kh - 1) * s->dh + 1;
        scratch = zoo_mul(zoo_mul(p->block_columns, p->block_span),
                          s->groups * p->depth_blocks *
                              (algorithm == ZOO_AMX3 ? 128 : 64));
        scratch = zoo_sum(scratch, p->block_span + 4096 + 1024);
    } else {
        p->tile = 1;
        p->span = s->kh;
        p->span_w = s->kw;
        p->tile_rows = s->oh * s->n;
        p->tile_cols = s->ow;
        p->kcols = algorithm == ZOO_DIRECT ? panel_columns(isa, p->kg) : p->kg;
        p->im2col = algorithm == ZOO_DIRECT && s->groups == 1 && s->c < 8 && taps > 1;
        p->row_taps = algorithm == ZOO_DIRECT && s->groups == 1 && !p->im2col &&
                      s->c <= MOST_ROW_TAPS && s->kw > 1 && s->dw == 1;
        columns = zoo_mul(s->ow, s->kw);
        p->block = direct_block(p);
        p->units = (p->tile_rows * s->ow + p->block - 1) / p->block;
        if (algorithm == ZOO_DEPTHWISE)
            zoo_conv_divide(p, s->n, s->oh, 1);
        scratch = zoo_mul(zoo_mul(p->block, taps), 8 + (p->im2col ? 4 * s->c : 0));
        if (algorithm == ZOO_DEPTHWISE)
            scratch = 0;
        scratch = zoo_sum(scratch, p->block * 24 + 512);
        if (p->row_taps) /* copies of rows: of a unit's pixels, and around each run */
            scratch = zoo_sum(
                scratch, zoo_mul(zoo_mul(s->kh, s->c * 4),
                                 zoo_sum(zoo_mul(p->block, s->sw),
                                         zoo_mul(p->block / s->ow + 2, s->kw))));
    }
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
    if (on_tiles(algorithm)) {
        for (int64_t x = 0; x < columns; x++) {
            int64_t last = (s->ow - 1) * s->sw + (s->kw - 1) * s->dw;
            p->columns[x] =
                x <= last ? zoo_source(x - s->left, s->w, s->pad_mode) : -1;
        }
    } else if (p->tile > 1) {
        for (int64_t x = 0; x < columns; x++)
            p->columns[x] =
                x < s->ow + 2 ? zoo_source(x - s->left, s->w, s->pad_mode) : -1;
    } else {
        for (int64_t x = 0; x < s->ow; x++)
            for (int64_t t = 0; t < s->kw; t++)
                p->columns[x * s->kw + t] =
                    zoo_source(x * s->sw - s->left + t * s->dw, s->w, s->pad_mode);
    }
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

int zoo_conv_shuffle(zoo_conv *p, int64_t scale) {
    int64_t cell = p->s.k / scale;
    if (p->algorithm == ZOO_DOT || p->algorithm == ZOO_DEPTHWISE || !p->fused ||
        p->s.groups != 1 || p->s.k % (scale * scale) || cell % ZOO_WIDEST_PANEL)
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
    switch (p->algorithm) {
    case ZOO_DOT:
        p->isa->conv_dot(p, rows, begin, end, scratch);
        break;
    case ZOO_DEPTHWISE:
        p->isa->conv_depthwise(p, rows, begin, end, scratch);
        break;
    case ZOO_WINOGRAD2:
    case ZOO_WINOGRAD4:
    case ZOO_WINOGRAD6:
        p->isa->winograd[p->algorithm - ZOO_WINOGRAD2](p, rows, begin, end, scratch);
        break;
    case ZOO_AMX3:
    case ZOO_AMX1:
        p->isa->conv_tiles(p, rows, begin, end, scratch);
        break;
    default:
        p->isa->conv_direct(p, rows, begin, end, scratch);
    }
}
