/* Convolutions as products of tiles of bfloat16 (AMX). Included once per instruction
 * set, after conv_t.h: with the instructions where ZOO_AMX is set, elsewhere with
 * amx_emulated.h, which does in C what they do, so that all but the instructions
 * themselves is tested on any machine.
 *
 * A bfloat16 is the upper half of a float. One product of it loses 2^-9 of each
 * factor (ZOO_AMX1). Written as hi + lo, two bfloat16 hold 16 bits of a float, and
 * hi hi + hi lo + lo hi is the product to about 2^-16 (ZOO_AMX3). Sums are float.
 *
 * A unit is a block of output pixels, `block_rows` times `block_groups` groups of 16
 * neighbours. The input under it is converted once, into
 *     row, block of 32 channels, column, {hi, lo}, channel
 * so that 16 neighbours under one tap are one tile: 16 rows of 64 bytes, a constant
 * stride apart. Weights (conv_amx.c) are packed as
 *     group, 32 filters, tap row, block of 32 channels, tap column, {hi, lo}, tile
 * and read in this order. Tiles 0 to 3 hold the sums of 2 x 16 pixels and 2 x 16
 * filters; each sum adds the same terms in the same order wherever its pixel stands.
 *
 * Not finite: infinity has no lo, and a bfloat16 may overflow where a float does not.
 * Sums that are not finite are computed again directly, as in winograd_t.h.
 */
#ifdef ZOO_AMX
#define TILES
#define TILE_ZERO(n) _tile_zero(n)
#define TILE_LOAD(n, from, apart) _tile_loadd(n, from, apart)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#define TILE_STORE(n, to) _tile_stored(n, to, 64)
/* What was written before is in memory before tiles are loaded: the compiler does not
 * know what a load reads. */
#define TILE_FENCE __asm__ volatile("" ::: "memory")
#else
#include "amx_emulated.h"
#endif

#include "amx_convert_t.h"

/* -- products ---------------------------------------------------------------- */

typedef struct {
    int64_t kh, kw, blocks;
    int64_t row, block, tap; /* bytes from tap row to tap row, block to block, ... */
    int64_t pixel;           /* and from output pixel to output pixel */
} tile_walk;

/* Sums of na x nb tiles, 256 floats each, in the order (0 0) (0 1) (1 0) (1 1). With
 * nb == 1 and three products (0 1) and (1 1) are further parts of the same sums. */
INLINE void tile_product(const int na, const int nb, const int three,
                         const tile_walk *w, const char *a0, const char *a1,
                         const char *b, float *sums) {
    TILES;
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (int64_t y = 0; y < w->kh; y++)
        for (int64_t c = 0; c < w->blocks; c++) {
            const char *p0 = a0 + y * w->row + c * w->block;
            const char *p1 = a1 + y * w->row + c * w->block;
            for (int64_t x = 0; x < w->kw; x++, p0 += w->tap, p1 += w->tap) {
                /* lo hi, hi hi, hi lo: only one of the two changes each time. A product
                 * takes 52 cycles and the next may start after 16, so that the four
                 * sums always take turns in the same order. */
                if (nb > 1) {
                    TILE_LOAD(6, b, 64);
                    if (three) {
                        TILE_LOAD(4, p0 + PLANE, w->pixel);
                        TILE_DOT(0, 4, 6);
                        TILE_LOAD(7, b + TILE_BYTES, 64);
                        TILE_DOT(1, 4, 7);
                        if (na > 1) {
                            TILE_LOAD(5, p1 + PLANE, w->pixel);
                            TILE_DOT(2, 5, 6);
                            TILE_DOT(3, 5, 7);
                        }
                    }
                    TILE_LOAD(4, p0, w->pixel);
                    TILE_DOT(0, 4, 6);
                    if (!three)
                        TILE_LOAD(7, b + TILE_BYTES, 64);
                    TILE_DOT(1, 4, 7);
                    if (na > 1) {
                        TILE_LOAD(5, p1, w->pixel);
                        TILE_DOT(2, 5, 6);
                        TILE_DOT(3, 5, 7);
                    }
                    b += 2 * TILE_BYTES;
                    if (three) {
                        TILE_LOAD(6, b, 64);
                        TILE_DOT(0, 4, 6);
                        TILE_LOAD(7, b + TILE_BYTES, 64);
                        TILE_DOT(1, 4, 7);
                        if (na > 1) {
                            TILE_DOT(2, 5, 6);
                            TILE_DOT(3, 5, 7);
                        }
                        b += 2 * TILE_BYTES;
                    }
                } else {
                    TILE_LOAD(6, b, 64);
                    if (three) {
                        TILE_LOAD(4, p0 + PLANE, w->pixel);
                        TILE_DOT(1, 4, 6);
                        if (na > 1) {
                            TILE_LOAD(5, p1 + PLANE, w->pixel);
                            TILE_DOT(3, 5, 6);
                        }
                    }
                    TILE_LOAD(4, p0, w->pixel);
                    TILE_DOT(0, 4, 6);
                    if (na > 1) {
                        TILE_LOAD(5, p1, w->pixel);
                        TILE_DOT(2, 5, 6);
                    }
                    b += TILE_BYTES;
                    if (three) {
                        TILE_LOAD(7, b, 64);
                        TILE_DOT(1, 4, 7);
                        if (na > 1)
                            TILE_DOT(3, 5, 7);
                        b += TILE_BYTES;
                    }
                }
            }
        }
    TILE_STORE(0, sums);
    if (nb > 1 || three)
        TILE_STORE(1, sums + 256);
    if (na > 1) {
        TILE_STORE(2, sums + 512);
        if (nb > 1 || three)
            TILE_STORE(3, sums + 768);
    }
}

#define TILE_PRODUCT(NAME, NA, NB, THREE)                                              \
    NOINLINE void NAME(const tile_walk *w, const char *a0, const char *a1,             \
                       const char *b, float *sums) {                                   \
        tile_product(NA, NB, THREE, w, a0, a1, b, sums);                               \
    }
TILE_PRODUCT(tile_product_11, 1, 1, 0)
TILE_PRODUCT(tile_product_12, 1, 2, 0)
TILE_PRODUCT(tile_product_21, 2, 1, 0)
TILE_PRODUCT(tile_product_22, 2, 2, 0)
TILE_PRODUCT(tile_product3_11, 1, 1, 1)
TILE_PRODUCT(tile_product3_12, 1, 2, 1)
TILE_PRODUCT(tile_product3_21, 2, 1, 1)
TILE_PRODUCT(tile_product3_22, 2, 2, 1)

/* -- results ----------------------------------------------------------------- */

/* n <= VL filters of one pixel as float sums. x: column of the output; k: filter
 * within the group. */
NOINLINE vf tile_direct(const zoo_conv *p, const zoo_rows *rows, int64_t row, int64_t x,
                        int64_t g, int64_t k, int64_t n) {
    vf sum = v_set(0);
    for (int64_t i = 0; i < p->s.kh; i++)
        for (int64_t j = 0; j < p->s.kw; j++) {
            int64_t source = p->columns[x * p->s.sw + j * p->s.dw];
            const float *from = p->zeros;
            const float *w = p->weights + (i * p->s.kw + j) * p->cg * p->s.k;
            if (source >= 0)
                from = rows->in[row * p->s.kh + i] + source * p->in_pixel;
            from += g * p->cg;
            w += g * p->kg + k;
            for (int64_t c = 0; c < p->cg; c++, w += p->s.k)
                sum = v_fma(v_set(from[c]), v_load_part(w, n), sum);
        }
    return sum;
}

/* Up to 16 filters from k on of up to 16 pixels from column x on. sums may come in
 * two parts. */
NOINLINE void tile_finish(const zoo_conv *p, const zoo_rows *rows, int64_t row,
                          int64_t x, int64_t g, int64_t k, const float *sums,
                          const float *more) {
    int64_t apart = p->residual_pixel, left = p->s.ow - x, first = g * p->kg + k;
    int64_t count = left < PIXELS ? left : PIXELS;
    int64_t n = p->kg - k < PIXELS ? p->kg - k : PIXELS;
    float *out = rows->out[row] + x * p->out_pixel + zoo_place(p, first);
    const float *residual = NULL;
    const float *bias = p->bias + g * p->kcols + k, *slopes = p->slopes + g * p->kcols + k;
    if (rows->residual)
        residual = rows->residual[row] + x * apart + first;
    for (int64_t j = 0; j < n; j += VL) {
        vf add = v_load(bias + j), bad = v_set(0);
        int64_t part = n - j;
        for (int again = 0; again < 2; again++) {
            for (int64_t i = 0; i < count; i++) {
                vf sum = v_load(sums + i * PIXELS + j), other = add, v;
                if (more)
                    sum += v_load(more + i * PIXELS + j);
                if (again) {
                    if (!v_any_nan(sum - sum))
                        continue;
                    sum = tile_direct(p, rows, row, x + i, g, k + j, part);
                }
                bad += sum - sum;
                if (residual)
                    other = part >= VL ? v_load(residual + i * apart + j)
                                       : v_load_part(residual + i * apart + j, part);
                v = finish(&p->e, p->fused, sum, add, slopes + j, residual != NULL,
                           other);
                if (part >= VL)
                    v_store(out + i * p->out_pixel + j, v);
                else
                    v_store_part(out + i * p->out_pixel + j, v, part);
            }
            if (!v_any_nan(bad))
                break;
        }
    }
    if (!p->fused)
        for (int64_t i = 0; i < count; i++)
            finish_late(&p->e, slopes, out + i * p->out_pixel,
                        residual ? residual + i * apart : NULL, n);
}

/* -- units ------------------------------------------------------------------- */

typedef struct {
    int64_t row, group, rows, groups; /* of output; groups of 16 columns */
} tile_block;

INLINE tile_block block_of(const zoo_conv *p, int64_t unit) {
    tile_block b;
    int64_t across = (p->tile_cols + p->block_groups - 1) / p->block_groups;
    int64_t down = (p->image_rows + p->block_rows - 1) / p->block_rows;
    int64_t image = unit / (across * down), row = unit / across % down;
    row *= p->block_rows;
    b.group = unit % across * p->block_groups;
    b.row = image * p->image_rows + row;
    b.rows = p->image_rows - row < p->block_rows ? p->image_rows - row : p->block_rows;
    b.groups = p->tile_cols - b.group;
    if (b.groups > p->block_groups)
        b.groups = p->block_groups;
    return b;
}

/* Convert the rows of input that a block needs, each one once. */
INLINE void convert_block(const int three, const zoo_conv *p, const zoo_rows *rows,
                          const tile_block *b, char *input, int64_t row_bytes,
                          int64_t apart, char *done) {
    int64_t kh = p->s.kh, first = b->group * PIXELS * p->s.sw;
    int64_t count = (b->groups * PIXELS - 1) * p->s.sw + (p->s.kw - 1) * p->s.dw + 1;
    memset(done, 0, (size_t)((b->rows - 1) * p->s.sh + (kh - 1) * p->s.dh + 1));
    for (int64_t r = 0; r < b->rows; r++)
        for (int64_t y = 0; y < kh; y++) {
            int64_t at = r * p->s.sh + y * p->s.dh;
            if (done[at])
                continue;
            done[at] = 1;
            (three ? convert_row_three : convert_row_one)(
                p, rows->in[(b->row + r) * kh + y], first, count, input + at * row_bytes,
                apart);
        }
}

static void conv_tiles(const zoo_conv *p, const zoo_rows *rows, int64_t begin,
                       int64_t end, void *memory) {
    static void (*const products[2][2][2])(const tile_walk *, const char *,
                                           const char *, const char *, float *) = {
        {{tile_product_11, tile_product_12}, {tile_product_21, tile_product_22}},
        {{tile_product3_11, tile_product3_12}, {tile_product3_21, tile_product3_22}}};
    const int three = p->planes == 2;
    const int64_t bytes = three ? 2 * PLANE : PLANE, taps = p->s.kh * p->s.kw;
    const int64_t apart = p->block_columns * bytes;
    const int64_t blocks = p->depth_blocks, row_bytes = p->s.groups * blocks * apart;
    const int64_t panel = taps * blocks * TILE_BYTES * (three ? 2 : 1); /* 16 filters */
    const tile_walk walk = {p->s.kh, p->s.kw,         blocks,           p->s.dh * row_bytes,
                            apart,   p->s.dw * bytes, p->s.sw * bytes};
    char *scratch = memory;
    float *sums = (float *)carve(&scratch, 4 * TILE_BYTES);
    char *done = carve(&scratch, p->block_span);
    char *input = scratch;
#ifdef ZOO_AMX
    static const uint8_t configuration[64] __attribute__((aligned(64))) = {
        /* palette */ 1, [16] = 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0, 64, 0,
        /* rows */ [48] = 16, 16, 16, 16, 16, 16, 16, 16};
    _tile_loadconfig(configuration);
#endif
    for (int64_t unit = begin; unit < end; unit++) {
        const tile_block b = block_of(p, unit);
        int64_t count = b.rows * b.groups;
        convert_block(three, p, rows, &b, input, row_bytes, apart, done);
        TILE_FENCE;
        for (int64_t g = 0; g < p->s.groups; g++) {
            const char *a = input + g * blocks * apart;
            for (int64_t k = 0; k < p->kg; k += 2 * PIXELS) {
                const int nb = p->kg - k > PIXELS ? 2 : 1;
                const char *w = (const char *)p->packed +
                                (g * p->kcols + k) / PIXELS * panel;
                for (int64_t i = 0; i < count; i += 2) {
                    const int na = count - i > 1 ? 2 : 1;
                    const char *from[2];
                    for (int t = 0; t < 2; t++) {
                        int64_t tile = t < na ? i + t : i;
                        from[t] = a + tile / b.groups * p->s.sh * row_bytes +
                                  tile % b.groups * PIXELS * p->s.sw * bytes;
                    }
                    products[three][na - 1][nb - 1](&walk, from[0], from[1], w, sums);
                    for (int t = 0; t < na; t++) {
                        int64_t row = b.row + (i + t) / b.groups;
                        int64_t x = (b.group + (i + t) % b.groups) * PIXELS;
                        const float *s = sums + t * 512;
                        tile_finish(p, rows, row, x, g, k, s,
                                    nb < 2 && three ? s + 256 : NULL);
                        if (nb > 1)
                            tile_finish(p, rows, row, x, g, k + PIXELS, s + 256, NULL);
                    }
                }
            }
        }
    }
#ifdef ZOO_AMX
    _tile_release();
#endif
}
