/* Gradients and updates value by value. Included once per instruction set, after
 * activation_t.h. */

/* a >= b, false for NaN */
INLINE vi v_not_below(vf a, vf b) { return v_above(a, b) | ~v_differ(a, b); }
INLINE vf v_either(vi mask, float yes, float no) {
    return v_select(mask, v_set(yes), v_set(no));
}

/* f'(x) as in zoo/activations/formulas.py; f = f(x) */
INLINE vf v_derivative(int kind, vf x, vf f, vf slope) {
    const vf zero = v_set(0), one = v_set(1);
    switch (kind) {
    case ZOO_RELU:
        return v_either(v_above(f, zero), 1, 0);
    case ZOO_SLOPE:
        return v_select(v_above(x, zero), one, slope);
    case ZOO_LOGISTIC:
        return f * (one - f);
    case ZOO_LOGGY:
        return v_set(0.5f) * (one - f * f);
    case ZOO_RELU6:
        return v_either(v_above(f, zero) & v_above(v_set(6), f), 1, 0);
    case ZOO_ELU:
        return v_select(v_not_below(f, zero), one, f + one);
    case ZOO_RAMP:
        return v_either(v_above(f, zero), 1.1f, 0.1f);
    case ZOO_TANH:
        return one - f * f;
    case ZOO_PLSE:
        return v_either(v_not_below(f, zero) & v_not_below(one, f), 0.125f, 0.01f);
    case ZOO_STAIR:
        return v_either(v_differ(v_floor(f), f), 1, 0);
    case ZOO_HARDTAN:
        return v_either(v_above(f, v_set(-1)) & v_above(one, f), 1, 0);
    case ZOO_LHTAN:
        return v_either(v_above(f, zero) & v_above(one, f), 1, 0.001f);
    case ZOO_SELU:
        return v_select(v_not_below(f, zero), v_set(1.0507f),
                        f + v_set(1.0507f * 1.6732f));
    case ZOO_SOFTPLUS:
        return zero - v_expm1(zero - f);
    case ZOO_SOFTSIGN: {
        vf rest = one - v_abs(f);
        return rest * rest;
    }
    case ZOO_ELLIOT: {
        vf rest = one - v_abs(f + f - one);
        return v_set(0.5f) * rest * rest;
    }
    case ZOO_SWISH: {
        vf s;
        x = v_clip(x, -200, 200); /* constant beyond, and infinity would give NaN */
        s = v_logistic(x);
        return s + x * s * (one - s);
    }
    case ZOO_MISH: {
        vf e, w, t;
        x = v_clip(x, -200, 200);
        e = v_exp(v_select(v_above(x, v_set(20)), v_set(20), x));
        w = e * (e + v_set(2));
        t = w / (w + v_set(2));
        return t + x * (one - t * t) * v_logistic(x);
    }
    case ZOO_GELU: {
        vf t, c = v_set(0.7978845608f);
        x = v_clip(x, -50, 50);
        t = v_tanh(c * x * (one + v_set(0.044715f) * x * x));
        return v_set(0.5f) * (one + t) +
               v_set(0.5f) * x * (one - t * t) * c *
                   (one + v_set(3 * 0.044715f) * x * x);
    }
    case ZOO_HARD_MISH: {
        vf inside = v_either(v_above(x, v_set(-2)), 1, 0);
        return v_clip(x, -2, 0) * inside + inside;
    }
    case ZOO_GELU_ERF: {
        vf tail;
        x = v_clip(x, -15, 15);
        tail = v_tail(v_abs(x));
        return v_select(v_above(x, zero), one - tail, tail) +
               v_set(0.3989422804f) * x * v_exp(v_set(-0.5f) * x * x);
    }
    case ZOO_AT_LEAST:
        return v_either(v_above(f, slope), 1, 0);
    case ZOO_AT_MOST:
        return v_either(v_above(slope, f), 1, 0);
    default:
        return one;
    }
}

INLINE void derivative_kind(const int kind, float slope, const float *slopes,
                            const float *x, const float *f, const float *delta,
                            float *out, int64_t n) {
    int64_t i = 0;
    vf s = v_set(slope);
    for (; i + VL <= n; i += VL) {
        if (slopes)
            s = v_load(slopes + i);
        v_store(out + i, v_load(delta + i) *
                             v_derivative(kind, v_load(x + i), v_load(f + i), s));
    }
    if (i < n) {
        if (slopes)
            s = v_load_part(slopes + i, n - i);
        v_store_part(out + i,
                     v_load_part(delta + i, n - i) *
                         v_derivative(kind, v_load_part(x + i, n - i),
                                      v_load_part(f + i, n - i), s),
                     n - i);
    }
}

/* out = delta f'(x); out may be any of the others. */
static void activation_gradient(int kind, float slope, const float *slopes,
                                const float *x, const float *f, const float *delta,
                                float *out, int64_t n) {
    switch (kind) {
#define CASE(KIND)                                                                     \
    case KIND:                                                                         \
        derivative_kind(KIND, slope, slopes, x, f, delta, out, n);                     \
        break;
        ZOO_EACH_KIND(CASE)
#undef CASE
    default:
        break;
    }
}

/* sums += delta min(x, 0) */
static void add_slopes_gradient(const float *x, const float *delta, float *sums,
                                int64_t n) {
    const vf zero = v_set(0);
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf v = v_load(x + i);
        v_store(sums + i, v_load(sums + i) + v_load(delta + i) *
                                                 v_select(v_above(v, zero), zero, v));
    }
    for (; i < n; i++)
        sums[i] += delta[i] * (x[i] > 0 ? 0 : x[i]);
}

/* Of two values the larger, with the number of its cell; the first on a tie or a NaN.
 * A number below zero means no cell at all. out may be a. */
static void larger(const float *a, const int32_t *a_cell, const float *b,
                   const int32_t *b_cell, float *out, int32_t *cell, int64_t n) {
    int64_t i = 0;
#if VL > 1
    for (; i + VL <= n; i += VL) {
        vf x = v_load(a + i), y = v_load(b + i);
        vi ix = v_bits(v_load((const float *)(a_cell + i)));
        vi iy = v_bits(v_load((const float *)(b_cell + i)));
        vi better = v_above(y, x) | (v_differ(y, y) & ~v_differ(x, x)) |
                    ((ix < 0) & (iy >= 0));
        v_store(out + i, v_select(better, y, x));
        v_store((float *)(cell + i), v_float((better & iy) | (~better & ix)));
    }
#endif
    for (; i < n; i++) {
        int better = b[i] > a[i] || (b[i] != b[i] && a[i] == a[i]) ||
                     (a_cell[i] < 0 && b_cell[i] >= 0);
        out[i] = better ? b[i] : a[i];
        cell[i] = better ? b_cell[i] : a_cell[i];
    }
}

INLINE vf v_root(vf x) {
#if VL == 16 && defined(ZOO_INTRINSICS)
    return (vf)_mm512_sqrt_ps((__m512)x);
#elif VL == 8 && defined(ZOO_INTRINSICS)
    return (vf)_mm256_sqrt_ps((__m256)x);
#else
    float lanes[VL];
    v_store(lanes, x);
    for (int i = 0; i < VL; i++)
        lanes[i] = sqrtf(lanes[i]);
    return v_load(lanes);
#endif
}

INLINE void adam_some(const zoo_adam *a, vf *p, vf *m, vf *v, vf g) {
    *m = v_set(a->beta1) * *m + v_set(a->rest1) * g;
    *v = v_set(a->beta2) * *v + v_set(a->rest2) * (g * g);
    *p -= v_set(a->rate) * *m / (v_root(*v * v_set(a->unbias)) + v_set(a->epsilon));
}

static void adam(const zoo_adam *a, float *p, float *m, float *v, const float *g,
                 int64_t n) {
    for (int64_t i = 0; i < n; i += VL) {
        int64_t some = n - i < VL ? n - i : VL;
        vf vp, vm, vv;
        if (some == VL) {
            vp = v_load(p + i);
            vm = v_load(m + i);
            vv = v_load(v + i);
            adam_some(a, &vp, &vm, &vv, v_load(g + i));
            v_store(p + i, vp);
            v_store(m + i, vm);
            v_store(v + i, vv);
        } else {
            vp = v_load_part(p + i, some);
            vm = v_load_part(m + i, some);
            vv = v_load_part(v + i, some);
            adam_some(a, &vp, &vm, &vv, v_load_part(g + i, some));
            v_store_part(p + i, vp, some);
            v_store_part(m + i, vm, some);
            v_store_part(v + i, vv, some);
        }
    }
}

/* out = (x - mean) factor + offset, + delta by if delta; by channel */
static void normalize(const float *x, const float *mean, const float *factor,
                      const float *offset, const float *delta, const float *by,
                      float *out, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf y = (v_load(x + i) - v_load(mean + i)) * v_load(factor + i) +
               v_load(offset + i);
        if (delta)
            y += v_load(delta + i) * v_load(by + i);
        v_store(out + i, y);
    }
    for (; i < n; i++)
        out[i] = (x[i] - mean[i]) * factor[i] + offset[i] +
                 (delta ? delta[i] * by[i] : 0);
}

/* sums[0..n) += a - shift, products += (a - shift) (b - mean); b may be a */
static void add_products(const float *a, const float *shift, const float *b,
                         const float *mean, float *sums, float *products, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        vf d = v_load(a + i) - v_load(shift + i);
        v_store(sums + i, v_load(sums + i) + d);
        v_store(products + i,
                v_load(products + i) + d * (v_load(b + i) - v_load(mean + i)));
    }
    for (; i < n; i++) {
        float d = a[i] - shift[i];
        sums[i] += d;
        products[i] += d * (b[i] - mean[i]);
    }
}
