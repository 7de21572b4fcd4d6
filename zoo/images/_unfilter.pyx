# cython: boundscheck=False, wraparound=False, cdivision=True
"""PNG's filters taken back (PNG, third edition, section 9): the one loop that NumPy
cannot do, for every byte depends on the one before."""

from libc.stdint cimport uint8_t


cdef inline int paeth(int a, int b, int c) noexcept nogil:
    cdef int pa = b - c, pb = a - c, pc = a + b - 2 * c
    pa = -pa if pa < 0 else pa
    pb = -pb if pb < 0 else pb
    pc = -pc if pc < 0 else pc
    if pa <= pb and pa <= pc:
        return a
    return b if pb <= pc else c


def unfilter(uint8_t[:, ::1] rows, const uint8_t[::1] above, Py_ssize_t pixel):
    """Make of filtered rows, in place, what they stand for.

    Parameters
    ----------
    rows : uint8, H x (1 + bytes of a row)
        The number of its filter begins a row.
    above : uint8, bytes of a row
        The row before the first.
    pixel : int
        Bytes of a pixel, at least 1.

    Returns
    -------
    bool
        False if a row has a filter that there is not.
    """
    cdef Py_ssize_t count = rows.shape[0], length = rows.shape[1] - 1, y, i
    cdef uint8_t *row
    cdef const uint8_t *up
    cdef int kind, a, c
    cdef bint known = True
    if length < 1 or above.shape[0] != length or not 0 < pixel <= length:
        raise ValueError("rows and pixels do not fit each other")
    if count == 0:
        return True
    up = &above[0]
    with nogil:
        for y in range(count):
            row = &rows[y, 1]
            kind = rows[y, 0]
            if kind == 1:
                for i in range(pixel, length):
                    row[i] += row[i - pixel]
            elif kind == 2:
                for i in range(length):
                    row[i] += up[i]
            elif kind == 3:
                for i in range(length):
                    a = row[i - pixel] if i >= pixel else 0
                    row[i] += <uint8_t> ((a + up[i]) >> 1)
            elif kind == 4:
                for i in range(length):
                    a = row[i - pixel] if i >= pixel else 0
                    c = up[i - pixel] if i >= pixel else 0
                    row[i] += <uint8_t> paeth(a, up[i], c)
            elif kind != 0:
                known = False
                break
            up = row
    return known
