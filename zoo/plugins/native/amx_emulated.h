/* What AMX does with bfloat16 tiles, in C, to the bit. Included by amx_t.h.
 *
 * Eight tiles of 16 rows of 64 bytes. TDPBF16PS adds, for each of 16 x 16 floats, the
 * products of 16 pairs: the first ones of the pairs are summed by fused multiply-adds
 * from zero, the second ones likewise, then both sums are added, then the tile.
 * Numbers below the normal ones count as zero, in operands and results.
 */
typedef struct {
    uint32_t row[16][16];
} emulated_tile;

#define TILES emulated_tile tile[8]
#define TILE_ZERO(n) memset(&tile[n], 0, sizeof tile[n])
#define TILE_LOAD(n, from, apart) emulated_load(&tile[n], from, apart)
#define TILE_DOT(c, a, b) emulated_dot(&tile[c], &tile[a], &tile[b])
#define TILE_STORE(n, to) memcpy(to, &tile[n], sizeof tile[n])
#define TILE_FENCE (void)0

INLINE void emulated_load(emulated_tile *t, const char *from, int64_t apart) {
    for (int i = 0; i < 16; i++)
        memcpy(t->row[i], from + i * apart, 64);
}

INLINE vf emulated_flush(vf v) {
    vi small = v_above(v_set(1.17549435e-38f), v_abs(v));
    return v_select(small, v_float(v_bits(v) & (int32_t)0x80000000u), v);
}

/* The first and the second ones of a row's pairs as floats. */
INLINE void emulated_row(const uint32_t row[16], float first[16], float second[16]) {
    for (int i = 0; i < 16; i++) {
        uint32_t low = row[i] << 16, high = row[i] & 0xffff0000u;
        memcpy(first + i, &low, sizeof low);
        memcpy(second + i, &high, sizeof high);
    }
    for (int i = 0; i < 16; i += VL) {
        v_store(first + i, emulated_flush(v_load(first + i)));
        v_store(second + i, emulated_flush(v_load(second + i)));
    }
}

/* The product of two bfloat16 is a float, so that v_fma rounds once everywhere. */
NOINLINE void emulated_dot(emulated_tile *c, const emulated_tile *a,
                           const emulated_tile *b) {
    float first[16][16], second[16][16], a_first[16], a_second[16];
    for (int k = 0; k < 16; k++)
        emulated_row(b->row[k], first[k], second[k]);
    for (int m = 0; m < 16; m++) {
        emulated_row(a->row[m], a_first, a_second);
        for (int n = 0; n < 16; n += VL) {
            vf even = v_set(0), odd = v_set(0), sum;
            for (int k = 0; k < 16; k++) {
                even = v_fma(v_set(a_first[k]), v_load(first[k] + n), even);
                odd = v_fma(v_set(a_second[k]), v_load(second[k] + n), odd);
                even = emulated_flush(even);
                odd = emulated_flush(odd);
            }
            memcpy(&sum, &c->row[m][n], sizeof sum);
            sum = emulated_flush(emulated_flush(sum) + emulated_flush(even + odd));
            memcpy(&c->row[m][n], &sum, sizeof sum);
        }
    }
}
