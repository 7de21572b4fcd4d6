/* Names with numbers that Python gives to C. Every list is written here and nowhere
 * else: enums and names are made of it, and the binding hands the names on. */
#ifndef ZOO_CODES_H
#define ZOO_CODES_H

/* SLOPE: x if x > 0 else slope x. AT_LEAST, AT_MOST: max(x, slope), min(x, slope). */
#define ZOO_ACTIVATION_LIST(X)                                                         \
    X(LINEAR, linear)                                                                  \
    X(RELU, relu)                                                                      \
    X(SLOPE, slope)                                                                    \
    X(LOGISTIC, logistic)                                                              \
    X(LOGGY, loggy)                                                                    \
    X(RELU6, relu6)                                                                    \
    X(ELU, elu)                                                                        \
    X(RAMP, ramp)                                                                      \
    X(TANH, tanh)                                                                      \
    X(PLSE, plse)                                                                      \
    X(STAIR, stair)                                                                    \
    X(HARDTAN, hardtan)                                                                \
    X(LHTAN, lhtan)                                                                    \
    X(SELU, selu)                                                                      \
    X(SOFTPLUS, softplus)                                                              \
    X(SOFTSIGN, softsign)                                                              \
    X(ELLIOT, elliot)                                                                  \
    X(SWISH, swish)                                                                    \
    X(MISH, mish)                                                                      \
    X(GELU, gelu)                                                                      \
    X(HARD_MISH, hard_mish)                                                            \
    X(GELU_ERF, gelu_erf)                                                              \
    X(AT_LEAST, at_least)                                                              \
    X(AT_MOST, at_most)

/* Ways to convolve. DIRECT: an implicit matrix product over taps and channels. DOT: few
 * filters, vectors run along the input channels. DEPTHWISE: one channel per group,
 * vectors run along the groups. WINOGRADm: F(m x m, 3x3). AMX: tiles, three bfloat16
 * products, nearly float, or one. AUTO_BF16: AUTO where bfloat16 is exact enough. */
#define ZOO_ALGORITHM_LIST(X)                                                          \
    X(AUTO, auto)                                                                      \
    X(DIRECT, direct)                                                                  \
    X(DOT, dot)                                                                        \
    X(DEPTHWISE, depthwise)                                                            \
    X(WINOGRAD2, winograd2)                                                            \
    X(WINOGRAD4, winograd4)                                                            \
    X(WINOGRAD6, winograd6)                                                            \
    X(AMX3, amx3)                                                                      \
    X(AMX1, amx1)                                                                      \
    X(AUTO_BF16, auto_bf16)

#define ZOO_PAD_LIST(X)                                                                \
    X(PAD_ZERO, zero)                                                                  \
    X(PAD_SYMMETRIC, symmetric)                                                        \
    X(PAD_EDGE, edge)                                                                  \
    X(PAD_REFLECT, reflect)

/* Of the pixels of pictures. */
#define ZOO_PIXEL_LIST(X)                                                              \
    X(UINT8, uint8)                                                                    \
    X(UINT16, uint16)                                                                  \
    X(FLOAT32, float32)

/* Instruction sets of this kind of processor, each on top of those before it. AVX2
 * with FMA; AVX-512 F, BW, DQ and VL; AMX tiles with bfloat16 products. */
#if defined(__aarch64__)
#define ZOO_LEVEL_LIST(X)                                                              \
    X(PORTABLE, portable)                                                              \
    X(NEON, neon)
#else
#define ZOO_LEVEL_LIST(X)                                                              \
    X(PORTABLE, portable)                                                              \
    X(AVX2, avx2)                                                                      \
    X(AVX512, avx512)                                                                  \
    X(AMX, amx)
#endif

#define ZOO_NUMBER(NUMBER, name) ZOO_##NUMBER,
enum zoo_activation { ZOO_ACTIVATION_LIST(ZOO_NUMBER) ZOO_ACTIVATIONS };
enum zoo_algorithm_number { ZOO_ALGORITHM_LIST(ZOO_NUMBER) ZOO_ALGORITHMS };
enum zoo_pad_mode { ZOO_PAD_LIST(ZOO_NUMBER) ZOO_PAD_MODES };
enum zoo_pixel_type { ZOO_PIXEL_LIST(ZOO_NUMBER) ZOO_PIXEL_TYPES };
enum zoo_isa_level { ZOO_LEVEL_LIST(ZOO_NUMBER) ZOO_ISA_LEVELS };
#undef ZOO_NUMBER

/* In the order of their numbers, NULL at the end. */
extern const char *const zoo_activation_names[];
extern const char *const zoo_algorithm_names[];
extern const char *const zoo_pad_names[];
extern const char *const zoo_pixel_names[];
extern const char *const zoo_level_names[];

#endif
