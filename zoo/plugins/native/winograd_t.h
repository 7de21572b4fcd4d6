/* Winograd convolution F(m x m, 3 x 3), m = 2, 4, 6: 3x3 windows, stride 1.
 * Included once per instruction set, after conv_t.h.
 *
 * An output tile of m x m pixels comes from an input tile of a x a, a = m + 2:
 * Y = A' [ (G g G') . (B' d B) ] A. The product in brackets, summed over channels,
 * is for each of the a a positions a matrix product over all tiles. The points of
 * interpolation are 0, 1, -1 (m = 2), with 1/2, -1/2 (m = 4), with 2, -2 (m = 6)
 * and infinity; factors of B and A by their polynomials, G in winograd.c.
 *
 * A NaN or infinity would spread over its tile; where a result is not finite,
 * it is computed again directly.
 */

/* o = B' d, a values */
INLINE void winograd_input(const int m, const vf *d, vf *o) {
    if (m == 2) { /* x (x^2 - 1) */
        o[0] = d[2] - d[0];
        o[1] = d[2] + d[1];
        o[2] = d[2] - d[1];
        o[3] = d[3] - d[1];
    } else if (m == 4) { /* x (x^2 - 1) (x^2 - 1/4) */
        const vf quarter = v_set(0.25f), half = v_set(0.5f), more = v_set(1.25f);
        vf even = d[4] - quarter * d[2], odd = d[3] - quarter * d[1];
        vf even2 = d[4] - d[2], odd2 = half * (d[3] - d[1]);
        o[0] = (d[4] + quarter * d[0]) - more * d[2];
        o[1] = even + odd;
        o[2] = even - odd;
        o[3] = even2 + odd2;
        o[4] = even2 - odd2;
        o[5] = (d[5] + quarter * d[1]) - more * d[3];
    } else { /* x (x^2 - 1) (x^2 - 4) (x^2 - 1/4) */
        vf even = d[6] + d[2] - v_set(4.25f) * d[4];
        vf odd = d[5] + d[1] - v_set(4.25f) * d[3];
        vf even2 = d[6] + v_set(0.25f) * d[2] - v_set(1.25f) * d[4];
        vf odd2 = v_set(2) * d[5] + v_set(0.5f) * d[1] - v_set(2.5f) * d[3];
        vf even3 = d[6] + v_set(4) * d[2] - v_set(5) * d[4];
        vf odd3 = v_set(0.5f) * d[5] + v_set(2) * d[1] - v_set(2.5f) * d[3];
        o[0] = (d[6] - d[0]) + v_set(5.25f) * (d[2] - d[4]);
        o[1] = even + odd;
        o[2] = even - odd;
        o[3] = even2 + odd2;
        o[4] = even2 - odd2;
        o[5] = even3 + odd3;
        o[6] = even3 - odd3;
        o[7] = (d[7] - d[1]) + v_set(5.25f) * (d[3] - d[5]);
    }
}

/* y = A' o, m values: y[i] = sum over points p of p^i o[p], infinity to the last */
INLINE void winograd_output(const int m, const vf *o, vf *y) {
    vf plus = o[1] + o[2], minus = o[1] - o[2];
    if (m == 2) {
        y[0] = o[0] + plus;
        y[1] = minus + o[3];
    } else if (m == 4) { /* 0, 1, -1, 1/2, -1/2 */
        vf plus2 = o[3] + o[4], minus2 = o[3] - o[4];
        y[0] = o[0] + plus + plus2;
        y[1] = minus + v_set(0.5f) * minus2;
        y[2] = plus + v_set(0.25f) * plus2;
        y[3] = (minus + o[5]) + v_set(0.125f) * minus2;
    } else { /* 0, 1, -1, 2, -2, 1/2, -1/2 */
        vf plus2 = o[3] + o[4], minus2 = o[3] - o[4];
        vf plus3 = o[5] + o[6], minus3 = o[5] - o[6];
        y[0] = o[0] + plus + plus2 + plus3;
        y[1] = minus + v_set(2) * minus2 + v_set(0.5f) * minus3;
        y[2] = plus + v_set(4) * plus2 + v_set(0.25f) * plus3;
        y[3] = minus + v_set(8) * minus2 + v_set(0.125f) * minus3;
        y[4] = plus + v_set(16) * plus2 + v_set(0.0625f) * plus3;
        y[5] = (minus + o[7]) + v_set(32) * minus2 + v_set(0.03125f) * minus3;
    }
}

enum { MOST = 8 }; /* a of the largest tile */

/* VL channels of one tile's input to a a positions `apart` floats apart. The tile's
 * pixels stand at in[i] + columns[j]. No branches here: GCC would move products
 * across them instead of joining them with sums. */
INLINE void tile_input(const int m, const float *const *in, const int64_t *columns,
                       float *v, int64_t apart) {
    const int a = m + 2;
    vf tmp[MOST * MOST], d[MOST], o[MOST];
    UNROLL for (int j = 0; j < a; j++) {
        UNROLL for (int i = 0; i < a; i++) d[i] = v_load(in[i] + columns[j]);
        winograd_input(m, d, o);
        UNROLL for (int i = 0; i < a; i++) tmp[i * a + j] = o[i];
    }
    UNROLL for (int i = 0; i < a; i++) {
        winograd_input(m, tmp + i * a, o);
        UNROLL for (int j = 0; j < a; j++) v_store(v + (i * a + j) * apart, o[j]);
    }
}

/* The same for any tile and any number of channels: what is missing becomes zero
 * in a copy of the tile. */
INLINE void edge_input(const int m, const float *const *in, const int64_t *columns,
                       int64_t pixel, int64_t c, int64_t c0, float *v, int64_t apart) {
    const int a = m + 2;
    float copy[MOST * MOST * VL];
    const float *rows[MOST];
    int64_t offsets[MOST];
    for (int i = 0; i < a; i++) {
        rows[i] = copy + i * a * VL;
        offsets[i] = i * VL;
        for (int j = 0; j < a; j++)
            v_store(copy + (i * a + j) * VL,
                    columns[j] < 0
                        ? v_set(0)
                        : v_load_part(in[i] + columns[j] * pixel + c0, c - c0));
    }
    tile_input(m, rows, offsets, v, apart);
}

/* All channels of one tile's input, pixels `pixel` floats apart; cp: c rounded up to
 * whole vectors. */
INLINE void whole_input(const int m, const float *const *in, const int64_t *columns,
                        int64_t pixel, int64_t c, int64_t cp, float *v, int64_t apart) {
    const int a = m + 2;
    int64_t offsets[MOST], c0 = 0;
    int inner = 1;
    for (int j = 0; j < a; j++) {
        inner &= columns[j] >= 0;
        offsets[j] = columns[j] * pixel;
    }
    if (inner)
        for (; c0 + VL <= c; c0 += VL) {
            tile_input(m, in, offsets, v + c0, apart);
            UNROLL for (int j = 0; j < a; j++) offsets[j] += VL;
        }
    for (; c0 < cp; c0 += VL)
        edge_input(m, in, columns, pixel, c, c0, v + c0, apart);
}

/* The direct sum for one pixel, VL filters from k0: where Winograd's overflowed. */
NOINLINE vf pixel_direct(const zoo_conv *p, const float *const *in,
                         const int64_t *columns, int64_t k0) {
    int64_t c = p->s.c, k = p->s.k;
    vf sum = v_set(0);
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++) {
            const float *from = columns[x] < 0 ? p->zeros : in[y] + columns[x] * p->in_pixel;
            const float *w = p->weights + (y * 3 + x) * c * k + k0;
            for (int64_t i = 0; i < c; i++)
                sum += v_set(from[i]) * v_load_part(w + i * k, k - k0);
        }
    return sum;
}

/* VL filters of one tile: from the products of all positions to pixels. */
INLINE void tile_output(const int m, const zoo_conv *p, const zoo_rows *rows,
                        int64_t row, int64_t column, int64_t k0, const float *from,
                        int64_t apart) {
    const int a = m + 2;
    int64_t left = p->s.k - k0, place = zoo_place(p, k0);
    int wide = p->s.ow - column * m < m ? (int)(p->s.ow - column * m) : m;
    vf tmp[MOST * MOST], d[MOST], y[MOST], bad = v_set(0), bias = v_load(p->bias + k0);
    UNROLL for (int j = 0; j < a; j++) {
        UNROLL for (int i = 0; i < a; i++) d[i] = v_load(from + (i * a + j) * apart);
        winograd_output(m, d, y);
        UNROLL for (int i = 0; i < m; i++) tmp[i * a + j] = y[i];
    }
    UNROLL for (int i = 0; i < m; i++) {
        winograd_output(m, tmp + i * a, y);
        UNROLL for (int j = 0; j < m; j++) {
            tmp[i * a + j] = y[j];
            bad += y[j] - y[j];
        }
    }
    if (v_any_nan(bad)) {
        const int64_t *columns = p->columns + column * m;
        for (int i = 0; i < m; i++)
            for (int j = 0; j < wide; j++)
                if (rows->out[row * m + i])
                    tmp[i * a + j] =
                        pixel_direct(p, rows->in + row * a + i, columns + j, k0);
    }
    for (int i = 0; i < m; i++) {
        float *out = rows->out[row * m + i];
        const float *residual = NULL;
        if (out == NULL)
            break;
        out += column * m * p->out_pixel + place;
        if (rows->residual)
            residual = rows->residual[row * m + i] + column * m * p->residual_pixel + k0;
        for (int j = 0; j < wide; j++, out += p->out_pixel) {
            vf other = bias;
            if (residual) {
                other = left >= VL ? v_load(residual) : v_load_part(residual, left);
                residual += p->residual_pixel;
            }
            vf v = finish(&p->e, p->fused, tmp[i * a + j], bias, p->slopes + k0,
                          residual != NULL, other);
            if (left >= VL)
                v_store(out, v);
            else
                v_store_part(out, v, left);
        }
    }
}

INLINE void winograd_body(const int m, const zoo_conv *p, const zoo_rows *rows,
                          int64_t begin, int64_t end, void *memory) {
    const int a = m + 2;
    int64_t c = p->s.c, cp = (c + VL - 1) / VL * VL, kp = p->kcols;
    int64_t total = p->tile_rows * p->tile_cols;
    int64_t v_apart = p->block * cp + 16, m_apart = p->block * kp + 16;
    float *v = memory, *products = v + a * a * v_apart;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t first = unit * p->block;
        int64_t count = total - first < p->block ? total - first : p->block;
        int64_t row = first / p->tile_cols, column = first % p->tile_cols;
        for (int64_t t = 0; t < count; t++) {
            const float *const *in = rows->in + row * a;
            const int64_t *columns = p->columns + column * m;
            whole_input(m, in, columns, p->in_pixel, c, cp, v + t * cp, v_apart);
            if (++column == p->tile_cols) {
                column = 0;
                row++;
            }
        }
        for (int64_t position = 0; position < a * a; position++)
            for (int64_t k = 0; k < kp; k += NR) {
                int64_t cols = kp - k < NR ? kp - k : NR;
                matmul_panel(v + position * v_apart, cp, count, c,
                             p->packed + (position * kp + k) * c, cols,
                             products + position * m_apart + k, kp, 0);
            }
        row = first / p->tile_cols;
        column = first % p->tile_cols;
        for (int64_t t = 0; t < count; t++) {
            for (int64_t k0 = 0; k0 < p->s.k; k0 += VL)
                tile_output(m, p, rows, row, column, k0, products + t * kp + k0,
                            m_apart);
            if (!p->fused)
                for (int i = 0; i < m && rows->out[row * m + i]; i++)
                    for (int64_t j = column * m;
                         j < column * m + m && j < p->s.ow; j++)
                        finish_late(&p->e, p->slopes,
                                    rows->out[row * m + i] + j * p->out_pixel,
                                    rows->residual ? rows->residual[row * m + i] +
                                                         j * p->residual_pixel
                                                   : NULL,
                                    p->s.k);
            if (++column == p->tile_cols) {
                column = 0;
                row++;
            }
        }
    }
}

static void winograd2(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                      void *memory) {
    winograd_body(2, p, rows, begin, end, memory);
}
static void winograd4(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                      void *memory) {
    winograd_body(4, p, rows, begin, end, memory);
}
static void winograd6(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                      void *memory) {
    winograd_body(6, p, rows, begin, end, memory);
}
