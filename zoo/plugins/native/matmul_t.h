/* The tile of a matrix product: MR rows of a, by up to NR = 2 VL columns of a
 * packed panel of b. Sums stay in registers. Included once per instruction set,
 * after vec.h.
 */
#define NR (2 * VL)

/* Else GCC loads a value twice, broadcast into each of the two products. */
#if VL == 16 && defined(ZOO_INTRINSICS)
#define KEEP_IN_REGISTER(s) __asm__("" : "+v"(s))
#else
#define KEEP_IN_REGISTER(s) (void)(s)
#endif

/* sums += a[r][0..n) times a panel of nv vectors wide rows */
INLINE void tile_sums(const int nv, vf sums[MR][2], const float *const rows[MR],
                      int64_t n, const float *b) {
    const float *a[MR];
    UNROLL for (int r = 0; r < MR; r++) a[r] = rows[r];
    for (int64_t i = 0; i < n; i++) {
        vf b0 = v_load(b), b1 = b0;
        if (nv > 1)
            b1 = v_load(b + VL);
        UNROLL for (int r = 0; r < MR; r++) {
            vf s = v_set(a[r][i]);
            KEEP_IN_REGISTER(s);
            sums[r][0] = v_fma(s, b0, sums[r][0]);
            if (nv > 1)
                sums[r][1] = v_fma(s, b1, sums[r][1]);
        }
        b += nv * VL;
    }
}

INLINE void matmul_body(const int nv, const float *a, int64_t lda, int64_t rows,
                        int64_t depth, const float *panel, int64_t cols, float *c,
                        int64_t ldc, int accumulate) {
    for (int64_t i = 0; i < rows; i += MR) {
        int m = rows - i < MR ? (int)(rows - i) : MR;
        const float *p[MR];
        vf sums[MR][2];
        UNROLL for (int r = 0; r < MR; r++) {
            p[r] = a + (i + (r < m ? r : m - 1)) * lda;
            sums[r][0] = sums[r][1] = v_set(0);
        }
        tile_sums(nv, sums, p, depth, panel);
        if (m == MR && cols == nv * VL) {
            UNROLL for (int r = 0; r < MR; r++) {
                UNROLL for (int v = 0; v < nv; v++) {
                    float *to = c + (i + r) * ldc + v * VL;
                    v_store(to, accumulate ? v_load(to) + sums[r][v] : sums[r][v]);
                }
            }
        } else {
            float edge[MR][NR];
            UNROLL for (int r = 0; r < MR; r++) {
                UNROLL for (int v = 0; v < nv; v++)
                    v_store(edge[r] + v * VL, sums[r][v]);
            }
            for (int r = 0; r < m; r++) {
                float *to = c + (i + r) * ldc;
                for (int64_t j = 0; j < cols; j += VL) {
                    vf sum = v_load(edge[r] + j);
                    if (accumulate)
                        sum += cols - j < VL ? v_load_part(to + j, cols - j)
                                             : v_load(to + j);
                    if (cols - j < VL)
                        v_store_part(to + j, sum, cols - j);
                    else
                        v_store(to + j, sum);
                }
            }
        }
    }
}

static void matmul_panel(const float *a, int64_t lda, int64_t rows, int64_t depth,
                         const float *panel, int64_t cols, float *c, int64_t ldc,
                         int accumulate) {
    if (cols > VL)
        matmul_body(2, a, lda, rows, depth, panel, cols, c, ldc, accumulate);
    else
        matmul_body(1, a, lda, rows, depth, panel, cols, c, ldc, accumulate);
}

static float dot(const float *a, const float *b, int64_t n) {
    vf s0 = v_set(0), s1 = s0, s2 = s0, s3 = s0;
    int64_t i = 0;
    for (; i + 4 * VL <= n; i += 4 * VL) {
        s0 += v_load(a + i) * v_load(b + i);
        s1 += v_load(a + i + VL) * v_load(b + i + VL);
        s2 += v_load(a + i + 2 * VL) * v_load(b + i + 2 * VL);
        s3 += v_load(a + i + 3 * VL) * v_load(b + i + 3 * VL);
    }
    for (; i + VL <= n; i += VL)
        s0 += v_load(a + i) * v_load(b + i);
    if (i < n)
        s1 += v_load_part(a + i, n - i) * v_load_part(b + i, n - i);
    return v_sum((s0 + s1) + (s2 + s3));
}
