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
        for (int64_t i = 0; i < f.count; i++) {
            const float *from = f.out[i] + g * p->kg + k0;
            float *to = delta + i * NR;
            if (cols == NR) {
                v_store(to, v_load(from));
                v_store(to + VL, v_load(from + VL));
            } else {
                v_store(to, v_load_part(from, cols));
                v_store(to + VL, v_load_part(from + VL, cols - VL));
            }
        }
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

/* out = delta where f > 0, else slope delta */
static void gate(float slope, const float *f, const float *delta, float *out, int64_t n) {
    vf s = v_set(slope), zero = v_set(0);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf d = v_load(delta + i);
        v_store(out + i, v_select(v_above(v_load(f + i), zero), d, s * d));
    }
    for (; i < n; i++)
        out[i] = f[i] > 0 ? delta[i] : slope * delta[i];
}
