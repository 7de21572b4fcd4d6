# cython: boundscheck=False, wraparound=False, cdivision=True
"""Binding of the C kernels: checks every size, then lets go of the GIL.

Arrays are float32 and C-contiguous (a memory view refuses others). Sizes are
checked here because C trusts them; what is wrong raises ValueError. Callers
allocate the results.
"""

from libc.stdint cimport int32_t, int64_t

# Raised together with the number in _binding.py whenever a signature here changes,
# so that a library compiled earlier is recognised.
BINDING = 8


cdef extern from "codes.h" nogil:
    int ZOO_ACTIVATIONS, ZOO_PAD_MODES
    const char *const *zoo_activation_names
    const char *const *zoo_algorithm_names
    const char *const *zoo_pad_names
    const char *const *zoo_pixel_names
    const char *const *zoo_level_names


cdef extern from "conv.h" nogil:
    ctypedef struct zoo_algorithm:
        int tile, planes

    const zoo_algorithm *zoo_algorithm_of(int number)


cdef extern from "cpu.h" nogil:
    int zoo_cpu_level()


cdef extern from "kernels.h" nogil:
    ctypedef struct zoo_isa:
        const char *name
        int64_t lanes, mr, nr

    ctypedef struct zoo_epilogue:
        int activation, last
        float slope, last_slope
        const float *bias
        const float *slopes
        float alpha, beta
        int product

    ctypedef struct zoo_conv_shape:
        int64_t n, h, w, c, oh, ow, k, kh, kw, sh, sw, dh, dw, top, left, groups
        int pad_mode

    ctypedef struct zoo_pool_shape:
        int64_t n, h, w, c, oh, ow, kh, kw, sh, sw, top, left

    const zoo_isa *zoo_isa_table(int level)
    int zoo_conv_algorithm(const zoo_isa *isa, const zoo_conv_shape *s, int wanted,
                           int packed)
    int64_t zoo_conv_packed(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm)
    void zoo_conv_pack(const zoo_isa *isa, const zoo_conv_shape *s, int algorithm,
                      int threads, const float *weights, float *packed)
    int zoo_conv2d(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                   int algorithm, const zoo_epilogue *e, const float *x,
                   const float *weights, const float *residual, float *y)
    int zoo_dense(const zoo_isa *isa, int threads, int64_t n, int64_t inputs,
                  int64_t outputs, const float *x, const float *weights,
                  const zoo_epilogue *e, float *y)
    int zoo_max_pool(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                     const float *x, float *y)
    int zoo_average_pool(int threads, const zoo_pool_shape *s, const float *x, float *y)
    void zoo_depth_to_space(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                            int64_t scale, int dcr, const float *x, float *y)
    void zoo_space_to_depth(int threads, int64_t n, int64_t h, int64_t w, int64_t c,
                            int64_t scale, int dcr, const float *x, float *y)
    void zoo_activate(const zoo_isa *isa, int threads, int kind, float slope,
                      const float *slopes, int64_t pixels, int64_t channels,
                      const float *x, float *y)
    void zoo_multiply(const zoo_isa *isa, int threads, int kind, float slope,
                      const int64_t *shape, const int64_t *other, const float *a,
                      const float *b, float *y)
    void zoo_normalize_pixels(const zoo_isa *isa, int threads, int64_t pixels,
                              int64_t channels, const float *x, const float *scales,
                              const float *biases, float epsilon, float *y)
    void zoo_blend(const zoo_isa *isa, int threads, int kind, float slope, float alpha,
                   float beta, const float *a, const float *b, float *y, int64_t n)


cdef extern from "gradients.h" nogil:
    ctypedef struct zoo_adam:
        float rate, beta1, beta2, rest1, rest2, epsilon, unbias

    int zoo_conv2d_gradient(const zoo_isa *isa, int threads, const zoo_conv_shape *s,
                            int algorithm, const float *x, const float *delta, float *dw,
                            float *db)
    int zoo_column_sums(const zoo_isa *isa, int threads, int64_t rows, int64_t cols,
                        const float *x, float *sums)
    void zoo_activation_gradient(const zoo_isa *isa, int threads, int kind, float slope,
                                 const float *slopes, int64_t pixels, int64_t channels,
                                 const float *x, const float *f, const float *delta,
                                 float *out)
    int zoo_slopes_gradient(const zoo_isa *isa, int threads, int64_t pixels,
                            int64_t channels, const float *x, const float *delta,
                            float *sums)
    int zoo_max_pool_places(const zoo_isa *isa, int threads, const zoo_pool_shape *s,
                            const float *x, float *y, int32_t *places)
    int zoo_max_pool_gradient(int threads, const zoo_pool_shape *s,
                              const int32_t *places, const float *delta, float *dx)
    int zoo_average_pool_gradient(const zoo_isa *isa, int threads,
                                  const zoo_pool_shape *s, const float *delta, float *dx)
    int zoo_channel_sums(const zoo_isa *isa, int threads, int64_t pixels,
                         int64_t channels, const float *a, const float *shift,
                         const float *b, const float *mean, double *sums,
                         double *products)
    void zoo_normalize(const zoo_isa *isa, int threads, int64_t pixels, int64_t channels,
                       const float *x, const float *mean, const float *factor,
                       const float *offset, const float *delta, const float *by,
                       float *out)
    void zoo_resample(const zoo_isa *isa, int threads, int64_t outer, int64_t length,
                      int64_t results, int64_t inner, const int64_t *starts,
                      const int64_t *places, const float *weights, const float *x,
                      float *y)
    void zoo_copy_channels(int threads, int64_t pixels, int64_t width, const float *from_,
                           int64_t from_apart, float *to, int64_t to_apart)
    void zoo_adam_step(const zoo_isa *isa, int threads, const zoo_adam *a, int64_t n,
                       float *p, float *m, float *v, const float *g)


# Larger numbers than these do not come from images, and products of two fit.
cdef int64_t LARGEST = 2147483647


cdef const zoo_isa *table(int level) except NULL:
    cdef const zoo_isa *found = zoo_isa_table(level)
    if found == NULL or level < 0 or level > zoo_cpu_level():
        raise ValueError(f"instruction set {level} is not available")
    return found


cdef int demand(bint condition, str what) except -1:
    if not condition:
        raise ValueError(what)
    return 0


cdef int check_kind(int kind, int threads) except -1:
    demand(0 <= kind < ZOO_ACTIVATIONS, "no such activation")
    demand(1 <= threads <= 1024, "the number of threads is out of range")
    return 0


cdef int64_t windows(int64_t length, int64_t size, int64_t stride, int64_t dilation,
                     int64_t before, int64_t after) except? -1:
    """Number of windows along an axis; all numbers checked."""
    cdef int64_t room
    demand(0 < length <= LARGEST and 0 < size <= LARGEST, "size out of range")
    demand(0 < stride <= LARGEST and 0 < dilation <= LARGEST, "step out of range")
    demand(0 <= before <= LARGEST and 0 <= after <= LARGEST, "padding out of range")
    demand(size == 1 or dilation <= LARGEST // (size - 1), "window out of range")
    room = length + before + after - dilation * (size - 1) - 1
    demand(room >= 0, "nothing is left of the image")
    return room // stride + 1


def cpu_level():
    """Highest level (0 portable, 1 AVX2, 2 AVX-512, 3 AMX) that can run here."""
    cdef int level = zoo_cpu_level()
    while zoo_isa_table(level) == NULL:
        level -= 1
    return level


def describe(int level):
    """Name of the kernels of a level, and the vector length in floats."""
    cdef const zoo_isa *isa = table(level)
    return isa.name.decode("ascii"), isa.lanes


cdef int conv_shape(zoo_conv_shape *s, tuple x, tuple weights, tuple stride,
                    tuple dilation, tuple padding, int pad_mode,
                    int64_t groups) except -1:
    s.n, s.h, s.w, s.c = x
    s.kh, s.kw = weights[0], weights[1]
    s.k = weights[3]
    s.sh, s.sw = stride
    s.dh, s.dw = dilation
    s.top, s.left = padding[0], padding[2]
    s.groups = groups
    s.pad_mode = pad_mode
    s.oh = windows(s.h, s.kh, s.sh, s.dh, padding[0], padding[1])
    s.ow = windows(s.w, s.kw, s.sw, s.dw, padding[2], padding[3])
    demand(0 < s.n <= LARGEST and 0 < s.c <= LARGEST and 0 < s.k <= LARGEST,
           "an array is empty or too large")
    demand(0 <= pad_mode < ZOO_PAD_MODES, "no such way of padding")
    demand(groups > 0 and s.c % groups == 0 and s.k % groups == 0,
           "groups must divide the channels and the filters")
    demand(weights[2] == s.c // groups, "the weights have other channels")
    return 0


def conv_algorithm(int level, tuple x, tuple weights, tuple stride, tuple dilation,
                   tuple padding, int pad_mode, int64_t groups, int wanted,
                   bint packed=False):
    """Number of the algorithm that `wanted` comes to for shapes; -1 if it cannot.

    `packed`: the time to pack the weights does not count.
    """
    cdef zoo_conv_shape s
    conv_shape(&s, x, weights, stride, dilation, padding, pad_mode, groups)
    return zoo_conv_algorithm(table(level), &s, wanted, packed)


def conv_packed(int level, tuple x, tuple weights, tuple stride, tuple dilation,
                tuple padding, int pad_mode, int64_t groups, int algorithm):
    """Number of floats of the packed weights."""
    cdef zoo_conv_shape s
    cdef const zoo_isa *isa = table(level)
    cdef int64_t floats
    conv_shape(&s, x, weights, stride, dilation, padding, pad_mode, groups)
    algorithm = zoo_conv_algorithm(isa, &s, algorithm, True)
    demand(algorithm >= 0, "this algorithm cannot do this convolution")
    floats = zoo_conv_packed(isa, &s, algorithm)
    if floats < 0:
        raise MemoryError("the weights are too large")
    return floats


def conv_pack(int level, int threads, tuple x, const float[:, :, :, ::1] weights,
              tuple stride, tuple dilation, tuple padding, int pad_mode,
              int64_t groups, int algorithm, float[::1] packed):
    """Bring weights into the order in which an algorithm reads them."""
    cdef zoo_conv_shape s
    cdef const zoo_isa *isa = table(level)
    conv_shape(&s, x, (weights.shape[0], weights.shape[1], weights.shape[2],
                       weights.shape[3]),
               stride, dilation, padding, pad_mode, groups)
    check_kind(0, threads)
    algorithm = zoo_conv_algorithm(isa, &s, algorithm, True)
    demand(algorithm >= 0, "this algorithm cannot do this convolution")
    demand(packed.shape[0] == zoo_conv_packed(isa, &s, algorithm),
           "the result has another shape")
    with nogil:
        zoo_conv_pack(isa, &s, algorithm, threads, &weights[0, 0, 0, 0], &packed[0])


def conv2d(int level, int threads, const float[:, :, :, ::1] x,
           const float[:, :, :, ::1] weights, const float[::1] bias, tuple stride,
           tuple dilation, tuple padding, int pad_mode, int64_t groups, int algorithm,
           int activation, float slope, float[:, :, :, ::1] out):
    """out = activation(x * weights + bias)."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_conv_shape s
    cdef zoo_epilogue e
    cdef int failed
    conv_shape(&s, (x.shape[0], x.shape[1], x.shape[2], x.shape[3]),
               (weights.shape[0], weights.shape[1], weights.shape[2], weights.shape[3]),
               stride, dilation, padding, pad_mode, groups)
    check_kind(activation, threads)
    demand(out.shape[0] == s.n and out.shape[1] == s.oh and out.shape[2] == s.ow and
           out.shape[3] == s.k, "the result has another shape")
    demand(bias is None or bias.shape[0] == s.k, "the biases have another shape")
    algorithm = zoo_conv_algorithm(isa, &s, algorithm, False)
    demand(algorithm >= 0, "this algorithm cannot do this convolution")
    e.activation = activation
    e.last = 0
    e.slope = slope
    e.last_slope = 0
    e.bias = NULL
    if bias is not None:
        e.bias = &bias[0]
    e.slopes = NULL
    e.alpha = e.beta = 1
    e.product = 0
    with nogil:
        failed = zoo_conv2d(isa, threads, &s, algorithm, &e, &x[0, 0, 0, 0],
                            &weights[0, 0, 0, 0], NULL, &out[0, 0, 0, 0])
    if failed:
        raise MemoryError("not enough memory for a convolution")


def dense(int level, int threads, const float[:, ::1] x, const float[:, ::1] weights,
          const float[::1] bias, int activation, float slope, float[:, ::1] out):
    """out = activation(x weights' + bias)."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_epilogue e
    cdef int failed
    check_kind(activation, threads)
    demand(x.shape[0] > 0 and x.shape[1] > 0 and weights.shape[0] > 0,
           "an array is empty")
    demand(weights.shape[1] == x.shape[1] and out.shape[0] == x.shape[0] and
           out.shape[1] == weights.shape[0], "the arrays do not fit each other")
    demand(bias is None or bias.shape[0] == weights.shape[0],
           "the biases have another shape")
    e.activation = activation
    e.last = 0
    e.slope = slope
    e.last_slope = 0
    e.bias = NULL
    if bias is not None:
        e.bias = &bias[0]
    e.slopes = NULL
    e.alpha = e.beta = 1
    e.product = 0
    with nogil:
        failed = zoo_dense(isa, threads, x.shape[0], x.shape[1], weights.shape[0],
                           &x[0, 0], &weights[0, 0], &e, &out[0, 0])
    if failed:
        raise MemoryError("not enough memory for a connected layer")


def pool(int level, int threads, bint mean, const float[:, :, :, ::1] x, tuple size,
         tuple stride, tuple padding, float[:, :, :, ::1] out):
    """Largest values or means of windows."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_pool_shape s
    cdef int failed
    s.n, s.h, s.w, s.c = x.shape[0], x.shape[1], x.shape[2], x.shape[3]
    s.kh, s.kw = size
    s.sh, s.sw = stride
    s.top, s.left = padding[0], padding[2]
    s.oh = windows(s.h, s.kh, s.sh, 1, padding[0], padding[1])
    s.ow = windows(s.w, s.kw, s.sw, 1, padding[2], padding[3])
    check_kind(0, threads)
    demand(0 < s.n <= LARGEST and 0 < s.c <= LARGEST, "an array is empty or too large")
    demand(out.shape[0] == s.n and out.shape[1] == s.oh and out.shape[2] == s.ow and
           out.shape[3] == s.c, "the result has another shape")
    with nogil:
        if mean:
            failed = zoo_average_pool(threads, &s, &x[0, 0, 0, 0], &out[0, 0, 0, 0])
        else:
            failed = zoo_max_pool(isa, threads, &s, &x[0, 0, 0, 0], &out[0, 0, 0, 0])
    if failed:
        raise MemoryError("not enough memory for pooling")


def shuffle(int threads, bint up, int64_t scale, bint dcr,
            const float[:, :, :, ::1] x, float[:, :, :, ::1] out):
    """Depth to space (up) or space to depth, between x and out."""
    cdef int64_t n, h, w, c
    cdef const float[:, :, :, ::1] deep = x if up else out
    cdef const float[:, :, :, ::1] shallow = out if up else x
    n, h, w, c = deep.shape[0], deep.shape[1], deep.shape[2], deep.shape[3]
    check_kind(0, threads)
    demand(0 < scale <= 32768 and n > 0 and h > 0 and w > 0 and c > 0 and
           c % (scale * scale) == 0, "the channels do not divide by the scale squared")
    demand(shallow.shape[0] == n and shallow.shape[1] == h * scale and
           shallow.shape[2] == w * scale and
           shallow.shape[3] == c // (scale * scale), "the result has another shape")
    with nogil:
        if up:
            zoo_depth_to_space(threads, n, h, w, c, scale, dcr, &x[0, 0, 0, 0],
                               &out[0, 0, 0, 0])
        else:
            zoo_space_to_depth(threads, n, h, w, c, scale, dcr, &x[0, 0, 0, 0],
                               &out[0, 0, 0, 0])


def activate(int level, int threads, int kind, float slope, const float[::1] slopes,
             const float[:, ::1] x, float[:, ::1] out):
    """out = activation(x); slopes, if given, one per column."""
    cdef const zoo_isa *isa = table(level)
    cdef const float *each = NULL
    check_kind(kind, threads)
    demand(x.shape[0] > 0 and x.shape[1] > 0, "an array is empty")
    demand(out.shape[0] == x.shape[0] and out.shape[1] == x.shape[1],
           "the result has another shape")
    if slopes is not None:
        demand(slopes.shape[0] == x.shape[1], "there must be a slope per channel")
        each = &slopes[0]
    with nogil:
        zoo_activate(isa, threads, kind, slope, each, x.shape[0], x.shape[1], &x[0, 0],
                     &out[0, 0])


def blend(int level, int threads, int kind, float slope, float alpha, float beta,
          const float[::1] a, const float[::1] b, float[::1] out):
    """out = activation(alpha a + beta b)."""
    cdef const zoo_isa *isa = table(level)
    check_kind(kind, threads)
    demand(a.shape[0] > 0 and b.shape[0] == a.shape[0] and out.shape[0] == a.shape[0],
           "the arrays do not fit each other")
    with nogil:
        zoo_blend(isa, threads, kind, slope, alpha, beta, &a[0], &b[0], &out[0],
                  a.shape[0])


def multiply(int level, int threads, int kind, float slope,
             const float[:, :, ::1] a, const float[:, :, ::1] b, float[:, :, ::1] out):
    """out = activation(a b); of an axis of length 1 in b, its values hold for all."""
    cdef const zoo_isa *isa = table(level)
    cdef int64_t shape[3]
    cdef int64_t other[3]
    cdef int64_t n
    check_kind(kind, threads)
    for n in range(3):
        shape[n], other[n] = a.shape[n], b.shape[n]
        demand(0 < shape[n] == out.shape[n] and
               (other[n] == 1 or other[n] == shape[n]), "the arrays do not fit")
    with nogil:
        zoo_multiply(isa, threads, kind, slope, shape, other, &a[0, 0, 0], &b[0, 0, 0],
                     &out[0, 0, 0])


def normalize_pixels(int level, int threads, const float[:, ::1] x,
                     const float[::1] scales, const float[::1] biases, float epsilon,
                     float[:, ::1] out):
    """Rows to mean 0 and variance 1, times scales plus biases."""
    cdef const zoo_isa *isa = table(level)
    cdef int64_t n = x.shape[0], c = x.shape[1]
    check_kind(0, threads)
    demand(n > 0 and c > 0, "an array is empty")
    demand(out.shape[0] == n and out.shape[1] == c and scales.shape[0] == c and
           biases.shape[0] == c, "the arrays do not fit each other")
    with nogil:
        zoo_normalize_pixels(isa, threads, n, c, &x[0, 0], &scales[0], &biases[0],
                             epsilon, &out[0, 0])


cdef tuple names_in(const char *const *names):
    found = []
    while names[0] != NULL:
        found.append(names[0].decode("ascii"))
        names += 1
    return tuple(found)


def code_names():
    """Names by number: activations, algorithms, ways of padding, pixels, levels."""
    return {
        "activations": names_in(zoo_activation_names),
        "algorithms": names_in(zoo_algorithm_names),
        "pads": names_in(zoo_pad_names),
        "pixels": names_in(zoo_pixel_names),
        "levels": names_in(zoo_level_names),
    }


def algorithm_tiles(int number):
    """Rows that an algorithm computes together, and its bfloat16 numbers for a float.

    None for those that leave the choice.
    """
    cdef const zoo_algorithm *algorithm = zoo_algorithm_of(number)
    return None if algorithm == NULL else (algorithm.tile, algorithm.planes)


include "engine.pxi"
include "gradients.pxi"
