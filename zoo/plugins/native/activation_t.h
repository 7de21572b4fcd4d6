/* Activations on vectors. Included once per instruction set, after vec.h.
 *
 * Polynomials: interpolated at Chebyshev points in 40 digits; errors are below
 * 1e-7 relative.
 */

INLINE vf v_abs(vf x) { return v_float(v_bits(x) & 0x7fffffff); }
INLINE vf v_copysign(vf size, vf sign) {
    return v_float((v_bits(size) & 0x7fffffff) |
                   (v_bits(sign) & (int32_t)0x80000000u));
}

/* Towards minus infinity; from 2^23 on every float is whole. NaN stays. */
INLINE vf v_floor(vf x) {
    vi small = v_above(v_set(8388608.0f), v_abs(x));
    vf safe = v_select(small, x, v_set(0));
    vf cut = v_number(v_integer(safe));
    cut = v_select(v_above(cut, safe), cut - v_set(1), cut);
    return v_select(small, v_copysign(cut, x), x);
}

/* (e^r - 1 - r) / r^2 for |r| <= log(2) / 2 */
INLINE vf v_exp_rest(vf r) {
    return (((v_set(0.0013927850560615232f) * r + v_set(0.00836331976452379f)) * r +
             v_set(0.041666540059594026f)) *
                r +
            v_set(0.16666576142582273f)) *
               r +
           v_set(0.5000000001357888f);
}

/* e^x = 2^n e^r; 2^n in two factors, so that results below the normal numbers
 * are right too. Infinity above 88.72, NaN for NaN. */
INLINE vf v_exp(vf x) {
    vf bounded = v_select(v_above(x, v_set(90)), v_set(90), x);
    bounded = v_select(v_above(v_set(-105), x), v_set(-105), bounded);
    vi finite = ~v_differ(x, x);
    bounded = v_select(finite, bounded, v_set(0));
    vf scaled = bounded * v_set(1.44269504088896341f);
    vf half = v_copysign(v_set(0.5f), scaled);
    vi n = v_integer(scaled + half);
    vf whole = v_number(n);
    vf r = bounded - whole * v_set(0.693145751953125f); /* 9 bits: exact product */
    r = r - whole * v_set(1.42860682030941723e-6f);
    vf y = v_exp_rest(r) * r * r + r + v_set(1);
    vi n1 = n >> 1, n2 = n - n1;
    y = y * v_float((n1 + 127) << 23) * v_float((n2 + 127) << 23);
    return v_select(finite, y, x);
}

INLINE vf v_expm1(vf x) {
    vf p = (((((v_set(0.0001994568498213604f) * x + v_set(0.0013982243238152231f)) * x +
               v_set(0.008333234145631517f)) *
                  x +
              v_set(0.041665790157543466f)) *
                 x +
             v_set(0.166666668106975f)) *
                x +
            v_set(0.5000000121830569f)) *
               x * x +
           x;
    return v_select(v_above(v_abs(x), v_set(0.5f)), v_exp(x) - v_set(1), p);
}

INLINE vf v_tanh(vf x) {
    vf a = v_abs(x), s = x * x;
    vf p = ((((v_set(-0.006045165090627331f) * s + v_set(0.020961329103236122f)) * s +
              v_set(-0.053843263173671524f)) *
                 s +
             v_set(0.13332718845571667f)) *
                s +
            v_set(-0.33333328433318044f)) *
               s * x +
           x;
    vf e = v_exp(v_set(-2) * a);
    vf far = v_copysign((v_set(1) - e) / (v_set(1) + e), x);
    return v_select(v_above(a, v_set(0.6f)), far, v_select(v_differ(x, x), x, p));
}

INLINE vf v_logistic(vf x) {
    vf e = v_exp(v_float(v_bits(x) | (int32_t)0x80000000u)); /* e^-|x| */
    vf y = v_select(v_above(v_set(0), x), e, v_set(1)) / (v_set(1) + e);
    return v_select(v_differ(x, x), x, y);
}

/* max(x, 0) + log(1 + e^-|x|), the logarithm as 2 artanh(e / (2 + e)) */
INLINE vf v_softplus(vf x) {
    vf e = v_exp(v_float(v_bits(x) | (int32_t)0x80000000u));
    vf t = e / (v_set(2) + e), s = t * t;
    vf p = ((((v_set(0.11612164612037014f) * s + v_set(0.1085328790043387f)) * s +
              v_set(0.14296178997151943f)) *
                 s +
             v_set(0.19999853165964843f)) *
                s +
            v_set(0.3333333366026371f)) *
               s * t +
           t;
    vf y = v_select(v_above(x, v_set(0)), x, v_set(0)) + v_set(2) * p;
    return v_select(v_differ(x, x), x, y);
}

INLINE vf v_clip(vf x, float low, float high) {
    x = v_select(v_above(v_set(low), x), v_set(low), x);
    return v_select(v_above(x, v_set(high)), v_set(high), x);
}

INLINE vf v_relu(vf x) { return v_select(v_above(v_set(0), x), v_set(0), x); }

INLINE vf v_slope(vf x, vf slope) {
    return v_select(v_above(x, v_set(0)), x, slope * x);
}

INLINE vf v_stair(vf x) {
    vf whole = v_floor(x), half = v_floor(x * v_set(0.5f));
    vi odd = v_differ(half + half, whole) | v_differ(x - x, v_set(0)); /* inf: NaN */
    return v_select(odd, (x - whole) + half, half);
}

/* The normal distribution's tail at 0 <= t <= 15: e^(-t^2 / 2) times a polynomial in
 * (t - 3) / (t + 3). */
INLINE vf v_tail(vf t) {
    vf r = (t - v_set(3)) / (t + v_set(3));
    vf p = v_set(5.4181670116994516e-05f);
    p = p * r + v_set(0.0001162363375321849f);
    p = p * r + v_set(-0.0003397967505712143f);
    p = p * r + v_set(-0.0009844244442691154f);
    p = p * r + v_set(0.002904545184184742f);
    p = p * r + v_set(0.006132269994417189f);
    p = p * r + v_set(-0.04621326470884704f);
    p = p * r + v_set(0.12322501128625135f);
    p = p * r + v_set(-0.20640262143393073f);
    p = p * r + v_set(0.1215139479440321f);
    return v_exp(v_set(-0.5f) * t * t) * p;
}

INLINE vf v_activate(int kind, vf x, vf slope) {
    const vf zero = v_set(0), one = v_set(1);
    switch (kind) {
    case ZOO_RELU:
        return v_relu(x);
    case ZOO_SLOPE:
        return v_slope(x, slope);
    case ZOO_LOGISTIC:
        return v_logistic(x);
    case ZOO_LOGGY:
        return v_tanh(v_set(0.5f) * x);
    case ZOO_RELU6:
        return v_clip(x, 0, 6);
    case ZOO_ELU:
        return v_select(v_above(zero, x), v_expm1(x), x);
    case ZOO_RAMP:
        return v_select(v_above(x, zero), x + v_set(0.1f) * x, v_set(0.1f) * x);
    case ZOO_TANH:
        return v_tanh(x);
    case ZOO_PLSE: {
        vf below = v_set(0.01f) * (x + v_set(4));
        vf above = v_set(0.01f) * (x - v_set(4)) + one;
        vf outer = v_select(v_above(zero, x), below, above);
        return v_select(v_above(v_abs(x), v_set(4)), outer,
                        v_set(0.125f) * x + v_set(0.5f));
    }
    case ZOO_STAIR:
        return v_stair(x);
    case ZOO_HARDTAN:
        return v_clip(x, -1, 1);
    case ZOO_LHTAN: {
        vf above = v_set(0.001f) * (x - one) + one;
        return v_select(v_above(zero, x), v_set(0.001f) * x,
                        v_select(v_above(x, one), above, x));
    }
    case ZOO_SELU:
        return v_select(v_above(zero, x), v_set(1.0507f * 1.6732f) * v_expm1(x),
                        v_set(1.0507f) * x);
    case ZOO_SOFTPLUS:
        return v_softplus(x);
    case ZOO_SOFTSIGN:
        return x / (one + v_abs(x));
    case ZOO_ELLIOT:
        return v_set(0.5f) * x / (one + v_abs(x)) + v_set(0.5f);
    case ZOO_SWISH:
        return x * v_logistic(x);
    case ZOO_MISH: {
        /* tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2) */
        vf e = v_exp(v_select(v_above(x, v_set(20)), v_set(20), x));
        vf w = e * (e + v_set(2));
        return x * (w / (w + v_set(2)));
    }
    case ZOO_GELU: {
        vf inner = v_set(0.7978845608f) * x * (one + v_set(0.044715f) * x * x);
        return v_set(0.5f) * x * (one + v_tanh(inner));
    }
    case ZOO_HARD_MISH: {
        vf curved = v_clip(x, -2, 0);
        return v_select(v_above(x, zero), x, (v_set(0.5f) * curved + one) * curved);
    }
    case ZOO_GELU_ERF: {
        vf t = v_clip(v_abs(x), 0, 15);
        return v_relu(x) - t * v_tail(t);
    }
    case ZOO_AT_LEAST:
        return v_select(v_above(slope, x), slope, x);
    case ZOO_AT_MOST:
        return v_select(v_above(x, slope), slope, x);
    default:
        return x;
    }
}

/* v_activate with a constant kind, so that the choice is made once per row. */
#define ZOO_EACH_KIND(DO)                                                              \
    DO(ZOO_LINEAR) DO(ZOO_RELU) DO(ZOO_SLOPE) DO(ZOO_LOGISTIC) DO(ZOO_LOGGY)           \
    DO(ZOO_RELU6) DO(ZOO_ELU) DO(ZOO_RAMP) DO(ZOO_TANH) DO(ZOO_PLSE) DO(ZOO_STAIR)     \
    DO(ZOO_HARDTAN) DO(ZOO_LHTAN) DO(ZOO_SELU) DO(ZOO_SOFTPLUS) DO(ZOO_SOFTSIGN)       \
    DO(ZOO_ELLIOT) DO(ZOO_SWISH) DO(ZOO_MISH) DO(ZOO_GELU) DO(ZOO_HARD_MISH)     \
    DO(ZOO_GELU_ERF) DO(ZOO_AT_LEAST) DO(ZOO_AT_MOST)

INLINE void activate_kind(const int kind, float slope, const float *slopes,
                          const float *x, float *y, int64_t n) {
    int64_t i = 0;
    vf s = v_set(slope);
    for (; i + VL <= n; i += VL) {
        if (slopes)
            s = v_load(slopes + i);
        v_store(y + i, v_activate(kind, v_load(x + i), s));
    }
    if (i < n) {
        if (slopes)
            s = v_load_part(slopes + i, n - i);
        v_store_part(y + i, v_activate(kind, v_load_part(x + i, n - i), s), n - i);
    }
}

/* y = activation(x); x and y may be the same. */
static void activate(int kind, float slope, const float *slopes, const float *x,
                     float *y, int64_t n) {
    switch (kind) {
#define CASE(KIND)                                                                     \
    case KIND:                                                                         \
        activate_kind(KIND, slope, slopes, x, y, n);                                   \
        break;
        ZOO_EACH_KIND(CASE)
#undef CASE
    default:
        break;
    }
}

INLINE void blend_kind(const int simple, int kind, float slope, float alpha, float beta,
                       const float *a, const float *b, float *y, int64_t n) {
    int64_t i = 0;
    vf va = v_set(alpha), vb = v_set(beta);
    for (; i + VL <= n; i += VL) {
        vf v = v_fma(va, v_load(a + i), vb * v_load(b + i));
        v_store(y + i, simple && kind == ZOO_RELU ? v_relu(v) : v);
    }
    if (i < n) {
        vf v = v_fma(va, v_load_part(a + i, n - i), vb * v_load_part(b + i, n - i));
        v_store_part(y + i, simple && kind == ZOO_RELU ? v_relu(v) : v, n - i);
    }
    if (!simple)
        activate(kind, slope, NULL, y, y, n);
}

/* y = activation(alpha a + beta b); y may be a or b. */
static void blend(int kind, float slope, float alpha, float beta, const float *a,
                  const float *b, float *y, int64_t n) {
    if (kind == ZOO_LINEAR)
        blend_kind(1, ZOO_LINEAR, slope, alpha, beta, a, b, y, n);
    else if (kind == ZOO_RELU)
        blend_kind(1, ZOO_RELU, slope, alpha, beta, a, b, y, n);
    else
        for (int64_t i = 0; i < n; i += 1024) /* both passes in the cache */
            blend_kind(0, kind, slope, alpha, beta, a + i, b + i, y + i,
                       n - i < 1024 ? n - i : 1024);
}

/* y = a b; y may be a or b. */
static void multiply(const float *a, const float *b, float *y, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_load(a + i) * v_load(b + i));
    if (i < n)
        v_store_part(y + i, v_load_part(a + i, n - i) * v_load_part(b + i, n - i), n - i);
}

static void maximum(const float *a, const float *b, float *y, int64_t n) {
    int64_t i = 0;
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_max(v_load(a + i), v_load(b + i)));
    for (; i < n; i++)
        y[i] = a[i] > b[i] || a[i] != a[i] ? a[i] : b[i];
}

static void axpy(float factor, const float *a, const float *b, float *y, int64_t n) {
    int64_t i = 0;
    vf f = v_set(factor);
    for (; i + VL <= n; i += VL)
        v_store(y + i, v_fma(f, v_load(b + i), v_load(a + i)));
    if (i < n)
        v_store_part(y + i, v_fma(f, v_load_part(b + i, n - i), v_load_part(a + i, n - i)),
                     n - i);
}

/* -- epilogue of a convolution ---------------------------------------------- */

/* Bias, and the rest if it is simple (conv->fused). bias and slopes are padded. */
INLINE vf finish(const zoo_epilogue *e, int fused, vf v, vf bias, const float *slopes,
                 int has_residual, vf residual) {
    v = v + bias;
    if (!fused)
        return v;
    if (e->activation == ZOO_RELU)
        v = v_relu(v);
    else if (e->activation == ZOO_SLOPE)
        v = v_slope(v, v_load(slopes));
    if (has_residual) {
        if (e->product)
            v = v * residual;
        else
            v = v_fma(v_set(e->alpha), v, v_set(e->beta) * residual);
        if (e->last == ZOO_RELU)
            v = v_relu(v);
    }
    return v;
}

/* What finish left out, on n channels of one pixel. */
NOINLINE void finish_late(const zoo_epilogue *e, const float *slopes, float *y,
                          const float *residual, int64_t n) {
    activate(e->activation, 0, slopes, y, y, n);
    if (residual && e->product) {
        multiply(y, residual, y, n);
        if (e->last != ZOO_LINEAR)
            activate(e->last, e->last_slope, NULL, y, y, n);
    } else if (residual)
        blend(e->last, e->last_slope, e->alpha, e->beta, y, residual, y, n);
}
