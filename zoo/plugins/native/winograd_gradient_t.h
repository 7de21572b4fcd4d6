/* Gradients of weights by Winograd's algorithm. Included once per instruction set,
 * after winograd_t.h.
 *
 * Y = A' [ (G g G') . (B' d B) ] A gives, for the gradient D by Y of a tile,
 * dg = G' [ sum over tiles of (B' d B) . (A D A') ] G. The sum is for each of the
 * a a positions a matrix product along the tiles.
 */

/* o = A y, a values from m: o[p] = sum of p^i y[i], the last for infinity */
INLINE void winograd_delta(const int m, const vf *y, vf *o) {
    if (m == 2) {
        o[0] = y[0];
        o[1] = y[0] + y[1];
        o[2] = y[0] - y[1];
        o[3] = y[1];
    } else if (m == 4) { /* 0, 1, -1, 1/2, -1/2 */
        vf even = y[0] + y[2], odd = y[1] + y[3];
        vf even2 = y[0] + v_set(0.25f) * y[2];
        vf odd2 = v_set(0.5f) * y[1] + v_set(0.125f) * y[3];
        o[0] = y[0];
        o[1] = even + odd;
        o[2] = even - odd;
        o[3] = even2 + odd2;
        o[4] = even2 - odd2;
        o[5] = y[3];
    } else { /* 0, 1, -1, 2, -2, 1/2, -1/2 */
        vf even = y[0] + y[2] + y[4], odd = y[1] + y[3] + y[5];
        vf even2 = y[0] + v_set(4) * y[2] + v_set(16) * y[4];
        vf odd2 = v_set(2) * y[1] + v_set(8) * y[3] + v_set(32) * y[5];
        vf even3 = y[0] + v_set(0.25f) * y[2] + v_set(0.0625f) * y[4];
        vf odd3 = v_set(0.5f) * y[1] + v_set(0.125f) * y[3] + v_set(0.03125f) * y[5];
        o[0] = y[0];
        o[1] = even + odd;
        o[2] = even - odd;
        o[3] = even2 + odd2;
        o[4] = even2 - odd2;
        o[5] = even3 + odd3;
        o[6] = even3 - odd3;
        o[7] = y[5];
    }
}

/* VL filters of a tile's gradient to a a positions `apart` floats apart; the pixels
 * stand at rows[i] + j step. */
INLINE void tile_delta(const int m, const float *const *rows, int64_t step, float *to,
                       int64_t apart) {
    const int a = m + 2;
    vf tmp[MOST * MOST], y[MOST], o[MOST];
    UNROLL for (int j = 0; j < m; j++) {
        UNROLL for (int i = 0; i < m; i++) y[i] = v_load(rows[i] + j * step);
        winograd_delta(m, y, o);
        UNROLL for (int i = 0; i < a; i++) tmp[i * m + j] = o[i];
    }
    UNROLL for (int i = 0; i < a; i++) {
        winograd_delta(m, tmp + i * m, o);
        UNROLL for (int j = 0; j < a; j++) v_store(to + (i * a + j) * apart, o[j]);
    }
}

/* All filters of one tile's gradient; zeros where there is no pixel. */
INLINE void whole_delta(const int m, const zoo_conv *p, const float *const *rows,
                        int64_t column, float *to, int64_t apart) {
    int64_t k = p->s.k, k0 = 0;
    int wide = p->s.ow - column * m < m ? (int)(p->s.ow - column * m) : m;
    const float *from[MOST];
    int inner = wide == m;
    for (int i = 0; i < m; i++) {
        inner &= rows[i] != NULL;
        from[i] = rows[i] ? rows[i] + column * m * k : NULL;
    }
    if (inner)
        for (; k0 + VL <= k; k0 += VL) {
            tile_delta(m, from, k, to + k0, apart);
            UNROLL for (int i = 0; i < m; i++) from[i] += VL;
        }
    for (; k0 < k; k0 += VL) {
        float copy[MOST * MOST * VL];
        const float *copies[MOST];
        for (int i = 0; i < m; i++) {
            copies[i] = copy + i * m * VL;
            for (int j = 0; j < m; j++)
                v_store(copy + (i * m + j) * VL,
                        from[i] && j < wide ? v_load_part(from[i] + j * k, k - k0)
                                            : v_set(0));
            if (from[i])
                from[i] += VL;
        }
        tile_delta(m, copies, VL, to + k0, apart);
    }
}

/* Zeros behind the last channel, where panels read. */
INLINE void tile_end(const int m, float *to, int64_t apart) {
    const int a = m + 2;
    for (int position = 0; position < a * a; position++)
        for (int i = 0; i < (NR > MR ? NR : MR); i += VL)
            v_store(to + position * apart + i, v_set(0));
}

/* Tiles [begin, end), of input and gradient; v and d: the rows of tile `first`. */
INLINE void gradient_tiles(const int m, const zoo_conv *p, const zoo_rows *rows,
                           int64_t first, int64_t begin, int64_t end, float *v,
                           int64_t v_row, int64_t v_apart, float *d, int64_t d_row,
                           int64_t d_apart) {
    int64_t c = p->s.c, cp = (c + VL - 1) / VL * VL;
    int64_t k = p->s.k, kp = (k + VL - 1) / VL * VL;
    for (int64_t t = begin; t < end; t++) {
        int64_t row = t / p->tile_cols, column = t % p->tile_cols;
        whole_input(m, rows->in + row * (m + 2), p->columns + column * m, c, c, cp,
                    v + (t - first) * v_row, v_apart);
        whole_delta(m, p, (const float *const *)rows->out + row * m, column,
                    d + (t - first) * d_row, d_apart);
        if (c % NR || c % MR)
            tile_end(m, v + (t - first) * v_row + cp, v_apart);
        if (k % NR || k % MR)
            tile_end(m, d + (t - first) * d_row + kp, d_apart);
    }
}

static void gradient_tiles2(const zoo_conv *p, const zoo_rows *rows, int64_t first,
                            int64_t begin, int64_t end, float *v, int64_t v_row,
                            int64_t v_apart, float *d, int64_t d_row, int64_t d_apart) {
    gradient_tiles(2, p, rows, first, begin, end, v, v_row, v_apart, d, d_row, d_apart);
}
static void gradient_tiles4(const zoo_conv *p, const zoo_rows *rows, int64_t first,
                            int64_t begin, int64_t end, float *v, int64_t v_row,
                            int64_t v_apart, float *d, int64_t d_row, int64_t d_apart) {
    gradient_tiles(4, p, rows, first, begin, end, v, v_row, v_apart, d, d_row, d_apart);
}
static void gradient_tiles6(const zoo_conv *p, const zoo_rows *rows, int64_t first,
                            int64_t begin, int64_t end, float *v, int64_t v_row,
                            int64_t v_apart, float *d, int64_t d_row, int64_t d_apart) {
    gradient_tiles(6, p, rows, first, begin, end, v, v_row, v_apart, d, d_row, d_apart);
}

#define OUTER_DEPTH 128 /* strips of a and b that stay in the level-1 cache */

/* s (rows rounded up to MR, x NR) += a' b: a is depth x rows (lda apart, readable up
 * to the next MR), b depth x NR (ldb apart). */
static void outer_panel(const float *a, int64_t lda, int64_t rows, const float *b,
                        int64_t ldb, int64_t depth, float *s) {
    for (int64_t t = 0; t < depth; t += OUTER_DEPTH) {
        int64_t n = depth - t < OUTER_DEPTH ? depth - t : OUTER_DEPTH;
        float *to = s;
        for (int64_t r0 = 0; r0 < rows; r0 += MR, to += MR * NR) {
            const float *from = a + t * lda + r0, *panel = b + t * ldb;
            vf sums[MR][2];
            UNROLL for (int r = 0; r < MR; r++) sums[r][0] = sums[r][1] = v_set(0);
            for (int64_t i = 0; i < n; i++, from += lda, panel += ldb) {
                vf b0 = v_load(panel), b1 = v_load(panel + VL);
                UNROLL for (int r = 0; r < MR; r++) {
                    vf x = v_set(from[r]);
                    KEEP_IN_REGISTER(x);
                    sums[r][0] = v_fma(x, b0, sums[r][0]);
                    sums[r][1] = v_fma(x, b1, sums[r][1]);
                }
            }
            UNROLL for (int r = 0; r < MR; r++) {
                v_store(to + r * NR, v_load(to + r * NR) + sums[r][0]);
                v_store(to + r * NR + VL, v_load(to + r * NR + VL) + sums[r][1]);
            }
        }
    }
}
