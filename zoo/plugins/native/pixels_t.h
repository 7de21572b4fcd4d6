/* Products with a value per pixel, normalization and resampling of pixels. Included once per instruction set,
 * after activation_t.h. */

/* Pixels of c channels of a, each times one value of b. */
static void multiply_each(const float *a, const float *b, float *y, int64_t pixels,
                          int64_t c) {
    for (int64_t x = 0; x < pixels; x++, a += c, y += c) {
        vf factor = v_set(b[x]);
        int64_t i = 0;
        for (; i + VL <= c; i += VL)
            v_store(y + i, v_load(a + i) * factor);
        for (; i < c; i++)
            y[i] = a[i] * b[x];
    }
}

/* The sums of a pixel run in vectors, and so in another order than one by one. */
static void normalize_pixels(const float *x, const float *scales, const float *biases,
                             float epsilon, float *y, int64_t pixels, int64_t c) {
    for (int64_t p = 0; p < pixels; p++, x += c, y += c) {
        vf sum = v_set(0), square = v_set(0), mean, factor;
        int64_t i = 0;
        float m, v;
        for (; i + VL <= c; i += VL)
            sum += v_load(x + i);
        m = v_sum(sum);
        for (; i < c; i++)
            m += x[i];
        m /= (float)c;
        mean = v_set(m);
        for (i = 0; i + VL <= c; i += VL) {
            vf d = v_load(x + i) - mean;
            square = v_fma(d, d, square);
        }
        v = v_sum(square);
        for (; i < c; i++)
            v += (x[i] - m) * (x[i] - m);
        v = 1 / sqrtf(v / (float)c + epsilon);
        factor = v_set(v);
        for (i = 0; i + VL <= c; i += VL)
            v_store(y + i, v_fma((v_load(x + i) - mean) * factor, v_load(scales + i),
                                 v_load(biases + i)));
        for (; i < c; i++)
            y[i] = (x[i] - m) * v * scales[i] + biases[i];
    }
}

static void resample_pixels(const float *x, const int64_t *starts, const int64_t *places,
                            const float *weights, float *y, int64_t pixels, int64_t c) {
    for (int64_t o = 0; o < pixels; o++, y += c) {
        int64_t first = starts[o], last = starts[o + 1], i = 0;
        for (; i + VL <= c; i += VL) {
            vf sum = v_set(0);
            for (int64_t t = first; t < last; t++)
                sum = v_fma(v_set(weights[t]), v_load(x + places[t] * c + i), sum);
            v_store(y + i, sum);
        }
        for (; i < c; i++) {
            float sum = 0;
            for (int64_t t = first; t < last; t++)
                sum += weights[t] * x[places[t] * c + i];
            y[i] = sum;
        }
    }
}
