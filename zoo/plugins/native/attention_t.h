/* Self-attention inside one window. Included once per instruction set, after
 * activation_t.h.
 *
 * Vectors run along the pixels that attend (queries), so that sums, maxima and
 * exponentials over the pixels attended to (keys) never cross a vector, and no lane is
 * lost where heads are narrow. Keys that a window at the edge does not have are left
 * out. Every query is computed by itself, in one order of keys.
 */

enum { ATTEND_VECTORS = 4, ATTEND_BLOCK = ATTEND_VECTORS * VL, ATTEND_KEYS = 4 };

/* Sums of ATTEND_KEYS rows: the first adds products of numbers at rows[k][i * step] and
 * the vectors at `columns`, `depth` of them, a block apart. */
INLINE void attend_sums(const float *const *rows, int64_t depth, const float *columns,
                        vf sums[ATTEND_KEYS][ATTEND_VECTORS]) {
    for (int k = 0; k < ATTEND_KEYS; k++)
        for (int v = 0; v < ATTEND_VECTORS; v++)
            sums[k][v] = v_set(0);
    for (int64_t i = 0; i < depth; i++, columns += ATTEND_BLOCK) {
        vf x[ATTEND_VECTORS];
        UNROLL for (int v = 0; v < ATTEND_VECTORS; v++) x[v] = v_load(columns + v * VL);
        UNROLL for (int k = 0; k < ATTEND_KEYS; k++) {
            vf factor = v_set(rows[k][i]);
            UNROLL for (int v = 0; v < ATTEND_VECTORS; v++)
                sums[k][v] = v_fma(factor, x[v], sums[k][v]);
        }
    }
}

/* Logits of a block of queries and all keys, from `logits` on; returns their maxima. */
NOINLINE void attend_logits(const zoo_attention *a, const float *const *keys,
                            const int64_t *places, int64_t count, const float *biases,
                            const float *queries, float *logits, float *maxima) {
    vf most[ATTEND_VECTORS];
    for (int v = 0; v < ATTEND_VECTORS; v++)
        most[v] = v_set(-INFINITY);
    for (int64_t j = 0; j < count; j += ATTEND_KEYS) {
        int64_t n = count - j < ATTEND_KEYS ? count - j : ATTEND_KEYS;
        const float *rows[ATTEND_KEYS];
        vf sums[ATTEND_KEYS][ATTEND_VECTORS];
        for (int64_t k = 0; k < ATTEND_KEYS; k++)
            rows[k] = keys[j + (k < n ? k : 0)];
        attend_sums(rows, a->depth, queries, sums);
        for (int64_t k = 0; k < n; k++) {
            float *to = logits + (j + k) * ATTEND_BLOCK;
            for (int v = 0; v < ATTEND_VECTORS; v++) {
                vf sum = sums[k][v];
                if (biases)
                    sum += v_load(biases + places[j + k] * a->padded + v * VL);
                v_store(to + v * VL, sum);
                most[v] = v_max(most[v], sum);
            }
        }
    }
    for (int v = 0; v < ATTEND_VECTORS; v++)
        v_store(maxima + v * VL, most[v]);
}

/* Logits become e to the power of what they are below the maximum; the sums' inverse. */
NOINLINE void attend_powers(float *logits, int64_t count, const float *maxima,
                            float *inverse) {
    for (int v = 0; v < ATTEND_VECTORS; v++) {
        vf most = v_load(maxima + v * VL), sum = v_set(0);
        for (int64_t j = 0; j < count; j++) {
            float *at = logits + j * ATTEND_BLOCK + v * VL;
            vf power = v_exp(v_load(at) - most);
            v_store(at, power);
            sum += power;
        }
        v_store(inverse + v * VL, v_set(1) / sum);
    }
}

/* Sums of the keys' values, weighted; channel after channel, a block of queries each. */
NOINLINE void attend_values(const zoo_attention *a, const float *const *values,
                            int64_t count, const float *powers, const float *inverse,
                            float *sums) {
    for (int64_t d = 0; d < a->depth; d += ATTEND_KEYS) {
        int64_t n = a->depth - d < ATTEND_KEYS ? a->depth - d : ATTEND_KEYS;
        vf total[ATTEND_KEYS][ATTEND_VECTORS];
        for (int k = 0; k < ATTEND_KEYS; k++)
            for (int v = 0; v < ATTEND_VECTORS; v++)
                total[k][v] = v_set(0);
        for (int64_t j = 0; j < count; j++) {
            const float *value = values[j] + d, *power = powers + j * ATTEND_BLOCK;
            vf x[ATTEND_VECTORS];
            UNROLL for (int v = 0; v < ATTEND_VECTORS; v++) x[v] = v_load(power + v * VL);
            UNROLL for (int k = 0; k < ATTEND_KEYS; k++) {
                vf factor = v_set(value[k < n ? k : 0]);
                UNROLL for (int v = 0; v < ATTEND_VECTORS; v++)
                    total[k][v] = v_fma(factor, x[v], total[k][v]);
            }
        }
        for (int64_t k = 0; k < n; k++)
            for (int v = 0; v < ATTEND_VECTORS; v++)
                v_store(sums + (d + k) * ATTEND_BLOCK + v * VL,
                        total[k][v] * v_load(inverse + v * VL));
    }
}

/* One window. pixels: rows * columns inputs, q, k and v beside each other, NULL where
 * the window has none; out: results, NULL where none is wanted. */
static void attend(const zoo_attention *a, const float *const *pixels,
                   float *const *out, void *scratch) {
    const int64_t all = a->rows * a->columns, channels = a->heads * a->depth;
    const float **keys = scratch, **values = keys + all;
    int64_t *places = (int64_t *)(values + all), count = 0;
    float *queries = (float *)(places + all), *sums = queries + a->depth * ATTEND_BLOCK;
    float *maxima = sums + a->depth * ATTEND_BLOCK, *inverse = maxima + ATTEND_BLOCK;
    float *logits = inverse + ATTEND_BLOCK;
    for (int64_t j = 0; j < all; j++)
        if (pixels[j])
            places[count++] = j;
    for (int64_t h = 0; h < a->heads; h++) {
        const float *biases = a->biases ? a->biases + h * all * a->padded : NULL;
        for (int64_t j = 0; j < count; j++) {
            keys[j] = pixels[places[j]] + channels + h * a->depth;
            values[j] = keys[j] + channels;
        }
        for (int64_t first = 0; first < all; first += ATTEND_BLOCK) {
            int64_t n = all - first < ATTEND_BLOCK ? all - first : ATTEND_BLOCK, some = 0;
            for (int64_t i = 0; i < ATTEND_BLOCK; i++) {
                int wanted = i < n && out[first + i] != NULL;
                const float *q = wanted ? pixels[first + i] + h * a->depth : NULL;
                some += wanted;
                for (int64_t d = 0; d < a->depth; d++)
                    queries[d * ATTEND_BLOCK + i] = q ? q[d] * a->scale : 0;
            }
            if (some == 0)
                continue;
            attend_logits(a, keys, places, count, biases ? biases + first : NULL, queries,
                          logits, maxima);
            attend_powers(logits, count, maxima, inverse);
            attend_values(a, values, count, logits, inverse, sums);
            for (int64_t i = 0; i < n; i++)
                for (int64_t d = 0; d < a->depth && out[first + i]; d++)
                    out[first + i][h * a->depth + d] = sums[d * ATTEND_BLOCK + i];
        }
    }
}
