# A compiled network: values, steps, tasks. Included by _native.pyx.

from libc.stdint cimport uintptr_t



cdef extern from "kernels.h" nogil:
    ctypedef struct zoo_conv:
        size_t scratch
        int64_t block

    int zoo_conv_init(zoo_conv *conv, const zoo_isa *isa, const zoo_conv_shape *s,
                      int algorithm, const zoo_epilogue *e, const float *weights,
                      const float *packed, int own_zeros)
    void zoo_conv_place(zoo_conv *conv, int64_t in_, int64_t out, int64_t residual)

    ctypedef struct zoo_pool:
        int64_t scratch

    int zoo_pool_init(zoo_pool *pool, const zoo_isa *isa, const zoo_pool_shape *s)
    int zoo_conv_shuffle(zoo_conv *conv, int64_t scale)
    int64_t zoo_mul(int64_t a, int64_t b)
    int64_t zoo_sum(int64_t a, int64_t b)
    ctypedef struct zoo_attention:
        int64_t heads, depth, rows, columns, top, left
        int64_t height, in_first, in_width, out_first, out_width, padded
        const float *biases
        float scale

    int64_t zoo_attend_scratch(const zoo_attention *a)
    enum:
        ZOO_ATTEND_BLOCK
    void *zoo_alloc(int64_t bytes)
    void zoo_free(void *memory)


cdef extern from "engine.h" nogil:
    enum:
        ZOO_STEP_INPUTS
        ZOO_STEP_CONV
        ZOO_STEP_POOL
        ZOO_STEP_SHUFFLE
        ZOO_STEP_REPEAT
        ZOO_STEP_PAD
        ZOO_STEP_ACTIVATE
        ZOO_STEP_ADD
        ZOO_STEP_CONCAT
        ZOO_STEP_MULTIPLY
        ZOO_STEP_SCALE
        ZOO_STEP_NORMALIZE
        ZOO_STEP_UNSHUFFLE
        ZOO_STEP_RESIZE
        ZOO_STEP_MOMENTS
        ZOO_STEP_ATTEND
        ZOO_STEP_AFFINE
        ZOO_STEP_LOAD
        ZOO_STEP_STORE

    ctypedef struct zoo_value:
        float *data
        int64_t apart, rows, shift, height, width, channels, pixel

    ctypedef struct zoo_picture:
        void *data
        int64_t first, rows, apart, channels
        int type, reversed, plain
        float scale
        const float *mean
        const float *std

    ctypedef struct zoo_taps:
        const int64_t *starts
        const int64_t *places
        const float *weights

    ctypedef struct zoo_step:
        int kind
        int inputs[8]
        int64_t skip[8]
        int input_count
        int output
        zoo_conv conv
        int has_conv
        zoo_pool pool
        int64_t most_rows, scale
        int64_t block[2]
        int dcr
        float factor
        int64_t top, left
        int pad_mode, activation
        float slope, alpha, beta
        int then
        float then_slope
        const float *slopes
        int64_t first[8]
        int64_t last[8]
        const float *scales
        const float *biases
        float epsilon
        zoo_taps rows, columns
        zoo_attention attention

    ctypedef struct zoo_task:
        int64_t step, start, stop

    ctypedef struct zoo_engine:
        const zoo_isa *isa
        zoo_value *values
        zoo_step *steps
        zoo_picture picture, result
        int64_t value_count, step_count

    zoo_engine *zoo_engine_new(const zoo_isa *isa, int64_t values, int64_t steps)
    void zoo_engine_free(zoo_engine *engine)
    int64_t zoo_engine_scratch(const zoo_engine *engine)
    int64_t zoo_engine_bytes(const zoo_engine *engine)
    int zoo_engine_zeros(zoo_engine *engine, int64_t count)
    void zoo_engine_run(const zoo_engine *engine, int threads, const zoo_task *tasks,
                        int64_t count, void *scratch)


cdef class Engine:
    """A network as steps on values that keep some of their rows.

    Values and steps are described once; :meth:`run` does a list of tasks. The
    arrays given are kept alive as long as the engine.
    """
    cdef zoo_engine *engine
    cdef int level
    cdef list kept

    def __cinit__(self, int level, int64_t values, int64_t steps):
        demand(0 < values < 1000000 and 0 <= steps < 1000000, "too many steps")
        self.level = level
        self.kept = []
        self.engine = zoo_engine_new(table(level), values, steps)
        if self.engine == NULL:
            raise MemoryError("not enough memory for a plan")

    def __dealloc__(self):
        zoo_engine_free(self.engine)

    cdef zoo_value *value(self, int64_t index) except NULL:
        demand(0 <= index < self.engine.value_count, "no such value")
        return &self.engine.values[index]

    cdef zoo_step *begin(self, int64_t index, int kind, tuple inputs, tuple skips,
                         int64_t output, int64_t most_rows) except NULL:
        cdef zoo_step *step
        cdef int64_t n
        demand(0 <= index < self.engine.step_count, "no such step")
        demand(0 < len(inputs) <= ZOO_STEP_INPUTS and len(skips) == len(inputs),
               "too many inputs")
        step = &self.engine.steps[index]
        demand(not step.has_conv, "the step is described already")
        step.kind = kind
        step.input_count = len(inputs)
        for n in range(step.input_count):
            self.value(inputs[n])
            step.inputs[n] = inputs[n]
            step.skip[n] = skips[n]
            demand(0 <= step.skip[n] < self.value(inputs[n]).width,
                   "an input begins out of range")
        step.output = output
        if kind not in (ZOO_STEP_CONV, ZOO_STEP_ADD, ZOO_STEP_ACTIVATE,
                        ZOO_STEP_CONCAT):
            for n in range(step.input_count):
                demand(self.value(inputs[n]).pixel == self.value(inputs[n]).channels,
                       "this step reads whole pixels")
            demand(self.value(output).pixel == self.value(output).channels,
                   "this step writes whole pixels")
        self.value(output)
        demand(most_rows > 0, "a task has no rows")
        step.most_rows = most_rows
        return step

    cdef int same_size(self, zoo_step *step, int64_t n, bint channels) except -1:
        cdef zoo_value *a = self.value(step.inputs[n])
        cdef zoo_value *b = self.value(step.output)
        demand(a.height == b.height and a.width - step.skip[n] >= b.width and
               (not channels or a.channels == b.channels), "sizes differ")
        return 0

    cdef int64_t seen(self, zoo_step *step, int64_t n, int64_t width) except -1:
        """Check that input n has so many columns from where the step begins."""
        demand(0 < width <= self.value(step.inputs[n]).width - step.skip[n],
               "an input has too few columns")
        return width

    def set_value(self, int64_t index, int64_t height, int64_t width,
                  int64_t channels, int64_t rows, int64_t pixel, int64_t shift=0):
        """Describe a value, pixels `pixel` floats apart; its memory comes by set_data.

        Row y stands at place y + `shift` of `rows`, modulo these.
        """
        cdef zoo_value *v = self.value(index)
        demand(0 < height <= LARGEST and 0 < width <= LARGEST and
               0 < channels <= pixel <= LARGEST and 0 < rows <= LARGEST and
               0 <= shift < rows, "sizes out of range")
        demand(rows <= 2 * height, "a ring has more rows than two values")
        demand(zoo_mul(zoo_mul(rows if rows > height else height, width),
                       zoo_mul(pixel, 4)) > 0,
               "a value is too large")
        v.data = NULL
        v.pixel = pixel
        v.rows, v.height, v.width, v.channels = rows, height, width, channels
        v.shift = shift

    def set_data(self, int64_t index, const float[:, :, :] data):
        """Give a value its memory: rows x width x channels, pixels as far apart as said.

        What no step makes (the picture) is only read.
        """
        cdef zoo_value *v = self.value(index)
        demand(data.shape[0] == v.rows and data.shape[1] == v.width and
               data.shape[2] == v.channels, "the memory has another shape")
        # NumPy leaves any number for an axis of one.
        demand((v.channels == 1 or data.strides[2] == 4) and
               (v.width == 1 or data.strides[1] == 4 * v.pixel), "pixels are not in order")
        v.data = <float *> &data[0, 0, 0]
        v.apart = v.pixel * (v.width - 1) + v.channels
        if v.rows > 1:
            demand(data.strides[0] >= 4 * v.apart and data.strides[0] % 4 == 0,
                   "rows are not in order")
            v.apart = data.strides[0] // 4

    def set_conv(self, int64_t index, tuple inputs, tuple skips, int64_t output,
                 int64_t most_rows, int64_t width, const float[:, :, :, ::1] weights,
                 const float[::1] packed, const float[::1] bias, tuple stride,
                 tuple dilation, tuple padding, int pad_mode, int64_t groups,
                 int algorithm, int activation, float slope,
                 const float[::1] slopes, float alpha, float beta, int last,
                 float last_slope, bint product, int64_t shuffle):
        """A convolution of `width` columns; a second input is the residual, or a factor.

        With ``shuffle`` above 1 its filters, in the order dcr, are stored as the
        pixels of an image so many times as large; there is no residual then.
        """
        cdef zoo_step *step = self.begin(index, ZOO_STEP_CONV, inputs, skips, output,
                                         most_rows)
        cdef zoo_conv_shape s
        cdef zoo_epilogue e
        cdef zoo_value *x = self.value(inputs[0])
        cdef zoo_value *y = self.value(output)
        conv_shape(&s, (1, x.height, self.seen(step, 0, width), x.channels),
                   (weights.shape[0], weights.shape[1], weights.shape[2],
                    weights.shape[3]),
                   stride, dilation, padding, pad_mode, groups)
        demand(0 < shuffle <= 32768 and y.height == s.oh * shuffle and
               y.width == s.ow * shuffle and
               y.channels * shuffle * shuffle == s.k, "the result has another shape")
        demand(shuffle == 1 or (len(inputs) == 1 and y.rows % shuffle == 0 and
                                y.shift % shuffle == 0),
               "this convolution cannot be stored as a shuffle")
        # Pixels of a strip are as far apart as those of the whole row, so the
        # kernels, which count columns from the row's pointer, need no more.
        demand(len(inputs) <= 2, "a convolution has at most two inputs")
        if len(inputs) == 2:
            self.same_size(step, 1, True)
        check_kind(activation, 1)
        check_kind(last, 1)
        demand(zoo_conv_algorithm(self.engine.isa, &s, algorithm, True) == algorithm,
               "this algorithm cannot do this convolution")
        demand(packed.shape[0] == zoo_conv_packed(self.engine.isa, &s, algorithm),
               "the packed weights have another size")
        demand(bias is None or bias.shape[0] == s.k, "the biases have another shape")
        demand(slopes is None or slopes.shape[0] == s.k,
               "the slopes have another shape")
        e.activation = activation
        e.last = last
        e.slope = slope
        e.last_slope = last_slope
        e.product = product
        e.bias = e.slopes = NULL
        if bias is not None:
            e.bias = &bias[0]
        if slopes is not None:
            e.slopes = &slopes[0]
        e.alpha = alpha
        e.beta = beta
        if zoo_conv_init(&step.conv, self.engine.isa, &s, algorithm, &e,
                         &weights[0, 0, 0, 0], &packed[0], False):
            raise MemoryError("not enough memory for a plan")
        step.has_conv = 1
        if zoo_engine_zeros(self.engine, zoo_sum(zoo_mul(s.w, x.pixel), 64)):
            raise MemoryError("not enough memory for a plan")
        step.scale = shuffle
        zoo_conv_place(&step.conv, x.pixel, y.pixel,
                       self.value(inputs[len(inputs) - 1]).pixel)
        demand(shuffle == 1 or (y.pixel == y.channels and
                                zoo_conv_shuffle(&step.conv, shuffle) == 0),
               "this convolution cannot be stored as a shuffle")
        self.kept += [weights, packed, bias, slopes]

    def set_pool(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                 int64_t most_rows, int64_t width, bint mean, tuple size, tuple stride,
                 tuple padding):
        """Largest value, or mean, in each window of `width` columns."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_POOL, (value,), (skip,),
                                         output, most_rows)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        cdef zoo_pool_shape s
        cdef int64_t bottom, right
        s.n = 1
        s.h, s.w, s.c = x.height, self.seen(step, 0, width), x.channels
        s.oh, s.ow = y.height, y.width
        s.kh, s.kw = size
        s.sh, s.sw = stride
        s.top, bottom, s.left, right = padding
        demand(x.channels == y.channels and
               y.height == windows(s.h, s.kh, s.sh, 1, s.top, bottom) and
               y.width == windows(s.w, s.kw, s.sw, 1, s.left, right),
               "sizes do not fit")
        if zoo_pool_init(&step.pool, NULL if mean else self.engine.isa, &s):
            raise MemoryError("a step needs too much memory")

    def set_shuffle(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                    int64_t scale, bint dcr):
        """Depth to space."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_SHUFFLE, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        demand(0 < scale <= 32768 and y.height == x.height * scale and
               y.width % scale == 0 and
               x.channels == y.channels * scale * scale, "sizes do not fit")
        self.seen(step, 0, y.width // scale)
        step.scale = scale
        step.dcr = dcr

    def set_repeat(self, int64_t index, int64_t value, int64_t skip, int64_t output, int64_t scale,
                   float factor):
        """Nearest-neighbour enlargement."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_REPEAT, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        demand(0 < scale <= 32768 and y.height == x.height * scale and
               y.width % scale == 0 and x.channels == y.channels,
               "sizes do not fit")
        self.seen(step, 0, y.width // scale)
        step.scale = scale
        step.factor = factor

    def set_pad(self, int64_t index, int64_t value, int64_t skip, int64_t output, tuple padding,
                int mode):
        """Rows and columns around the image."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_PAD, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        cdef int64_t top, bottom, left, right
        top, bottom, left, right = padding
        demand(-LARGEST <= top <= LARGEST and -LARGEST <= bottom <= LARGEST and
               -LARGEST <= left <= LARGEST and -LARGEST <= right <= LARGEST and
               0 <= mode < ZOO_PAD_MODES, "padding out of range")
        demand(y.height == x.height + top + bottom and
               y.width > left + right and x.channels == y.channels,
               "sizes do not fit")
        step.scale = self.seen(step, 0, y.width - left - right)
        step.top, step.left, step.pad_mode = top, left, mode

    def set_activate(self, int64_t index, int64_t value, int64_t skip, int64_t output, int kind,
                     float slope, const float[::1] slopes, int then=0, float then_slope=0):
        """An activation, and then perhaps another one."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_ACTIVATE, (value,), (skip,),
                                         output, 1)
        self.same_size(step, 0, True)
        check_kind(kind, 1)
        check_kind(then, 1)
        step.activation = kind
        step.slope = slope
        step.then = then
        step.then_slope = then_slope
        step.slopes = NULL
        if slopes is not None:
            demand(slopes.shape[0] == self.value(value).channels,
                   "there must be a slope per channel")
            step.slopes = &slopes[0]
            self.kept.append(slopes)

    def set_add(self, int64_t index, tuple inputs, tuple skips, int64_t output, float alpha,
                float beta, int kind, float slope):
        """activation(alpha a + beta b)."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_ADD, inputs, skips, output, 1)
        demand(len(inputs) == 2, "a sum has two inputs")
        self.same_size(step, 0, True)
        self.same_size(step, 1, True)
        check_kind(kind, 1)
        step.activation = kind
        step.slope, step.alpha, step.beta = slope, alpha, beta

    def set_concat(self, int64_t index, tuple inputs, tuple skips, int64_t output,
                   tuple slices):
        """Slices of the inputs' channels, one after the other."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_CONCAT, inputs, skips, output, 1)
        cdef int64_t n, total = 0
        demand(len(slices) == len(inputs), "there must be a slice per input")
        for n in range(len(inputs)):
            self.same_size(step, n, False)
            step.first[n], step.last[n] = slices[n]
            demand(0 <= step.first[n] < step.last[n] <=
                   self.value(inputs[n]).channels, "a slice is out of range")
            total += step.last[n] - step.first[n]
        demand(total == self.value(output).channels, "sizes do not fit")

    def set_multiply(self, int64_t index, tuple inputs, tuple skips, int64_t output,
                     int kind, float slope):
        """activation(a b); either may have one channel, for all of the other's."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_MULTIPLY, inputs, skips, output,
                                         1)
        cdef int64_t n, channels = self.value(output).channels
        cdef bint whole = False
        demand(len(inputs) == 2, "a product has two inputs")
        for n in range(2):
            self.same_size(step, n, False)
            whole = whole or self.value(inputs[n]).channels == channels
            demand(self.value(inputs[n]).channels in (1, channels), "sizes differ")
        demand(whole, "sizes differ")
        check_kind(kind, 1)
        step.activation = kind
        step.slope = slope

    def set_scale(self, int64_t index, tuple inputs, tuple skips, int64_t output,
                  int kind, float slope):
        """activation(a x); a has one pixel."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_SCALE, inputs, skips, output, 1)
        cdef zoo_value *a = self.value(inputs[0])
        demand(len(inputs) == 2, "a product has two inputs")
        self.same_size(step, 1, True)
        demand(a.height == 1 and a.channels == self.value(output).channels,
               "there must be a factor per channel")
        check_kind(kind, 1)
        step.activation = kind
        step.slope = slope

    def set_affine(self, int64_t index, tuple inputs, tuple skips, int64_t output):
        """(x - m) f + b; m, f and b are the channels of a value of one pixel."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_AFFINE, inputs, skips, output, 1)
        cdef zoo_value *a = self.value(inputs[0])
        demand(len(inputs) == 2, "it has two inputs")
        self.same_size(step, 1, True)
        demand(a.height == 1 and a.channels == 3 * self.value(output).channels,
               "there must be three numbers per channel")

    def set_normalize(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                      const float[::1] scales, const float[::1] biases, float epsilon):
        """Pixels to mean 0 and variance 1, times scales plus biases."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_NORMALIZE, (value,), (skip,),
                                         output, 1)
        self.same_size(step, 0, True)
        demand(scales.shape[0] == self.value(output).channels == biases.shape[0],
               "there must be a factor and an offset per channel")
        step.scales, step.biases, step.epsilon = &scales[0], &biases[0], epsilon
        self.kept += [scales, biases]

    def set_moments(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                    int64_t width, int64_t rows, int64_t columns):
        """Means of blocks, and their variances where the output has as many channels."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_MOMENTS, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        demand(0 < rows <= LARGEST and 0 < columns <= LARGEST, "a block is out of range")
        step.scale = self.seen(step, 0, width)
        demand(y.height == (x.height + rows - 1) // rows and
               y.width == (width + columns - 1) // columns and
               y.channels in (x.channels, 2 * x.channels), "sizes do not fit")
        step.block[0], step.block[1] = rows, columns

    def set_attend(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                   int64_t width, int64_t heads, tuple extent, tuple before,
                   tuple origin, const float[:, :, ::1] biases, float scale):
        """Self-attention inside windows; biases are heads x keys x padded queries."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_ATTEND, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        cdef zoo_attention *a = &step.attention
        cdef int64_t places
        a.rows, a.columns = extent
        a.top, a.left = before
        a.in_first, a.out_first = origin
        demand(0 < a.rows <= 4096 and 0 < a.columns <= 4096 and
               0 <= a.top < a.rows and 0 <= a.left < a.columns, "a window is out of range")
        demand(0 <= a.in_first <= LARGEST and 0 <= a.out_first <= LARGEST,
               "a strip is out of range")
        demand(0 < heads <= y.channels and y.channels % heads == 0 and
               x.channels == 3 * y.channels and x.height == y.height, "sizes do not fit")
        a.heads, a.depth = heads, y.channels // heads
        a.height, a.in_width, a.out_width = y.height, self.seen(step, 0, width), y.width
        places = a.rows * a.columns
        a.padded = (places + ZOO_ATTEND_BLOCK - 1) // ZOO_ATTEND_BLOCK * ZOO_ATTEND_BLOCK
        a.biases, a.scale = NULL, scale
        if biases is not None:
            demand(biases.shape[0] == heads and biases.shape[1] == places and
                   biases.shape[2] == a.padded, "there must be a bias for each pair")
            a.biases = &biases[0, 0, 0]
            self.kept.append(biases)
        demand(zoo_attend_scratch(a) > 0, "windows are too large")

    def set_unshuffle(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                      int64_t scale, bint dcr):
        """Space to depth."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_UNSHUFFLE, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        demand(0 < scale <= 32768 and x.height == y.height * scale and
               y.channels == x.channels * scale * scale, "sizes do not fit")
        self.seen(step, 0, y.width * scale)
        step.scale = scale
        step.dcr = dcr

    cdef int set_taps(self, zoo_taps *taps, tuple arrays, int64_t length,
                      int64_t results) except -1:
        """Taps of so many results, within so many places."""
        cdef const int64_t[::1] starts = arrays[0]
        cdef const int64_t[::1] places = arrays[1]
        cdef const float[::1] weights = arrays[2]
        cdef int64_t i
        demand(starts.shape[0] == results + 1 and starts[0] == 0 and
               places.shape[0] == weights.shape[0] > 0 and
               starts[results] == places.shape[0], "the taps do not fit")
        for i in range(results):
            demand(starts[i] < starts[i + 1], "a result has no taps")
        for i in range(places.shape[0]):
            demand(0 <= places[i] < length, "a tap is out of range")
        taps.starts, taps.places, taps.weights = &starts[0], &places[0], &weights[0]
        self.kept.append(arrays)
        return 0

    def set_resize(self, int64_t index, int64_t value, int64_t skip, int64_t output,
                   int64_t width, tuple rows, tuple columns):
        """Sums of weighted neighbors along columns, then along rows of `width` pixels.

        Taps are starts, places and weights, as of ``resample``.
        """
        cdef zoo_step *step = self.begin(index, ZOO_STEP_RESIZE, (value,), (skip,),
                                         output, 1)
        cdef zoo_value *x = self.value(value)
        cdef zoo_value *y = self.value(output)
        demand(x.channels == y.channels, "sizes do not fit")
        step.scale = self.seen(step, 0, width)
        self.set_taps(&step.rows, rows, x.height, y.height)
        self.set_taps(&step.columns, columns, width, y.width)

    def set_load(self, int64_t index, int64_t value, int64_t output):
        """From the picture (set_picture), which stands for `value`."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_LOAD, (value,), (0,), output, 1)
        self.same_size(step, 0, True)

    def set_store(self, int64_t index, int64_t value, int64_t skip, int64_t output):
        """To the result (set_result), which stands for `output`."""
        cdef zoo_step *step = self.begin(index, ZOO_STEP_STORE, (value,), (skip,),
                                         output, 1)
        self.same_size(step, 0, True)

    cdef int describe_picture(self, zoo_picture *p, zoo_value *v, uintptr_t address,
                              int64_t first, tuple shape, tuple strides, int type,
                              bint reverse, float scale, const float[::1] mean,
                              const float[::1] std) except -1:
        cdef int64_t size = (1, 2, 4)[type]
        demand(len(shape) == 3 and len(strides) == 3, "a picture has three axes")
        demand(0 <= first and 0 < shape[0] <= v.height - first and
               shape[1] == v.width and
               (shape[2] == v.channels or shape[2] == 1),
               "the picture has another shape")
        demand(strides[2] == size and strides[1] == size * shape[2] and
               strides[0] >= size * shape[2] * shape[1], "the pixels are not in order")
        demand(mean is None or mean.shape[0] == v.channels, "one mean per channel")
        demand(std is None or std.shape[0] == v.channels, "one std per channel")
        p.data = <void *> address
        p.first, p.rows = first, shape[0]
        p.apart = strides[0]
        p.channels = shape[2]
        p.type = type
        p.reversed = reverse
        p.scale = scale
        p.mean = p.std = NULL
        if mean is not None:
            p.mean = &mean[0]
        if std is not None:
            p.std = &std[0]
        p.plain = (type == 2 and not reverse and scale == 1 and mean is None and
                   std is None and shape[2] == v.channels)
        return 0

    def set_picture(self, int64_t value, uintptr_t address, int64_t first, tuple shape,
                    tuple strides, int type, bint reverse, float scale,
                    const float[::1] mean, const float[::1] std):
        """Where the pixels are, from row ``first``, and value = (pixel scale - mean) / std.

        The caller keeps the array, mean and std until the run is over.
        """
        self.describe_picture(&self.engine.picture, self.value(value), address, first,
                              shape, strides, type, reverse, scale, mean, std)

    def set_result(self, int64_t value, uintptr_t address, int64_t first, tuple shape,
                   tuple strides, int type, bint reverse, float scale,
                   const float[::1] mean, const float[::1] std):
        """Where the pixels go: pixel = (value std + mean) scale, as set_picture."""
        self.describe_picture(&self.engine.result, self.value(value), address, first,
                              shape, strides, type, reverse, scale, mean, std)

    cdef int within(self, zoo_picture *p, int64_t start, int64_t stop) except -1:
        """Check that rows of a picture are among those that are there."""
        demand(p.first <= start and stop <= p.first + p.rows,
               "a task is beyond the window")
        return 0

    def scratch_per_thread(self):
        """Bytes of scratch memory that each thread needs."""
        cdef int64_t size = zoo_engine_scratch(self.engine)
        if size < 0:
            raise MemoryError("a step needs too much memory")
        return size

    def held_bytes(self):
        """Bytes that the descriptions of the steps take."""
        return zoo_engine_bytes(self.engine)

    def run(self, int threads, const int64_t[:, ::1] tasks, float[::1] scratch):
        """Do tasks (step, start, stop) in order. All memory must be given.

        ``scratch`` holds :meth:`scratch_per_thread` bytes for each thread.
        """
        cdef int64_t i, n, count = tasks.shape[0]
        cdef zoo_step *step
        cdef zoo_value *v
        check_kind(0, threads)
        demand(tasks.shape[1] == 3, "a task is three numbers")
        if count == 0:
            return
        for i in range(count):
            demand(0 <= tasks[i, 0] < self.engine.step_count, "no such step")
            step = &self.engine.steps[tasks[i, 0]]
            v = &self.engine.values[step.output]
            demand(step.input_count > 0, "a step is not described")
            demand(v.data != NULL or (step.kind == ZOO_STEP_STORE and
                   self.engine.result.data != NULL), "a value has no memory")
            for n in range(step.input_count):
                demand(self.engine.values[step.inputs[n]].data != NULL or
                       (step.kind == ZOO_STEP_LOAD and
                        self.engine.picture.data != NULL), "a value has no memory")
            demand(0 <= tasks[i, 1] < tasks[i, 2] <= v.height,
                   "a task is out of range")
            demand(tasks[i, 2] - tasks[i, 1] <= v.rows,
                   "a task has more rows than its ring")
            if step.kind == ZOO_STEP_LOAD:
                self.within(&self.engine.picture, tasks[i, 1], tasks[i, 2])
            elif step.kind == ZOO_STEP_STORE:
                self.within(&self.engine.result, tasks[i, 1], tasks[i, 2])
            demand(step.kind != ZOO_STEP_CONV or
                   (tasks[i, 1] % step.scale == 0 and tasks[i, 2] % step.scale == 0),
                   "a task cuts a shuffled row")
            demand(step.kind != ZOO_STEP_CONV or
                   tasks[i, 2] - tasks[i, 1] <= step.most_rows,
                   "a task has more rows than planned")
        demand(4 * scratch.shape[0] >= threads * self.scratch_per_thread(),
               "too little scratch memory")
        demand(scratch.shape[0] == 0 or <uintptr_t> &scratch[0] % 64 == 0,
               "the scratch memory is not aligned")
        with nogil:
            zoo_engine_run(self.engine, threads, <const zoo_task *> &tasks[0, 0],
                           count, &scratch[0] if scratch.shape[0] else NULL)
