/* What the parts of the native back end share: descriptions of the work, and
 * the table of functions that exist once per instruction set.
 *
 * Images are rows of pixels of contiguous float channels. The hot functions see
 * an image only through tables of pointers to rows, so that padding is a row of
 * zeros or a row named twice, a batch is more rows, and a buffer may hold only
 * some rows of an image.
 */
#ifndef ZOO_KERNELS_H
#define ZOO_KERNELS_H

#include "codes.h"

#include <stddef.h>
#include <stdint.h>

/* What happens between the sum and the store: v = activation(v + bias), then,
 * if there is a residual r, v = last(alpha v + beta r), or last(v r). */
typedef struct {
    int activation;
    int last;
    float slope;         /* of activation, if slopes is NULL */
    float last_slope;    /* of last */
    const float *bias;   /* k, or NULL */
    const float *slopes; /* k, or NULL */
    float alpha, beta;
    int product;
} zoo_epilogue;

/* -- convolution ----------------------------------------------------------- */

typedef struct {
    int64_t n, h, w, c;           /* input */
    int64_t oh, ow, k;            /* output */
    int64_t kh, kw, sh, sw, dh, dw; /* window, strides, dilations */
    int64_t top, left;
    int64_t groups;
    int pad_mode;
} zoo_conv_shape;

struct zoo_isa;
struct zoo_algorithm; /* conv.h */

/* Floats of a panel of filters on the instruction set that has the widest ones. */
#define ZOO_WIDEST_PANEL 32

/* Everything about a convolution but the arrays. */
typedef struct {
    const struct zoo_isa *isa;
    zoo_conv_shape s;
    const struct zoo_algorithm *algorithm;
    int fused;         /* the epilogue is simple enough for the tile */
    int im2col;        /* few channels: windows are copied together first */
    int row_taps;      /* some channels: a row of the window is one tap */
    int64_t cg, kg;    /* channels and filters per group */
    int64_t kcols;     /* filters per group, rounded up to whole panels */
    int64_t tile;      /* rows (and columns) of output per Winograd tile, or 1 */
    int planes;        /* bfloat16 numbers that stand for a float, or 0 */
    int64_t span;      /* input rows that one row of tiles needs */
    int64_t tile_rows; /* rows of tiles in the whole batch */
    int64_t tile_cols;
    int64_t block;     /* tiles (pixels) per unit */
    int64_t image_rows; /* rows of tiles in one image */
    /* bfloat16 tiles (amx_t.h): blocks of 32 channels, output rows and groups of 16
     * columns per unit, columns and rows of input under them */
    int64_t depth_blocks, block_rows, block_groups, block_columns, block_span;
    /* Where filter k of an output pixel goes: pixels are out_pixel floats apart;
     * after each cell of filters comes a jump. Without a pixel shuffle all filters
     * are one cell. */
    int64_t out_pixel, cell, jump;
    /* Pixels of the input and of the residual are so many floats apart: as many as they
     * have channels, or more where they are part of a value with more channels. */
    int64_t in_pixel, residual_pixel;
    int64_t units;
    size_t scratch;    /* bytes that one worker needs */
    /* Source columns, -1 outside: of each output pixel's window, or in a line for
     * `line` output pixels whose windows overlap. */
    int64_t *columns, line;
    const float *zeros; /* a row of zeros */
    float *bias;        /* groups * kcols, padded with zeros */
    float *slopes;
    zoo_epilogue e;
    const float *packed;
    const float *weights; /* unpacked, kh kw cg k: for tiles with NaN in them */
    void *memory;
    int64_t bytes; /* of memory */
} zoo_conv;

/* Floats from the start of an output pixel to its filter k. A vector of filters never
 * lies in two cells (zoo_conv_shuffles). */
static inline int64_t zoo_place(const zoo_conv *p, int64_t k) {
    return k < p->cell ? k : k + k / p->cell * p->jump;
}

/* Where a convolution reads and writes. in holds span pointers per row of tiles,
 * out and residual tile pointers (NULL below the last row). */
typedef struct {
    const float *const *in;
    float *const *out;
    const float *const *residual;
} zoo_rows;

/* An image of which a ring holds some rows: row y stands at place y + shift modulo
 * `rows`, `apart` floats from the next. */
typedef struct {
    const float *data;
    int64_t apart, rows, shift;
} zoo_rows_in;

typedef struct {
    float *data;
    int64_t apart, rows, shift;
} zoo_rows_out;

static inline const float *zoo_row_in(const zoo_rows_in *in, int64_t y) {
    return in->data + (y + in->shift) % in->rows * in->apart;
}

static inline float *zoo_row_out(const zoo_rows_out *out, int64_t y) {
    return out->data + (y + out->shift) % out->rows * out->apart;
}

/* Self-attention inside windows of rows x columns pixels, the first of which begins `top`
 * rows and `left` columns before the picture: what is outside is left out. Of the picture
 * of so many rows, columns from in_first and out_first on are there. Pixels are heads of
 * `depth` channels, of q, of k and of v in turn; results have one such part. */
typedef struct {
    int64_t heads, depth, rows, columns, top, left;
    int64_t height, in_first, in_width, out_first, out_width;
    int64_t padded;      /* rows * columns, rounded up to ZOO_ATTEND_BLOCK */
    const float *biases; /* heads x keys x queries, the last padded; or NULL */
    float scale;         /* of q */
} zoo_attention;

/* Queries that the widest instruction set works on together. */
#define ZOO_ATTEND_BLOCK 64

/* Coefficients of an update; see zoo_adam_step in gradients.h. */
typedef struct {
    float rate, beta1, beta2, rest1, rest2, epsilon, unbias;
} zoo_adam;

/* -- one table per instruction set ----------------------------------------- */

typedef struct zoo_isa {
    const char *name;
    int64_t lanes;  /* floats per vector */
    int64_t mr, nr; /* tile of the matrix product */
    void (*conv_direct)(const zoo_conv *, const zoo_rows *, int64_t, int64_t, void *);
    void (*conv_dot)(const zoo_conv *, const zoo_rows *, int64_t, int64_t, void *);
    void (*conv_depthwise)(const zoo_conv *, const zoo_rows *, int64_t, int64_t,
                           void *);
    void (*winograd[3])(const zoo_conv *, const zoo_rows *, int64_t, int64_t, void *);
    void (*conv_tiles)(const zoo_conv *, const zoo_rows *, int64_t, int64_t, void *);
    int has_tiles; /* conv_tiles is the processor's, not emulated */
    /* c (rows x cols) = or += a (rows x depth, lda apart) b (one packed panel) */
    void (*matmul_panel)(const float *a, int64_t lda, int64_t rows, int64_t depth,
                         const float *panel, int64_t cols, float *c, int64_t ldc,
                         int accumulate);
    float (*dot)(const float *a, const float *b, int64_t n);
    void (*activate)(int kind, float slope, const float *slopes, const float *x,
                     float *y, int64_t n);
    /* y = last(alpha a + beta b) */
    void (*blend)(int kind, float slope, float alpha, float beta, const float *a,
                  const float *b, float *y, int64_t n);
    /* y = a b */
    void (*multiply)(const float *a, const float *b, float *y, int64_t n);
    /* pixels of c channels of a, each times one value of b */
    void (*multiply_each)(const float *a, const float *b, float *y, int64_t pixels,
                          int64_t c);
    /* y = (x - m) / sqrt(v + epsilon) scales + biases; m, v of each pixel's c channels */
    void (*normalize_pixels)(const float *x, const float *scales, const float *biases,
                             float epsilon, float *y, int64_t pixels, int64_t c);
    /* pixel o of y is the sum of weights[i] times pixel places[i] of x, for i from
     * starts[o] to starts[o + 1] */
    void (*resample_pixels)(const float *x, const int64_t *starts, const int64_t *places,
                            const float *weights, float *y, int64_t pixels, int64_t c);
    /* one window; see attention_t.h */
    void (*attend)(const zoo_attention *, const float *const *pixels, float *const *out,
                   void *scratch);
    void (*maximum)(const float *a, const float *b, float *y, int64_t n);
    /* y = a + factor b */
    void (*axpy)(float factor, const float *a, const float *b, float *y, int64_t n);
    /* gradients; see conv_gradient_t.h, winograd_gradient_t.h, pointwise_gradient_t.h */
    void (*weights_gradient)(const zoo_conv *, const zoo_rows *, int64_t begin,
                             int64_t end, int64_t g, int64_t k0, int64_t cols,
                             float *sums, void *scratch);
    void (*small_gradient[3])(const zoo_conv *, const zoo_rows *, int64_t begin,
                              int64_t end, float *sums, void *scratch);
    void (*gradient_tiles[3])(const zoo_conv *, const zoo_rows *, int64_t first,
                              int64_t begin, int64_t end, float *v, int64_t v_row,
                              int64_t v_apart, float *d, int64_t d_row,
                              int64_t d_apart);
    void (*outer_panel)(const float *a, int64_t lda, int64_t rows, const float *b,
                        int64_t ldb, int64_t depth, float *s);
    void (*activation_gradient)(int kind, float slope, const float *slopes,
                                const float *x, const float *f, const float *delta,
                                float *out, int64_t n);
    void (*add_slopes_gradient)(const float *x, const float *delta, float *sums,
                                int64_t n);
    void (*larger)(const float *a, const int32_t *a_cell, const float *b,
                   const int32_t *b_cell, float *out, int32_t *cell, int64_t n);
    void (*adam)(const zoo_adam *a, float *p, float *m, float *v, const float *g,
                 int64_t n);
    void (*normalize)(const float *x, const float *mean, const float *factor,
                      const float *offset, const float *delta, const float *by,
                      float *out, int64_t n);
    void (*add_products)(const float *a, const float *shift, const float *b,
                         const float *mean, float *sums, float *products, int64_t n);
} zoo_isa;

extern const zoo_isa zoo_isa_portable;
#if (defined(__x86_64__)) && defined(__GNUC__) && !defined(ZOO_SCALAR)
#define ZOO_HAS_X86 1
extern const zoo_isa zoo_isa_avx2;
extern const zoo_isa zoo_isa_avx512;
#if defined(__linux__) && ((defined(__clang__) && __clang_major__ >= 12) ||               \
                           (!defined(__clang__) && __GNUC__ >= 11))
#define ZOO_HAS_AMX 1
extern const zoo_isa zoo_isa_amx;
#endif
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(ZOO_SCALAR)
#define ZOO_HAS_NEON 1
extern const zoo_isa zoo_isa_neon;
#endif

/* The table of a level (zoo_isa_level); NULL if it was not compiled in. */
const zoo_isa *zoo_isa_table(int level);

/* -- helpers --------------------------------------------------------------- */

/* a * b and a + b for sizes, or -1 where that overflows or an operand is < 0. */
int64_t zoo_mul(int64_t a, int64_t b);
int64_t zoo_sum(int64_t a, int64_t b);

/* 64-byte aligned; NULL if bytes < 0 or there is not so much. */
void *zoo_alloc(int64_t bytes);
void zoo_free(void *memory);

/* Row (or column) of an image of `length` that stands at position i, which may
 * lie outside; -1 for zeros. */
int64_t zoo_source(int64_t i, int64_t length, int pad_mode);

/* -- operations on whole arrays; 0, or -1 where memory is short ------------- */

/* Algorithm that ZOO_AUTO means for a shape, or that a forced one comes down to
 * (direct: one of direct, dot, depthwise); -1 if it cannot do the shape. packed:
 * the time to pack the weights does not count. */
int zoo_conv_algorithm(const zoo_isa *isa, const zoo_conv_shape *s, int wanted,
                       int packed);

/* Floats of the packed weights, or -1 on overflow. */
int64_t zoo_conv_packed(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm);
void zoo_conv_pack(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                  int threads, const float *weights, float *packed);

int zoo_conv_init(zoo_conv *conv, const zoo_isa *isa, const zoo_conv_shape *s,
                  int algorithm, const zoo_epilogue *e, const float *weights,
                  const float *packed, int own_zeros);

/* Fill `table` with pointers to what p->tile_rows rows of tiles read and write, from
 * number `first` on; results from row `stop` of an image on are not wanted. Images stand
 * one after the other; each row becomes `scale` rows of `out`. Returns how many pointers
 * there are. */
int64_t zoo_conv_rows(const zoo_conv *p, int64_t first, int64_t stop, int64_t scale,
                      const zoo_rows_in *in, const zoo_rows_in *residual,
                      const zoo_rows_out *out, const float **table, zoo_rows *rows);

/* Floats of the row of zeros that stands for rows outside the image. Without
 * own_zeros the caller keeps it and sets zoo_conv.zeros. */
int64_t zoo_conv_zeros(const zoo_conv_shape *s);
void zoo_conv_clear(zoo_conv *conv);

/* Floats from pixel to pixel of input, output and residual, where they are not their
 * channels; the row of zeros is then as long as a row of the input. */
void zoo_conv_place(zoo_conv *conv, int64_t in, int64_t out, int64_t residual);

/* Let the results be stored where a pixel shuffle by `scale` would put them, filters
 * ordered by the rows of a cell first (dcr): every row of output becomes `scale` rows,
 * `apart` floats apart (zoo_conv.jump, set later). -1 where the kernels cannot. */
int zoo_conv_shuffle(zoo_conv *conv, int64_t scale);

/* Cut `rows` rows of tiles of each of `images` into units for a team; scratch
 * suffices as long as rows are not more than the shape's. */
void zoo_conv_divide(zoo_conv *conv, int64_t images, int64_t rows, int team);

/* One unit range of a convolution; rows as described above. */
void zoo_conv_part(const zoo_conv *conv, const zoo_rows *rows, int64_t begin,
                   int64_t end, void *scratch);

int zoo_conv2d(const zoo_isa *isa, int threads, const zoo_conv_shape *s, int algorithm,
               const zoo_epilogue *e, const float *x, const float *weights,
               const float *residual, float *y);

int zoo_dense(const zoo_isa *isa, int threads, int64_t n, int64_t inputs,
              int64_t outputs, const float *x, const float *weights,
              const zoo_epilogue *e, float *y);

typedef struct {
    int64_t n, h, w, c, oh, ow;
    int64_t kh, kw, sh, sw, top, left;
} zoo_pool_shape;

/* Pooling of one shape. */
typedef struct {
    const zoo_isa *isa; /* maxima; NULL for means */
    zoo_pool_shape s;
    int64_t band;         /* output rows that are worth doing together */
    int64_t line, padded; /* values of a row, without and with its padding */
    int64_t size;         /* bytes of a value: float for maxima, double for means */
    int direct;           /* few rows per window: no blocks */
    int64_t scratch;      /* bytes that one worker needs */
} zoo_pool;

/* 0, or -1 where sizes overflow. */
int zoo_pool_init(zoo_pool *pool, const zoo_isa *isa, const zoo_pool_shape *s);

/* Output rows [o0, o1) of one image. */
void zoo_pool_part(const zoo_pool *pool, const zoo_rows_in *in, const zoo_rows_out *out,
                   int64_t o0, int64_t o1, void *scratch);

/* Bytes that a worker needs for a window, or -1. */
int64_t zoo_attend_scratch(const zoo_attention *a);

/* Windows that have some of the output rows [start, stop). */
int64_t zoo_attend_units(const zoo_attention *a, int64_t start, int64_t stop);

/* What one of them has of these rows. */
void zoo_attend_part(const zoo_isa *isa, const zoo_attention *a, const zoo_rows_in *in,
                     const zoo_rows_out *out, int64_t start, int64_t stop, int64_t unit,
                     void *scratch);

int zoo_max_pool(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                 const float *x, float *y);
int zoo_average_pool(int threads, const zoo_pool_shape *s, const float *x, float *y);

/* h, w, c: of the deep (small) side; c is divided by scale squared there. */
void zoo_depth_to_space(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t scale, int dcr, const float *x, float *y);
/* Row i of the cells of w pixels of the deep image; out: channels of the shallow. */
void zoo_shuffle_row(const float *deep, float *shallow, int64_t w, int64_t scale,
                     int64_t out, int dcr, int64_t i);
/* The other way: fills what those cells have from row i of theirs. */
void zoo_unshuffle_row(const float *shallow, float *deep, int64_t w, int64_t scale,
                       int64_t out, int dcr, int64_t i);
void zoo_space_to_depth(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                        int64_t scale, int dcr, const float *x, float *y);

void zoo_activate(const zoo_isa *isa, int threads, int kind, float slope,
                  const float *slopes, int64_t pixels, int64_t channels,
                  const float *x, float *y);
/* y = activation(a b), rows x pixels x channels. Of a dimension of 1 in b, its values
 * hold for all of a's. */
void zoo_multiply(const zoo_isa *isa, int threads, int kind, float slope,
                  const int64_t shape[3], const int64_t other[3], const float *a,
                  const float *b, float *y);
void zoo_normalize_pixels(const zoo_isa *isa, int threads, int64_t pixels,
                          int64_t channels, const float *x, const float *scales,
                          const float *biases, float epsilon, float *y);
void zoo_blend(const zoo_isa *isa, int threads, int kind, float slope, float alpha,
               float beta, const float *a, const float *b, float *y, int64_t n);

#endif
