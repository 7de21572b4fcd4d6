/* Direct convolutions. Included once per instruction set, after matmul_t.h.
 *
 * A unit is a run of `block` output pixels, across rows. For every tap a table
 * holds the address of the input pixel under each output pixel; the matrix
 * product reads its rows through it, and nothing is copied.
 */

/* Floats of a panel's depth worked on at a time: 16 KB of weights. */
#define DEPTH (NR >= 32 ? 192 : NR >= 16 ? 256 : 512)

typedef struct {
    const float **at;       /* taps x block: input pixels */
    float **out;            /* block: output pixels */
    const float **residual; /* block, or NULL */
    int64_t count;
} pixels;

INLINE char *carve(char **scratch, int64_t bytes) {
    char *found = *scratch;
    *scratch += (bytes + 63) / 64 * 64;
    return found;
}

/* The addresses of one unit's pixels. */
NOINLINE void find_pixels(const zoo_conv *p, const zoo_rows *rows, int64_t unit,
                          pixels *f) {
    int64_t ow = p->s.ow, first = unit * p->block, total = p->tile_rows * ow;
    int64_t row = first / ow, column = first % ow, kh = p->s.kh, kw = p->s.kw;
    f->count = total - first < p->block ? total - first : p->block;
    for (int64_t i = 0; i < f->count;) {
        int64_t run = ow - column < f->count - i ? ow - column : f->count - i;
        for (int64_t j = 0; j < run; j++) {
            f->out[i + j] = rows->out[row] + (column + j) * p->out_pixel;
            if (rows->residual)
                f->residual[i + j] = rows->residual[row] + (column + j) * p->residual_pixel;
        }
        if (f->at)
            for (int64_t y = 0; y < kh; y++) {
                const float *in = rows->in[row * kh + y];
                for (int64_t x = 0; x < kw; x++) {
                    const float **at = f->at + (y * kw + x) * p->block + i;
                    const int64_t *source = p->columns + column * kw + x;
                    for (int64_t j = 0; j < run; j++) {
                        int64_t s = source[j * kw];
                        at[j] = s < 0 ? p->zeros : in + s * p->in_pixel;
                    }
                }
            }
        i += run;
        column = 0;
        row++;
    }
}

/* Few channels: copy each pixel's whole window together, taps x channels. */
NOINLINE void gather_windows(const zoo_conv *p, const zoo_rows *rows, int64_t unit,
                             int64_t count, float *windows) {
    int64_t ow = p->s.ow, first = unit * p->block, c = p->s.c;
    int64_t row = first / ow, column = first % ow, kh = p->s.kh, kw = p->s.kw;
    int64_t line = kw * c;
    for (int64_t i = 0; i < count; i++) {
        const int64_t *source = p->columns + column * kw;
        int together = source[0] >= 0 && p->in_pixel == c;
        for (int64_t x = 1; x < kw; x++)
            together &= source[x] == source[0] + x;
        for (int64_t y = 0; y < kh; y++) {
            const float *in = rows->in[row * kh + y];
            if (together) {
                const float *from = in + source[0] * p->in_pixel;
                for (int64_t j = 0; j < line; j++)
                    windows[j] = from[j];
                windows += line;
            } else {
                for (int64_t x = 0; x < kw; x++) {
                    const float *from =
                        source[x] < 0 ? p->zeros : in + source[x] * p->in_pixel;
                    for (int64_t j = 0; j < c; j++)
                        *windows++ = from[j];
                }
            }
        }
        if (++column == ow) {
            column = 0;
            row++;
        }
    }
}

/* Windows whose columns stand together: a tap is then a row of the window, all of its
 * columns one after the other. Pixels whose windows leave the image see a copy of the
 * rows with what is beyond, made once for their run. */
NOINLINE void find_window_rows(const zoo_conv *p, const zoo_rows *rows, int64_t unit,
                               int64_t count, const float **at, float *copies) {
    int64_t ow = p->s.ow, first = unit * p->block, c = p->s.c, kw = p->s.kw;
    int64_t row = first / ow, column = first % ow, kh = p->s.kh, step = p->s.sw * c;
    for (int64_t i = 0; i < count; row++, column = 0) {
        int64_t run = ow - column < count - i ? ow - column : count - i;
        int64_t low = column * p->s.sw - p->s.left, span = (run - 1) * p->s.sw + kw;
        int together = p->in_pixel == c;
        int inside = low >= 0 && low + span <= p->s.w && together;
        for (int64_t y = 0; y < kh; y++) {
            const float *in = rows->in[row * kh + y], *from = in + low * c;
            if (!inside) {
                from = copies;
                for (int64_t x = 0, n; x < span; x += n, copies += n * c) {
                    int64_t source = zoo_source(low + x, p->s.w, p->s.pad_mode);
                    n = 1;
                    if (together && source >= 0 && source == low + x) /* the image */
                        n = span - x < p->s.w - source ? span - x : p->s.w - source;
                    memcpy(copies, source < 0 ? p->zeros : in + source * p->in_pixel,
                           (size_t)(n * c) * sizeof *copies);
                }
            }
            for (int64_t j = 0; j < run; j++)
                at[y * p->block + i + j] = from + j * step;
        }
        i += run;
    }
}

/* All pixels of a unit, one panel of filters. `at` advances by block per tap. */
INLINE void conv_panel(const int nv, const zoo_conv *p, const pixels *f,
                       const float *const *at, int64_t taps, int64_t cg,
                       int64_t offset, const float *panel, const float *bias,
                       const float *slopes, int64_t k0, int64_t cols) {
    int64_t tap_step = cg <= DEPTH ? DEPTH / cg : 1;
    int64_t c_step = cg <= DEPTH ? cg : DEPTH;
    int64_t place = zoo_place(p, k0);
    const zoo_epilogue *e = &p->e;
    if (tap_step > taps)
        tap_step = taps;
    for (int64_t t0 = 0; t0 < taps; t0 += tap_step) {
        int64_t t1 = t0 + tap_step < taps ? t0 + tap_step : taps;
        for (int64_t c0 = 0; c0 < cg; c0 += c_step) {
            int64_t cn = cg - c0 < c_step ? cg - c0 : c_step;
            int starts = t0 == 0 && c0 == 0, ends = t1 == taps && c0 + cn == cg;
            const float *b0 = panel + (t0 * cg + c0) * nv * VL;
            for (int64_t i = 0; i < f->count; i += MR) {
                int m = f->count - i < MR ? (int)(f->count - i) : MR;
                float *out[MR];
                int64_t index[MR];
                vf sums[MR][2];
                UNROLL for (int r = 0; r < MR; r++) {
                    index[r] = i + (r < m ? r : m - 1);
                    out[r] = f->out[index[r]] + place;
                }
                if (starts) {
                    UNROLL for (int r = 0; r < MR; r++) sums[r][0] = sums[r][1] = v_set(0);
                } else if (cols == nv * VL) {
                    UNROLL for (int r = 0; r < MR; r++) {
                        UNROLL for (int v = 0; v < nv; v++)
                            sums[r][v] = v_load(out[r] + v * VL);
                    }
                } else {
                    UNROLL for (int r = 0; r < MR; r++) {
                        UNROLL for (int v = 0; v < nv; v++)
                            sums[r][v] = v_load_part(out[r] + v * VL, cols - v * VL);
                    }
                }
                const float *b = b0;
                for (int64_t t = t0; t < t1; t++) {
                    const float *rows[MR];
                    const float *const *from = at + t * p->block;
                    UNROLL for (int r = 0; r < MR; r++) rows[r] =
                        from[index[r]] + offset + c0;
                    tile_sums(nv, sums, rows, cn, b);
                    b += cn * nv * VL;
                }
                if (ends) {
                    UNROLL for (int v = 0; v < nv; v++) {
                        vf add = v_load(bias + v * VL);
                        UNROLL for (int r = 0; r < MR; r++) {
                            vf other = add;
                            if (f->residual) {
                                const float *at_r = f->residual[index[r]] + k0 + v * VL;
                                other = cols == nv * VL
                                            ? v_load(at_r)
                                            : v_load_part(at_r, cols - v * VL);
                            }
                            sums[r][v] = finish(e, p->fused, sums[r][v], add,
                                                slopes + v * VL, f->residual != NULL,
                                                other);
                        }
                    }
                }
                if (m == MR && cols == nv * VL) {
                    UNROLL for (int r = 0; r < MR; r++) {
                        UNROLL for (int v = 0; v < nv; v++)
                            v_store(out[r] + v * VL, sums[r][v]);
                    }
                } else if (MASKS) { /* rows beyond m repeat the last pixel */
                    UNROLL for (int r = 0; r < MR; r++) {
                        UNROLL for (int v = 0; v < nv; v++)
                            v_store_part(out[r] + v * VL, sums[r][v], cols - v * VL);
                    }
                } else {
                    float edge[MR][NR];
                    UNROLL for (int r = 0; r < MR; r++) {
                        UNROLL for (int v = 0; v < nv; v++)
                            v_store(edge[r] + v * VL, sums[r][v]);
                    }
                    for (int r = 0; r < m; r++)
                        for (int64_t j = 0; j < cols; j++)
                            out[r][j] = edge[r][j];
                }
            }
        }
    }
    if (!p->fused)
        for (int64_t i = 0; i < f->count; i++)
            finish_late(e, slopes, f->out[i] + k0,
                        f->residual ? f->residual[i] + k0 : NULL, cols);
}

NOINLINE void conv_panel_wide(const zoo_conv *p, const pixels *f, const float *const *at,
                              int64_t taps, int64_t cg, int64_t offset,
                              const float *panel, const float *bias,
                              const float *slopes, int64_t k0, int64_t cols) {
    conv_panel(2, p, f, at, taps, cg, offset, panel, bias, slopes, k0, cols);
}
NOINLINE void conv_panel_narrow(const zoo_conv *p, const pixels *f,
                                const float *const *at, int64_t taps, int64_t cg,
                                int64_t offset, const float *panel, const float *bias,
                                const float *slopes, int64_t k0, int64_t cols) {
    conv_panel(1, p, f, at, taps, cg, offset, panel, bias, slopes, k0, cols);
}

static void conv_direct(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                        int64_t end, void *memory) {
    char *scratch = memory;
    int64_t taps = p->s.kh * p->s.kw, cg = p->cg, pointer = sizeof(void *);
    pixels f;
    float *windows = NULL;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual =
        rows->residual ? (const float **)carve(&scratch, p->block * pointer) : NULL;
    f.at = (const float **)carve(
        &scratch, (p->im2col ? 1 : p->row_taps ? p->s.kh : taps) * p->block * pointer);
    if (p->im2col)
        windows = (float *)carve(&scratch, p->block * taps * cg * 4);
    else if (p->row_taps)
        windows = (float *)scratch;
    for (int64_t unit = begin; unit < end; unit++) {
        const float **at = f.at;
        int64_t t = taps, depth = taps * cg, c = cg;
        if (p->im2col) {
            f.at = NULL;
            find_pixels(p, rows, unit, &f);
            f.at = at;
            gather_windows(p, rows, unit, f.count, windows);
            for (int64_t i = 0; i < f.count; i++)
                at[i] = windows + i * depth;
            t = 1;
            c = depth;
        } else if (p->row_taps) {
            f.at = NULL;
            find_pixels(p, rows, unit, &f);
            f.at = at;
            find_window_rows(p, rows, unit, f.count, at, windows);
            t = p->s.kh;
            c = p->s.kw * cg;
        } else {
            find_pixels(p, rows, unit, &f);
        }
        for (int64_t g = 0; g < p->s.groups; g++)
            for (int64_t k = 0; k < p->kg; k += NR) {
                int64_t cols = p->kg - k < NR ? p->kg - k : NR, at_k = g * p->kcols + k;
                const float *panel = p->packed + at_k * depth;
                (cols > VL ? conv_panel_wide : conv_panel_narrow)(
                    p, &f, (const float *const *)at, t, c, g * cg, panel,
                    p->bias + at_k, p->slopes + at_k, g * p->kg + k, cols);
            }
    }
}

/* -- few filters ------------------------------------------------------------ */

#define DOT_PIXELS 4

/* packed: per filter, taps x channels rounded up to vectors */
INLINE void dot_body(const int k, const zoo_conv *p, const pixels *f) {
    int64_t taps = p->s.kh * p->s.kw, c = p->s.c, depth = (c + VL - 1) / VL * VL;
    for (int64_t i = 0; i < f->count; i += DOT_PIXELS) {
        int m = f->count - i < DOT_PIXELS ? (int)(f->count - i) : DOT_PIXELS;
        vf sums[DOT_PIXELS][4];
        UNROLL for (int r = 0; r < DOT_PIXELS; r++) {
            UNROLL for (int q = 0; q < k; q++) sums[r][q] = v_set(0);
        }
        for (int64_t t = 0; t < taps; t++) {
            const float *a[DOT_PIXELS], *w = p->packed + t * depth;
            int64_t j = 0;
            UNROLL for (int r = 0; r < DOT_PIXELS; r++) a[r] =
                f->at[t * p->block + i + (r < m ? r : m - 1)];
            for (; j + VL <= c; j += VL) {
                UNROLL for (int q = 0; q < k; q++) {
                    vf b = v_load(w + q * taps * depth + j);
                    UNROLL for (int r = 0; r < DOT_PIXELS; r++) sums[r][q] =
                        v_fma(v_load(a[r] + j), b, sums[r][q]);
                }
            }
            if (j < c) {
                UNROLL for (int q = 0; q < k; q++) {
                    vf b = v_load(w + q * taps * depth + j);
                    UNROLL for (int r = 0; r < DOT_PIXELS; r++) sums[r][q] =
                        v_fma(v_load_part(a[r] + j, c - j), b, sums[r][q]);
                }
            }
        }
        for (int r = 0; r < m; r++) {
            float *out = f->out[i + r];
            for (int q = 0; q < k; q++)
                out[q] = v_sum(sums[r][q]) + p->bias[q];
            if (p->e.activation != ZOO_LINEAR || f->residual)
                finish_late(&p->e, p->slopes, out, f->residual ? f->residual[i + r] : NULL,
                            k);
        }
    }
}

NOINLINE void dot1(const zoo_conv *p, const pixels *f) { dot_body(1, p, f); }
NOINLINE void dot2(const zoo_conv *p, const pixels *f) { dot_body(2, p, f); }
NOINLINE void dot3(const zoo_conv *p, const pixels *f) { dot_body(3, p, f); }
NOINLINE void dot4(const zoo_conv *p, const pixels *f) { dot_body(4, p, f); }

static void conv_dot(const zoo_conv *p, const zoo_rows *rows, int64_t begin, int64_t end,
                     void *memory) {
    static void (*const bodies[])(const zoo_conv *, const pixels *) = {dot1, dot2, dot3,
                                                                       dot4};
    char *scratch = memory;
    int64_t taps = p->s.kh * p->s.kw, pointer = sizeof(void *);
    pixels f;
    f.out = (float **)carve(&scratch, p->block * pointer);
    f.residual =
        rows->residual ? (const float **)carve(&scratch, p->block * pointer) : NULL;
    f.at = (const float **)carve(&scratch, taps * p->block * pointer);
    for (int64_t unit = begin; unit < end; unit++) {
        find_pixels(p, rows, unit, &f);
        bodies[p->s.k - 1](p, &f);
    }
}
