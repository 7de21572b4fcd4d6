/* Vectors of VL floats, for the kernels that are written once and compiled for
 * every instruction set. GCC and Clang: vector extensions, which become SSE2,
 * AVX2, AVX-512 or NEON as the target says. Other compilers: VL = 1.
 *
 * A mask is a vector of integers, all ones where true.
 */
#ifndef VL
#error "set VL before including this"
#endif

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(ZOO_SCALAR)
#define INLINE static inline __attribute__((always_inline, unused))
#define NOINLINE static __attribute__((noinline, unused))
#else
#define INLINE static inline
#define NOINLINE static
#endif

#if defined(ZOO_SCALAR)
#define UNROLL
#elif defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
#else
#define UNROLL
#endif

#if VL > 1

typedef float vf __attribute__((vector_size(4 * VL)));
typedef float vf_any __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(4 * VL)));

#if VL == 4
#define REPEAT(s) s, s, s, s
#elif VL == 8
#define REPEAT(s) s, s, s, s, s, s, s, s
#else
#define REPEAT(s) s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s
#endif

INLINE vf v_load(const float *p) { return (vf)*(const vf_any *)p; }
INLINE void v_store(float *p, vf v) { *(vf_any *)p = (vf_any)v; }
INLINE vf v_set(float s) { return (vf){REPEAT(s)}; }
INLINE vi v_bits(vf v) { return (vi)v; }
INLINE vf v_float(vi v) { return (vf)v; }
INLINE vi v_above(vf a, vf b) { return (vi)(a > b); }
INLINE vi v_differ(vf a, vf b) { return (vi)(a != b); }
INLINE vf v_select(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}
INLINE vi v_integer(vf v) { return __builtin_convertvector(v, vi); }
INLINE vf v_number(vi v) { return __builtin_convertvector(v, vf); }
INLINE float v_sum(vf v) {
    float lanes[VL], sum = 0;
    v_store(lanes, v);
    for (int width = VL / 2; width; width /= 2)
        for (int i = 0; i < width; i++)
            lanes[i] += lanes[i + width];
    sum = lanes[0];
    return sum;
}

#else /* VL == 1 */

typedef float vf;
typedef int32_t vi;

INLINE vf v_load(const float *p) { return *p; }
INLINE void v_store(float *p, vf v) { *p = v; }
INLINE vf v_set(float s) { return s; }
INLINE vi v_bits(vf v) {
    vi bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
INLINE vf v_float(vi v) {
    vf number;
    memcpy(&number, &v, sizeof number);
    return number;
}
INLINE vi v_above(vf a, vf b) { return a > b ? -1 : 0; }
INLINE vi v_differ(vf a, vf b) { return a != b ? -1 : 0; }
INLINE vf v_select(vi mask, vf a, vf b) { return mask ? a : b; }
INLINE vi v_integer(vf v) { return (vi)v; }
INLINE vf v_number(vi v) { return (vf)v; }
INLINE float v_sum(vf v) { return v; }

#endif

/* a b + c, rounded once where the processor can. Sums that must be the same bits
 * wherever a pixel stands in a block are written with this: of plain a * b + c the
 * compiler fuses some copies and not others. */
INLINE vf v_fma(vf a, vf b, vf c) {
#if VL == 16 && defined(ZOO_INTRINSICS)
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VL == 8 && defined(ZOO_INTRINSICS)
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif VL == 4 && defined(ZOO_INTRINSICS)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* The larger one; NaN if either is NaN. */
INLINE vf v_max(vf a, vf b) {
#if VL == 16 && defined(ZOO_INTRINSICS)
    __m512 x = (__m512)a, y = (__m512)b;
    return (vf)_mm512_mask_mov_ps(_mm512_max_ps(x, y),
                                  _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
#elif VL == 8 && defined(ZOO_INTRINSICS)
    /* max_ps gives the second operand if either is NaN */
    __m256 x = (__m256)a, y = (__m256)b;
    return (vf)_mm256_blendv_ps(_mm256_max_ps(x, y), x,
                                _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
#elif VL == 4 && defined(ZOO_INTRINSICS)
    return (vf)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
    return v_select(v_above(a, b) | v_differ(a, a), a, b);
#endif
}

/* Whether any lane is NaN. */
INLINE int v_any_nan(vf v) {
#if VL == 16 && defined(ZOO_INTRINSICS)
    return _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q) != 0;
#elif VL == 8 && defined(ZOO_INTRINSICS)
    return _mm256_movemask_ps(
               _mm256_cmp_ps((__m256)v, (__m256)v, _CMP_UNORD_Q)) != 0;
#elif VL == 4 && defined(ZOO_INTRINSICS)
    return vminvq_u32(vceqq_f32((float32x4_t)v, (float32x4_t)v)) == 0;
#else
    float sum = v_sum(v - v);
    return sum != sum;
#endif
}

/* Up to VL values, zeros behind them. */
#if VL == 16 && defined(ZOO_INTRINSICS)
#define MASKS 1 /* parts of vectors cost what whole ones do */
INLINE __mmask16 v_first(int64_t n) {
    return (__mmask16)(n >= VL ? 0xffff : n > 0 ? (1 << n) - 1 : 0);
}
INLINE vf v_load_part(const float *p, int64_t n) {
    return (vf)_mm512_maskz_loadu_ps(v_first(n), p);
}
INLINE void v_store_part(float *p, vf v, int64_t n) {
    _mm512_mask_storeu_ps(p, v_first(n), (__m512)v);
}
#else
#define MASKS 0
INLINE vf v_load_part(const float *p, int64_t n) {
    float lanes[VL] = {0};
    for (int64_t i = 0; i < n && i < VL; i++)
        lanes[i] = p[i];
    return v_load(lanes);
}
INLINE void v_store_part(float *p, vf v, int64_t n) {
    float lanes[VL];
    v_store(lanes, v);
    for (int64_t i = 0; i < n && i < VL; i++)
        p[i] = lanes[i];
}
#endif
