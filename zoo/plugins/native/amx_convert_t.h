/* Floats as bfloat16, hi alone or hi and lo, for amx_t.h, which includes this. */

enum { PIXELS = 16, WORDS = 32, PLANE = 64, TILE_BYTES = 1024 };

#if defined(__GNUC__) && !defined(ZOO_SCALAR) && defined(__BYTE_ORDER__) &&             \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&                                       \
    (defined(__clang__) || __GNUC__ >= 12)
#define SPLIT_VECTORS 1
/* 16 floats whatever VL is, so that every instruction set runs the same text. */
typedef float f16v __attribute__((vector_size(64)));
typedef float f16v_any __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t u16v __attribute__((vector_size(64)));
typedef uint16_t w32v __attribute__((vector_size(64)));
typedef uint16_t w32v_any __attribute__((vector_size(64), aligned(2), may_alias));

#define STORE_UPPER(to, a, b)                                                          \
    (*(w32v_any *)(to) = (w32v_any)__builtin_shufflevector(                            \
         (w32v)(a), (w32v)(b), 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29,  \
         31, 33, 35, 37, 39, 41, 43, 45, 47, 49, 51, 53, 55, 57, 59, 61, 63))
#endif

/* One float; ties away from zero. What is not finite becomes NaN. */
INLINE void split_one(const int three, float x, uint16_t *to) {
    uint32_t bits, upper;
    float hi, lo;
    memcpy(&bits, &x, sizeof bits);
    upper = (bits + 0x8000u) & 0xffff0000u;
    memcpy(&hi, &upper, sizeof hi);
    if (x - x != 0 || hi - hi != 0) {
        to[0] = 0x7fc0;
        if (three)
            to[WORDS] = 0;
        return;
    }
    to[0] = (uint16_t)(upper >> 16);
    lo = x - hi;
    memcpy(&bits, &lo, sizeof bits);
    if (three)
        to[WORDS] = (uint16_t)((bits + 0x8000u) >> 16);
}

/* n <= 32 channels to one plane of 32 words, or two; zeros behind them. */
NOINLINE void split_some(const int three, const float *x, int64_t n, uint16_t *to) {
    for (int64_t i = 0; i < WORDS; i++)
        split_one(three, i < n ? x[i] : 0, to + i);
}

/* One row of the input, columns as p->columns + first says, into blocks of channels
 * that stand `apart` bytes apart. */
INLINE void convert_row(const int three, const zoo_conv *p, const float *in,
                        int64_t first, int64_t count, char *to, int64_t apart) {
    const int64_t bytes = three ? 2 * PLANE : PLANE;
    int64_t cg = p->cg, whole = cg / WORDS;
    for (int careful = 0; careful < 2; careful++) {
        float sticky = 0;
#ifdef SPLIT_VECTORS
        f16v bad = {0};
#endif
        for (int64_t u = 0; u < count; u++) {
            int64_t source = p->columns[first + u];
            char *at = to + u * bytes;
            if (source < 0) {
                for (int64_t b = 0; b < p->s.groups * p->depth_blocks; b++)
                    memset(at + b * apart, 0, (size_t)bytes);
                continue;
            }
            const float *x = in + source * p->in_pixel;
            for (int64_t g = 0; g < p->s.groups; g++, x += cg) {
                int64_t b = 0;
#ifdef SPLIT_VECTORS
                for (; b < whole && !careful; b++, at += apart) {
                    const float *f = x + b * WORDS;
                    uint16_t *words = (uint16_t *)at;
                    f16v x0 = (f16v)*(const f16v_any *)f;
                    f16v x1 = (f16v)*(const f16v_any *)(f + 16);
                    u16v h0 = (u16v)x0 + 0x8000u, h1 = (u16v)x1 + 0x8000u;
                    if (three) {
                        x0 -= (f16v)(h0 & 0xffff0000u);
                        x1 -= (f16v)(h1 & 0xffff0000u);
                        STORE_UPPER(words + WORDS, (u16v)x0 + 0x8000u,
                                    (u16v)x1 + 0x8000u);
                    }
                    STORE_UPPER(words, h0, h1);
                    bad = x0 * 0.0f + bad; /* NaN once anything is not finite */
                    bad = x1 * 0.0f + bad;
                }
#endif
                for (; b * WORDS < cg; b++, at += apart)
                    split_some(three, x + b * WORDS,
                               cg - b * WORDS < WORDS ? cg - b * WORDS : WORDS,
                               (uint16_t *)at);
            }
        }
#ifdef SPLIT_VECTORS
        for (int i = 0; i < 16; i++)
            sticky += bad[i];
#endif
        (void)whole;
        if (sticky == 0)
            break; /* else again, one by one: a NaN must not become a number */
    }
}

NOINLINE void convert_row_three(const zoo_conv *p, const float *in, int64_t first,
                                int64_t count, char *to, int64_t apart) {
    convert_row(1, p, in, first, count, to, apart);
}
NOINLINE void convert_row_one(const zoo_conv *p, const float *in, int64_t first,
                              int64_t count, char *to, int64_t apart) {
    convert_row(0, p, in, first, count, to, apart);
}
