/* Convolutions with one channel per group. Included once per instruction set, after
 * conv_t.h. k == c; packed: taps x c.
 *
 * Vectors run along the channels. Some neighbouring output pixels are done together, so
 * that a weight serves all of them, and a value of the image every pixel whose window
 * holds it. Each sum runs over the rows of its window, and in a row over its columns,
 * wherever the pixel stands.
 */
#define RUN (VL >= 8 ? 8 : 4) /* pixels */

/* Else GCC computes all addresses of an unrolled loop beforehand, more than there are
 * registers. */
#if defined(__GNUC__) && !defined(ZOO_SCALAR)
#define STEP_BY_STEP(pointer) __asm__("" : "+r"(pointer))
#else
#define STEP_BY_STEP(pointer) (void)(pointer)
#endif

typedef struct {
    const float *const *in; /* rows of the image under a row of windows */
    float *out;
    const float *residual; /* or NULL */
} depthwise_row;

INLINE depthwise_row find_row(const zoo_conv *p, const zoo_rows *rows, int64_t row) {
    depthwise_row r = {rows->in + row * p->s.kh, rows->out[row],
                       rows->residual ? rows->residual[row] : NULL};
    return r;
}

/* Store the sums of n pixels from out on: of VL channels, or of the first few. */
INLINE void depthwise_store(const zoo_conv *p, const int n, const vf *sums, float *out,
                            const float *residual, int64_t c0, int64_t width) {
    vf bias = v_load(p->bias + c0);
    UNROLL for (int i = 0; i < n; i++) {
        float *to = out + i * p->out_pixel + c0;
        vf other = sums[i];
        if (residual) {
            const float *from = residual + i * p->residual_pixel + c0;
            other = width >= VL ? v_load(from) : v_load_part(from, width);
        }
        other = finish(&p->e, p->fused, sums[i], bias, p->slopes + c0, residual != NULL,
                       other);
        if (width >= VL)
            v_store(to, other);
        else
            v_store_part(to, other, width);
    }
}

/* n pixels whose windows lie inside the image, VL channels from c0 on; a window of kw
 * columns, one beside the other, where kw is not 0. */
INLINE void depthwise_inside(const int n, const int kw, const zoo_conv *p,
                             const depthwise_row *r, int64_t column, int64_t c0) {
    int64_t c = p->s.c, apart = p->in_pixel;
    int64_t place = (column * p->s.sw - p->s.left) * apart + c0;
    const float *w = p->packed + c0;
    vf sums[RUN];
    UNROLL for (int i = 0; i < n; i++) sums[i] = v_set(0);
    for (int64_t y = 0; y < p->s.kh; y++) {
        const float *in = r->in[y] + place;
        if (kw) {
            vf weights[7];
            UNROLL for (int x = 0; x < kw; x++, w += c) {
                weights[x] = v_load(w);
                STEP_BY_STEP(w);
            }
            UNROLL for (int j = 0; j < n + kw - 1; j++, in += apart) {
                vf value = v_load(in);
                STEP_BY_STEP(in);
                UNROLL for (int x = 0; x < kw; x++) {
                    if (j - x >= 0 && j - x < n)
                        sums[j - x] = v_fma(value, weights[x], sums[j - x]);
                }
            }
        } else {
            for (int64_t x = 0; x < p->s.kw; x++, w += c) {
                vf weight = v_load(w);
                UNROLL for (int i = 0; i < n; i++) sums[i] =
                    v_fma(v_load(in + (i * p->s.sw + x * p->s.dw) * apart), weight, sums[i]);
            }
        }
    }
    depthwise_store(p, n, sums, r->out + column * p->out_pixel,
                    r->residual ? r->residual + column * p->residual_pixel : NULL, c0, VL);
}

/* One pixel through the table of columns, `width` channels from c0 on. */
INLINE void depthwise_anywhere(const zoo_conv *p, const depthwise_row *r, int64_t column,
                               int64_t c0, int64_t width) {
    int64_t c = p->s.c, kw = p->s.kw;
    const int64_t *source = p->columns + column * kw;
    const float *w = p->packed + c0;
    vf sum = v_set(0);
    for (int64_t y = 0; y < p->s.kh; y++)
        for (int64_t x = 0; x < kw; x++, w += c) {
            const float *in = source[x] < 0 ? p->zeros : r->in[y] + source[x] * p->in_pixel;
            if (width >= VL)
                sum = v_fma(v_load(in + c0), v_load(w), sum);
            else
                sum = v_fma(v_load_part(in + c0, width), v_load_part(w, width), sum);
        }
    depthwise_store(p, 1, &sum, r->out + column * p->out_pixel,
                    r->residual ? r->residual + column * p->residual_pixel : NULL, c0, width);
}

/* The channels in vectors; the last one may overlap the one before. */
#define EACH_VECTOR(c0, c)                                                             \
    for (int64_t c0 = 0; c0 < (c); c0 = c0 + VL < (c) && c0 + 2 * VL > (c) ? (c) - VL : c0 + VL)

/* Down the rows of a unit before the next columns: the rows that windows share stay in
 * the level-1 cache. */
#define DEPTHWISE(N, KW)                                                               \
    NOINLINE void depthwise_##N##_##KW(const zoo_conv *p, const zoo_rows *rows,         \
                                       int64_t top, int64_t bottom, int64_t column) {  \
        for (int64_t row = top; row < bottom; row++) {                                 \
            depthwise_row r = find_row(p, rows, row);                                  \
            EACH_VECTOR(c0, p->s.c) depthwise_inside(N, KW, p, &r, column, c0);         \
        }                                                                              \
    }
DEPTHWISE(1, 0)
#if VL >= 8
DEPTHWISE(8, 0)
DEPTHWISE(8, 3)
DEPTHWISE(8, 5)
DEPTHWISE(8, 7)
#define DEPTHWISE_KERNELS depthwise_8_0, depthwise_8_3, depthwise_8_5, depthwise_8_7
#else
DEPTHWISE(4, 0)
DEPTHWISE(4, 3)
DEPTHWISE(4, 5)
DEPTHWISE(4, 7)
#define DEPTHWISE_KERNELS depthwise_4_0, depthwise_4_3, depthwise_4_5, depthwise_4_7
#endif
#undef DEPTHWISE

/* Filters that are several a group, or fewer channels than a vector has. */
NOINLINE void depthwise_slow(const zoo_conv *p, const depthwise_row *r, int64_t column) {
    int64_t kw = p->s.kw, k = p->s.k;
    const int64_t *source = p->columns + column * kw;
    float *out = r->out + column * p->out_pixel;
    if (k == p->s.c && MASKS) {
        depthwise_anywhere(p, r, column, 0, k);
        return;
    }
    for (int64_t j = 0; j < k; j++) {
        const float *w = p->packed + j;
        float sum = 0;
        for (int64_t y = 0; y < p->s.kh; y++)
            for (int64_t x = 0; x < kw; x++, w += k)
                sum += (source[x] < 0 ? 0 : r->in[y][source[x] * p->in_pixel + j / p->kg]) * *w;
        out[j] = sum + p->bias[j];
    }
    if (p->fused)
        finish_late(&p->e, p->slopes, out,
                    r->residual ? r->residual + column * p->residual_pixel : NULL, k);
}

/* What the kernels leave out where the epilogue is not simple. */
NOINLINE void depthwise_finish(const zoo_conv *p, const depthwise_row *r) {
    int64_t k = p->s.k, pixels = p->s.ow, own = p->out_pixel, other = p->residual_pixel;
    if (p->e.activation != ZOO_SLOPE && own == k && (r->residual == NULL || other == k)) {
        k *= pixels; /* one after the other: a row at once */
        pixels = 1;
    }
    for (int64_t i = 0; i < pixels; i++)
        finish_late(&p->e, p->e.activation == ZOO_SLOPE ? p->slopes : NULL,
                    r->out + i * own, r->residual ? r->residual + i * other : NULL, k);
}

/* Units are whole rows. */
static void conv_depthwise(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                           int64_t end, void *memory) {
    static void (*const kernels[])(const zoo_conv *, const zoo_rows *, int64_t, int64_t,
                                   int64_t) = {DEPTHWISE_KERNELS};
    int64_t ow = p->s.ow, kw = p->s.kw, sw = p->s.sw, c = p->s.c, column = 0;
    int64_t height = p->block / ow, top = begin * height, bottom = end * height;
    int wide = p->s.k == c && c >= VL;
    int which = sw == 1 && p->s.dw == 1 && (kw == 3 || kw == 5 || kw == 7) ? kw / 2 : 0;
    /* Columns whose windows lie inside the image. */
    int64_t low = (p->s.left + sw - 1) / sw, high;
    (void)memory;
    high = p->s.w - 1 + p->s.left - (kw - 1) * p->s.dw;
    high = high < 0 ? 0 : high / sw + 1;
    if (high > ow)
        high = ow;
    if (bottom > p->tile_rows)
        bottom = p->tile_rows;
    while (column < ow) {
        int64_t n = 1;
        if (wide && column >= low && column + RUN <= high) {
            kernels[which](p, rows, top, bottom, column);
            n = RUN;
        } else if (wide && column >= low && column < high) {
            depthwise_1_0(p, rows, top, bottom, column);
        } else {
            for (int64_t row = top; row < bottom; row++) {
                depthwise_row r = find_row(p, rows, row);
                if (!wide)
                    depthwise_slow(p, &r, column);
                else
                    EACH_VECTOR(c0, c) depthwise_anywhere(p, &r, column, c0, VL);
            }
        }
        column += n;
    }
    for (int64_t row = top; row < bottom && !p->fused; row++) {
        depthwise_row r = find_row(p, rows, row);
        depthwise_finish(p, &r);
    }
}
