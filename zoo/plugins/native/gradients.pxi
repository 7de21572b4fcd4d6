# Binding of gradients.h, included at the end of _native.pyx.


def conv2d_gradient(int level, int threads, const float[:, :, :, ::1] x,
                    const float[:, :, :, ::1] delta, tuple stride, tuple dilation,
                    tuple padding, int pad_mode, int64_t groups, int algorithm,
                    float[:, :, :, ::1] weights, float[::1] biases):
    """Gradients of a convolution with respect to its weights and biases."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_conv_shape s
    cdef int failed
    conv_shape(&s, (x.shape[0], x.shape[1], x.shape[2], x.shape[3]),
               (weights.shape[0], weights.shape[1], weights.shape[2], weights.shape[3]),
               stride, dilation, padding, pad_mode, groups)
    check_kind(0, threads)
    demand(delta.shape[0] == s.n and delta.shape[1] == s.oh and
           delta.shape[2] == s.ow and delta.shape[3] == s.k,
           "the gradient has another shape")
    demand(biases.shape[0] == s.k, "the biases have another shape")
    with nogil:
        failed = zoo_conv2d_gradient(isa, threads, &s, algorithm, &x[0, 0, 0, 0],
                                     &delta[0, 0, 0, 0], &weights[0, 0, 0, 0],
                                     &biases[0])
    if failed:
        raise MemoryError("not enough memory for the gradient of a convolution")


def column_sums(int level, int threads, const float[:, ::1] x, float[::1] out):
    """Sum of every column."""
    cdef const zoo_isa *isa = table(level)
    cdef int failed
    check_kind(0, threads)
    demand(x.shape[0] > 0 and x.shape[1] > 0 and out.shape[0] == x.shape[1],
           "the arrays do not fit each other")
    with nogil:
        failed = zoo_column_sums(isa, threads, x.shape[0], x.shape[1], &x[0, 0], &out[0])
    if failed:
        raise MemoryError("not enough memory for sums")


def activation_gradient(int level, int threads, int kind, float slope,
                        const float[::1] slopes, const float[:, ::1] x,
                        const float[:, ::1] f, const float[:, ::1] delta,
                        float[:, ::1] out):
    """out = delta activation'(x), f = activation(x); slopes as for activate."""
    cdef const zoo_isa *isa = table(level)
    cdef const float *each = NULL
    cdef int64_t n = x.shape[0], c = x.shape[1]
    check_kind(kind, threads)
    demand(n > 0 and c > 0, "an array is empty")
    demand(f.shape[0] == n and f.shape[1] == c and delta.shape[0] == n and
           delta.shape[1] == c and out.shape[0] == n and out.shape[1] == c,
           "the arrays do not fit each other")
    if slopes is not None:
        demand(slopes.shape[0] == c, "there must be a slope per channel")
        each = &slopes[0]
    with nogil:
        zoo_activation_gradient(isa, threads, kind, slope, each, n, c, &x[0, 0],
                                &f[0, 0], &delta[0, 0], &out[0, 0])


def slopes_gradient(int level, int threads, const float[:, ::1] x,
                    const float[:, ::1] delta, float[::1] out):
    """Sum of delta min(x, 0) of every column."""
    cdef const zoo_isa *isa = table(level)
    cdef int failed
    check_kind(0, threads)
    demand(x.shape[0] > 0 and x.shape[1] > 0 and delta.shape[0] == x.shape[0] and
           delta.shape[1] == x.shape[1] and out.shape[0] == x.shape[1],
           "the arrays do not fit each other")
    with nogil:
        failed = zoo_slopes_gradient(isa, threads, x.shape[0], x.shape[1], &x[0, 0],
                                     &delta[0, 0], &out[0])
    if failed:
        raise MemoryError("not enough memory for sums")


cdef int pool_sizes(zoo_pool_shape *s, tuple image, tuple results, tuple size,
                    tuple stride, tuple padding) except -1:
    """Describe pooling of an image to results, both of four axes."""
    s.n, s.h, s.w, s.c = image
    s.kh, s.kw = size
    s.sh, s.sw = stride
    s.top, s.left = padding[0], padding[2]
    demand(0 < s.n <= LARGEST and 0 < s.c <= LARGEST and 0 < s.w,
           "an array is empty or too large")
    demand(s.h <= LARGEST // s.w, "the image is too large")
    s.oh = windows(s.h, s.kh, s.sh, 1, padding[0], padding[1])
    s.ow = windows(s.w, s.kw, s.sw, 1, padding[2], padding[3])
    demand(results == (s.n, s.oh, s.ow, s.c), "the results have another shape")
    return 0


def average_pool_gradient(int level, int threads, const float[:, :, :, ::1] delta,
                          tuple size, tuple stride, tuple padding,
                          float[:, :, :, ::1] out):
    """Gradient of means with respect to what they were taken of."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_pool_shape s
    cdef int failed
    check_kind(0, threads)
    pool_sizes(&s, (out.shape[0], out.shape[1], out.shape[2], out.shape[3]),
               (delta.shape[0], delta.shape[1], delta.shape[2], delta.shape[3]),
               size, stride, padding)
    with nogil:
        failed = zoo_average_pool_gradient(isa, threads, &s, &delta[0, 0, 0, 0],
                                           &out[0, 0, 0, 0])
    if failed:
        raise MemoryError("not enough memory for the gradient of pooling")


def max_pool_places(int level, int threads, const float[:, :, :, ::1] x, tuple size,
                    tuple stride, tuple padding, float[:, :, :, ::1] out,
                    int32_t[:, :, :, ::1] places):
    """The largest of each window, and the number of its cell, -1 where there is none."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_pool_shape s
    cdef int failed
    check_kind(0, threads)
    pool_sizes(&s, (x.shape[0], x.shape[1], x.shape[2], x.shape[3]),
               (out.shape[0], out.shape[1], out.shape[2], out.shape[3]),
               size, stride, padding)
    demand(places.shape[0] == s.n and places.shape[1] == s.oh and
           places.shape[2] == s.ow and places.shape[3] == s.c,
           "the results have another shape")
    with nogil:
        failed = zoo_max_pool_places(isa, threads, &s, &x[0, 0, 0, 0],
                                     &out[0, 0, 0, 0], &places[0, 0, 0, 0])
    if failed:
        raise MemoryError("not enough memory for pooling")


def max_pool_gradient(int level, int threads, const int32_t[:, :, :, ::1] places,
                      const float[:, :, :, ::1] delta, tuple size, tuple stride,
                      tuple padding, float[:, :, :, ::1] out):
    """Gradient of maxima; any number may stand in places, only cells are written to."""
    cdef zoo_pool_shape s
    cdef int failed
    table(level)
    check_kind(0, threads)
    pool_sizes(&s, (out.shape[0], out.shape[1], out.shape[2], out.shape[3]),
               (delta.shape[0], delta.shape[1], delta.shape[2], delta.shape[3]),
               size, stride, padding)
    demand(places.shape[0] == s.n and places.shape[1] == s.oh and
           places.shape[2] == s.ow and places.shape[3] == s.c,
           "the places have another shape")
    with nogil:
        failed = zoo_max_pool_gradient(threads, &s, &places[0, 0, 0, 0],
                                       &delta[0, 0, 0, 0], &out[0, 0, 0, 0])
    if failed:
        raise MemoryError("not enough memory for the gradient of pooling")


def channel_sums(int level, int threads, const float[:, ::1] a, const float[::1] shift,
                 const float[:, ::1] b, const float[::1] mean, double[::1] sums,
                 double[::1] products):
    """Of every column: sums of a - shift, and of (a - shift) (b - mean)."""
    cdef const zoo_isa *isa = table(level)
    cdef int64_t n = a.shape[0], c = a.shape[1]
    cdef int failed
    check_kind(0, threads)
    demand(n > 0 and c > 0 and b.shape[0] == n and b.shape[1] == c and
           shift.shape[0] == c and mean.shape[0] == c and sums.shape[0] == c and
           products.shape[0] == c, "the arrays do not fit each other")
    with nogil:
        failed = zoo_channel_sums(isa, threads, n, c, &a[0, 0], &shift[0], &b[0, 0],
                                  &mean[0], &sums[0], &products[0])
    if failed:
        raise MemoryError("not enough memory for sums")


def normalize(int level, int threads, const float[:, ::1] x, const float[::1] mean,
              const float[::1] factor, const float[::1] offset,
              const float[:, ::1] delta, const float[::1] by, float[:, ::1] out):
    """out = (x - mean) factor + offset, + delta by if delta is given; by column."""
    cdef const zoo_isa *isa = table(level)
    cdef int64_t n = x.shape[0], c = x.shape[1]
    cdef const float *more = NULL
    cdef const float *times = NULL
    check_kind(0, threads)
    demand(n > 0 and c > 0 and mean.shape[0] == c and factor.shape[0] == c and
           offset.shape[0] == c and out.shape[0] == n and out.shape[1] == c,
           "the arrays do not fit each other")
    if delta is not None:
        demand(delta.shape[0] == n and delta.shape[1] == c and by is not None and
               by.shape[0] == c, "the arrays do not fit each other")
        more = &delta[0, 0]
        times = &by[0]
    with nogil:
        zoo_normalize(isa, threads, n, c, &x[0, 0], &mean[0], &factor[0], &offset[0],
                      more, times, &out[0, 0])


def adam(int level, int threads, double rate, double beta1, double beta2,
         double epsilon, double unbias, float[::1] p, float[::1] m, float[::1] v,
         const float[::1] g):
    """One update of p by Adam; see zoo_adam_step."""
    cdef const zoo_isa *isa = table(level)
    cdef zoo_adam a
    check_kind(0, threads)
    demand(p.shape[0] > 0 and m.shape[0] == p.shape[0] and v.shape[0] == p.shape[0] and
           g.shape[0] == p.shape[0], "the arrays do not fit each other")
    a.rate, a.epsilon, a.unbias = rate, epsilon, unbias
    a.beta1, a.beta2, a.rest1, a.rest2 = beta1, beta2, 1 - beta1, 1 - beta2
    with nogil:
        zoo_adam_step(isa, threads, &a, p.shape[0], &p[0], &m[0], &v[0], &g[0])


def resample(int level, int threads, const int64_t[::1] starts,
             const int64_t[::1] places, const float[::1] weights,
             const float[:, :, ::1] x, float[:, :, ::1] out):
    """Sums of weighted places along the middle axis; see zoo_resample."""
    cdef const zoo_isa *isa = table(level)
    cdef int64_t i, last = 0
    check_kind(0, threads)
    demand(x.shape[0] > 0 and x.shape[1] > 0 and x.shape[2] > 0 and out.shape[1] > 0 and
           out.shape[0] == x.shape[0] and out.shape[2] == x.shape[2] and
           starts.shape[0] == out.shape[1] + 1 and places.shape[0] > 0 and
           weights.shape[0] == places.shape[0], "the arrays do not fit each other")
    for i in range(starts.shape[0]):
        demand(last <= starts[i] <= places.shape[0], "starts must not fall")
        last = starts[i]
    for i in range(places.shape[0]):
        demand(0 <= places[i] < x.shape[1], "a place lies outside")
    with nogil:
        zoo_resample(isa, threads, x.shape[0], x.shape[1], out.shape[1], x.shape[2],
                     &starts[0], &places[0], &weights[0], &x[0, 0, 0], &out[0, 0, 0])


def copy_channels(int threads, const float[:, ::1] x, int64_t first, float[:, ::1] out,
                  int64_t to_first, int64_t width):
    """Columns [first, first + width) of x to those from to_first on of out."""
    check_kind(0, threads)
    demand(x.shape[0] > 0 and out.shape[0] == x.shape[0] and width > 0 and
           0 <= first <= x.shape[1] - width and
           0 <= to_first <= out.shape[1] - width, "the arrays do not fit each other")
    with nogil:
        zoo_copy_channels(threads, x.shape[0], width, &x[0, first], x.shape[1],
                          &out[0, to_first], out.shape[1])
