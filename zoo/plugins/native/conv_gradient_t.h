/* Gradients. Included once per instruction set, after conv_t.h.
 *
 * Weights: dW[tap, c, k] = sum over pixels of x[pixel + tap, c] delta[pixel, k], a
 * matrix product along the pixels. Sums of MR channels by NR filters stay in
 * registers over a block of pixels and are then added to memory.
 */

/* sums (rows x NR, m rows used) += over pixels of x[channel r] * delta */
INLINE void weights_tile(const int whole, const float *const *at, int64_t offset, int m,
                         const float *delta, int64_t count, float *to) {
    vf sums[MR][2];
    int last = m - 1;
    UNROLL for (int r = 0; r < MR; r++) sums[r][0] = sums[r][1] = v_set(0);
    for (int64_t i = 0; i < count; i++) {
        const float *a = at[i] + offset;
        vf d0 = v_load(delta), d1 = v_load(delta + VL);
        UNROLL for (int r = 0; r < MR; r++) {
            vf s = v_set(a[whole || r < m ? r : last]);
            KEEP_IN_REGISTER(s);
            sums[r][0] = v_fma(s, d0, sums[r][0]);
            sums[r][1] = v_fma(s, d1, sums[r][1]);
        }
        delta += NR;
    }
    UNROLL for (int r = 0; r < MR; r++) {
        if (whole || r < m) {
            v_store(to + r * NR, v_load(to + r * NR) + sums[r][0]);
            v_store(to + r * NR + VL, v_load(to + r * NR + VL) + sums[r][1]);
        }
    }
}

/* The gradients of `cols` filters from k0 on, together: pixels x NR. */
INLINE void gather_delta(const pixels *f, int64_t k0, int64_t cols, float *delta) {
    for (int64_t i = 0; i < f->count; i++, delta += NR) {
        const float *from = f->out[i] + k0;
        if (cols == NR) {
            v_store(delta, v_load(from));
            v_store(delta + VL, v_load(from + VL));
        } else {
            v_store(delta, v_load_part(from, cols));
            v_store(delta + VL, v_load_part(from + VL, cols - VL));
        }
    }
}

/* Add the gradients of the weights that pixels of units [begin, end) give, for the
 * filters [k0, k0 + cols) of group g; sums: taps x cg x NR. Of rows, out holds the
 * rows of delta. */
static void weights_gradient(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                             int64_t end, int64_t g, int64_t k0, int64_t cols,
                             float *sums, void *memory) {
    char *scratch = memory;
    int64_t taps = p->s.kh * p->s.kw, cg = p->cg, pointer = sizeof(void *);
    pixels f;
    float *delta;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual = NULL;
    f.at = (const float **)carve(&scratch, taps * p->block * pointer);
    delta = (float *)carve(&scratch, p->block * NR * 4);
    for (int64_t unit = begin; unit < end; unit++) {
        find_pixels(p, rows, unit, &f);
        gather_delta(&f, g * p->kg + k0, cols, delta);
        for (int64_t t = 0; t < taps; t++) {
            const float *const *at = (const float *const *)f.at + t * p->block;
            for (int64_t c = 0; c < cg; c += MR) {
                float *to = sums + (t * cg + c) * NR;
                if (cg - c >= MR)
                    weights_tile(1, at, g * cg + c, MR, delta, f.count, to);
                else
                    weights_tile(0, at, g * cg + c, (int)(cg - c), delta, f.count, to);
            }
        }
    }
}

/* Few channels: every pixel's window is copied together, taps x channels, which are
 * then the channels of a 1x1 kernel. All filters; sums: panels x (taps c) x NR. */
static void windows_gradient(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                             int64_t end, float *sums, void *memory) {
    char *scratch = memory;
    int64_t depth = p->s.kh * p->s.kw * p->s.c, pointer = sizeof(void *), k = p->s.k;
    pixels f;
    const float **at;
    float *delta, *windows;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual = NULL;
    f.at = NULL;
    at = (const float **)carve(&scratch, p->block * pointer);
    delta = (float *)carve(&scratch, p->block * NR * 4);
    windows = (float *)carve(&scratch, p->block * depth * 4);
    for (int64_t unit = begin; unit < end; unit++) {
        find_pixels(p, rows, unit, &f);
        gather_windows(p, rows, unit, f.count, windows);
        for (int64_t i = 0; i < f.count; i++)
            at[i] = windows + i * depth;
        for (int64_t k0 = 0; k0 < k; k0 += NR) {
            float *to = sums + k0 * depth;
            gather_delta(&f, k0, k - k0 < NR ? k - k0 : NR, delta);
            for (int64_t c = 0; c < depth; c += MR, to += MR * NR) {
                if (depth - c >= MR)
                    weights_tile(1, at, c, MR, delta, f.count, to);
                else
                    weights_tile(0, at, c, (int)(depth - c), delta, f.count, to);
            }
        }
    }
}

/* nv vectors of channels of one tap, k filters: to (k x cp) += */
INLINE void few_tile(const int k, const int nv, const float *const *at, int64_t c0,
                     float *const *delta, int64_t count, float *to, int64_t cp) {
    vf sums[4][2];
    UNROLL for (int q = 0; q < k; q++) {
        UNROLL for (int v = 0; v < nv; v++) sums[q][v] = v_set(0);
    }
    for (int64_t i = 0; i < count; i++) {
        const float *x = at[i] + c0;
        UNROLL for (int v = 0; v < nv; v++) {
            vf a = v_load(x + v * VL);
            UNROLL for (int q = 0; q < k; q++) sums[q][v] =
                v_fma(a, v_set(delta[i][q]), sums[q][v]);
        }
    }
    UNROLL for (int q = 0; q < k; q++) {
        UNROLL for (int v = 0; v < nv; v++) {
            float *sum = to + q * cp + v * VL;
            v_store(sum, v_load(sum) + sums[q][v]);
        }
    }
}

INLINE void few_body(const int k, const zoo_conv *p, const pixels *f, float *sums) {
    int64_t taps = p->s.kh * p->s.kw, c = p->s.c, cp = (c + VL - 1) / VL * VL;
    for (int64_t t = 0; t < taps; t++) {
        const float *const *at = f->at + t * p->block;
        float *to = sums + t * k * cp;
        int64_t c0 = 0;
        for (; c0 + 2 * VL <= c; c0 += 2 * VL)
            few_tile(k, 2, at, c0, f->out, f->count, to + c0, cp);
        for (; c0 + VL <= c; c0 += VL)
            few_tile(k, 1, at, c0, f->out, f->count, to + c0, cp);
        for (int64_t i = 0; c0 < c && i < f->count; i++)
            for (int q = 0; q < k; q++)
                for (int64_t j = c0; j < c; j++)
                    to[q * cp + j] += at[i][j] * f->out[i][q];
    }
}

NOINLINE void few1(const zoo_conv *p, const pixels *f, float *sums) {
    few_body(1, p, f, sums);
}
NOINLINE void few2(const zoo_conv *p, const pixels *f, float *sums) {
    few_body(2, p, f, sums);
}
NOINLINE void few3(const zoo_conv *p, const pixels *f, float *sums) {
    few_body(3, p, f, sums);
}
NOINLINE void few4(const zoo_conv *p, const pixels *f, float *sums) {
    few_body(4, p, f, sums);
}

/* Up to 4 filters: vectors run along the channels. sums: taps x k x cp */
static void few_gradient(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                         int64_t end, float *sums, void *memory) {
    static void (*const bodies[])(const zoo_conv *, const pixels *, float *) = {
        few1, few2, few3, few4};
    char *scratch = memory;
    int64_t taps = p->s.kh * p->s.kw, pointer = sizeof(void *);
    pixels f;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual = NULL;
    f.at = (const float **)carve(&scratch, taps * p->block * pointer);
    for (int64_t unit = begin; unit < end; unit++) {
        find_pixels(p, rows, unit, &f);
        bodies[p->s.k - 1](p, &f, sums);
    }
}

/* One channel and one filter per group. sums: taps x c */
static void depthwise_gradient(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                               int64_t end, float *sums, void *memory) {
    char *scratch = memory;
    int64_t taps = p->s.kh * p->s.kw, pointer = sizeof(void *), c = p->s.c;
    pixels f;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual = NULL;
    f.at = (const float **)carve(&scratch, taps * p->block * pointer);
    for (int64_t unit = begin; unit < end; unit++) {
        find_pixels(p, rows, unit, &f);
        for (int64_t t = 0; t < taps; t++) {
            const float *const *at = f.at + t * p->block;
            float *to = sums + t * c;
            int64_t c0 = 0;
            for (; c0 + 4 * VL <= c; c0 += 4 * VL) {
                vf s[4];
                UNROLL for (int v = 0; v < 4; v++) s[v] = v_load(to + c0 + v * VL);
                for (int64_t i = 0; i < f.count; i++) {
                    UNROLL for (int v = 0; v < 4; v++) s[v] =
                        v_fma(v_load(at[i] + c0 + v * VL),
                              v_load(f.out[i] + c0 + v * VL), s[v]);
                }
                UNROLL for (int v = 0; v < 4; v++) v_store(to + c0 + v * VL, s[v]);
            }
            for (int64_t i = 0; c0 < c && i < f.count; i++)
                for (int64_t j = c0; j < c; j++)
                    to[j] += at[i][j] * f.out[i][j];
        }
    }
}
