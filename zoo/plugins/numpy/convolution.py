"""Convolution as matrix products of patches (im2col and BLAS), block by block.

For a block of output pixels the patches that they see are laid out as the rows
of a matrix P (pixels x kh kw C), and y = P W, with W the weights as a matrix
(kh kw C x K). Blocks are small enough that P stays in the cache, so memory does
not depend on the picture: padding is made per block too.

Backward, with the gradient D of the block: dW = sum of P^T D, and D W^T is the
gradient of P, whose values are added up at the pixels they were copied from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from zoo.activations import activation as find_activation
from zoo.errors import ShapeError
from zoo.plugins.base import Array, ConvGeometry, PadMode
from zoo.program.geometry import source_cells

__all__ = [
    "BLOCK_BYTES",
    "conv2d",
    "conv2d_backward",
    "conv2d_transpose",
    "output_shape",
]

BLOCK_BYTES = 4 << 20
"""Upper bound of the patch matrix, unless one pixel's patch alone is larger."""


class _Block(NamedTuple):
    """Output rows [top, bottom) and columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int


def output_shape(
    x: Sequence[int], weights: Sequence[int], geometry: ConvGeometry
) -> tuple[int, int, int, int]:
    """Shape of a convolution's result from those of its arrays, checked.

    Raises
    ------
    ShapeError
        If channels and groups do not fit, or no window fits into the image.
    """
    per_group, filters = weights[2:]
    groups = geometry.groups
    if groups < 1 or x[3] != per_group * groups or filters % groups:
        raise ShapeError(
            f"a convolution with {filters} filters over {per_group} channels in "
            f"{groups} groups cannot take {x[3]} channels"
        )
    pad = geometry.padding
    sizes = []
    for axis in (0, 1):
        span = geometry.dilation[axis] * (weights[axis] - 1) + 1
        padded = x[1 + axis] + pad[2 * axis] + pad[2 * axis + 1]
        sizes.append((padded - span) // geometry.stride[axis] + 1)
    if min(sizes) < 1:
        raise ShapeError(
            f"a {weights[0]}x{weights[1]} convolution does not fit into an image of "
            f"{x[1]}x{x[2]} pixels"
        )
    return x[0], sizes[0], sizes[1], filters


def _blocks(height: int, width: int, pixel_bytes: int) -> Iterator[_Block]:
    """Cut an output into bands of rows, or, where a row is too large, parts of rows."""
    pixels = max(1, BLOCK_BYTES // max(1, pixel_bytes))
    rows, columns = max(1, pixels // width), min(width, pixels)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            yield _Block(top, min(top + rows, height), left, min(left + columns, width))


def _reach(
    block: _Block, kernel: tuple[int, int], geometry: ConvGeometry
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Input rows and columns [first, last) that a block sees; may leave the image."""
    ranges = []
    for axis, (first, last) in enumerate(
        ((block.top, block.bottom), (block.left, block.right))
    ):
        stride, dilation = geometry.stride[axis], geometry.dilation[axis]
        before = geometry.padding[2 * axis]
        ranges.append(
            (
                first * stride - before,
                (last - 1) * stride - before + dilation * (kernel[axis] - 1) + 1,
            )
        )
    return ranges[0], ranges[1]


def _band(
    image: Array, rows: tuple[int, int], columns: tuple[int, int], mode: PadMode
) -> Array:
    """Rows and columns of a padded image; a view where nothing is padded."""
    height, width, channels = image.shape
    if rows[0] >= 0 and rows[1] <= height and columns[0] >= 0 and columns[1] <= width:
        return image[rows[0] : rows[1], columns[0] : columns[1]]
    if mode != "zero":
        row = source_cells(*rows, height, mode)
        column = source_cells(*columns, width, mode)
        return image[row[:, None], column]
    band = np.zeros((rows[1] - rows[0], columns[1] - columns[0], channels), image.dtype)
    top, bottom = max(rows[0], 0), min(rows[1], height)
    left, right = max(columns[0], 0), min(columns[1], width)
    if top < bottom and left < right:
        band[
            top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]
        ] = image[top:bottom, left:right]
    return band


def _windows(
    band: Array,
    size: tuple[int, int],
    kernel: tuple[int, int],
    geometry: ConvGeometry,
    writeable: bool = False,
) -> Array:
    """View of a band as rows x columns x kh x kw x C: what each output pixel sees."""
    down, right, deep = band.strides
    return as_strided(
        band,
        (*size, *kernel, band.shape[2]),
        (
            down * geometry.stride[0],
            right * geometry.stride[1],
            down * geometry.dilation[0],
            right * geometry.dilation[1],
            deep,
        ),
        writeable=writeable,
    )


def _patches(windows: Array, groups: int) -> Array:
    """The matrix P of each group: groups x pixels x (kh kw C / groups), copied."""
    rows, columns, height, width, channels = windows.shape
    depth = channels // groups
    if groups == 1:
        return windows.reshape(1, rows * columns, height * width * depth)
    split = windows.reshape(rows, columns, height, width, groups, depth)
    return split.transpose(4, 0, 1, 2, 3, 5).reshape(
        groups, rows * columns, height * width * depth
    )


def _grouped_weights(weights: Array, groups: int) -> Array:
    """Weights as groups x (kh kw C / groups) x (K / groups)."""
    height, width, depth, filters = weights.shape
    split = weights.reshape(height * width * depth, groups, filters // groups)
    return np.ascontiguousarray(split.transpose(1, 0, 2))


def _is_pointwise(kernel: tuple[int, int], geometry: ConvGeometry) -> bool:
    return (
        kernel == (1, 1)
        and geometry.stride == (1, 1)
        and not any(geometry.padding)
        and geometry.groups == 1
    )


def conv2d(
    x: Array,
    weights: Array,
    biases: Array | None,
    geometry: ConvGeometry,
    activation: str = "linear",
) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.conv2d`."""
    shape = output_shape(x.shape, weights.shape, geometry)
    _, height, width, filters = shape
    kernel, groups = (weights.shape[0], weights.shape[1]), geometry.groups
    out = np.empty(shape, x.dtype)
    if _is_pointwise(kernel, geometry):
        # No patches: the image itself is the matrix, in blocks for the cache.
        pixels = x.reshape(-1, x.shape[3])
        result = out.reshape(-1, filters)
        matrix = weights.reshape(-1, filters)
        step = max(1, BLOCK_BYTES // (x.itemsize * (x.shape[3] + filters)))
        for first in range(0, len(pixels), step):
            part = result[first : first + step]
            np.matmul(pixels[first : first + step], matrix, out=part)
            _finish(part, biases, activation)
        return out
    depthwise = weights.shape[2] == 1 and groups > 1
    matrices = None if depthwise else _grouped_weights(weights, groups)
    values = filters if depthwise else kernel[0] * kernel[1] * x.shape[3]
    for number, image in enumerate(x):
        for block in _blocks(height, width, values * x.itemsize):
            band = _band(image, *_reach(block, kernel, geometry), geometry.pad_mode)
            size = block.bottom - block.top, block.right - block.left
            windows = _windows(band, size, kernel, geometry)
            part = out[number, block.top : block.bottom, block.left : block.right]
            if matrices is None:
                _depthwise(windows, weights, part)
            elif groups == 1:
                np.matmul(
                    _patches(windows, 1)[0], matrices[0], out=part.reshape(-1, filters)
                )
            else:
                product = np.matmul(_patches(windows, groups), matrices)
                part[...] = product.transpose(1, 0, 2).reshape(part.shape)
            _finish(part, biases, activation)
    return out


def _depthwise(windows: Array, weights: Array, out: Array) -> None:
    """One input channel per group: products per tap, without matrices."""
    channels = windows.shape[4]
    split = out.reshape(*out.shape[:2], channels, -1)
    taps = weights.reshape(*weights.shape[:2], channels, -1)
    split[...] = 0
    product = np.empty_like(split)
    for i in range(weights.shape[0]):
        for j in range(weights.shape[1]):
            np.multiply(windows[:, :, i, j, :, None], taps[i, j], out=product)
            split += product


def _finish(block: Array, biases: Array | None, activation: str) -> None:
    """Add biases and activate, in place, while the block is in the cache."""
    if biases is not None:
        block += biases
    if activation == "relu":
        np.maximum(block, 0, out=block)
    elif activation != "linear":
        block[...] = find_activation(activation)(block)


def conv2d_backward(
    x: Array, weights: Array, delta: Array, geometry: ConvGeometry
) -> tuple[Array, Array, Array]:
    """See :meth:`zoo.plugins.base.Kernels.conv2d_backward`."""
    _, height, width, filters = output_shape(x.shape, weights.shape, geometry)
    kernel, groups = (weights.shape[0], weights.shape[1]), geometry.groups
    matrices = _grouped_weights(weights, groups)
    transposed = matrices.transpose(0, 2, 1)
    by_weights = np.zeros_like(matrices)
    by_input = np.zeros_like(x)
    whole = _Block(0, height, 0, width)
    rows, columns = _reach(whole, kernel, geometry)
    pixel_bytes = kernel[0] * kernel[1] * x.shape[3] * x.itemsize
    for number, image in enumerate(x):
        padded = np.zeros(
            (rows[1] - rows[0], columns[1] - columns[0], x.shape[3]), x.dtype
        )
        for block in _blocks(height, width, pixel_bytes):
            (top, bottom), (left, right) = _reach(block, kernel, geometry)
            band = _band(image, (top, bottom), (left, right), geometry.pad_mode)
            size = block.bottom - block.top, block.right - block.left
            patches = _patches(_windows(band, size, kernel, geometry), groups)
            part = delta[number, block.top : block.bottom, block.left : block.right]
            split = part.reshape(-1, groups, filters // groups).transpose(1, 0, 2)
            by_weights += np.matmul(patches.transpose(0, 2, 1), split)
            by_patches = np.matmul(split, transposed)
            target = padded[
                top - rows[0] : bottom - rows[0], left - columns[0] : right - columns[0]
            ]
            _add_patches(by_patches, target, size, kernel, geometry)
        by_input[number] = _fold(
            padded, rows, columns, image.shape[:2], geometry.pad_mode
        )
    by_weights = by_weights.transpose(1, 0, 2).reshape(weights.shape)
    return by_input, np.ascontiguousarray(by_weights), delta.sum(axis=(0, 1, 2))


def conv2d_transpose(
    x: Array, weights: Array, geometry: ConvGeometry, size: tuple[int, int]
) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.conv2d_transpose`."""
    kernel, groups = (weights.shape[0], weights.shape[1]), geometry.groups
    channels = weights.shape[2] * groups
    out = np.empty((len(x), *size, channels), x.dtype)
    shape = output_shape(out.shape, weights.shape, geometry)
    if x.shape != shape:
        raise ShapeError(
            f"a transposed convolution to {size[0]}x{size[1]} pixels takes "
            f"{'x'.join(map(str, shape[1:]))}, not {'x'.join(map(str, x.shape[1:]))}"
        )
    _, height, width, _ = shape
    transposed = _grouped_weights(weights, groups).transpose(0, 2, 1)
    rows, columns = _reach(_Block(0, height, 0, width), kernel, geometry)
    pixel_bytes = kernel[0] * kernel[1] * channels * x.itemsize
    for number, image in enumerate(x):
        padded = np.zeros(
            (rows[1] - rows[0], columns[1] - columns[0], channels), x.dtype
        )
        for block in _blocks(height, width, pixel_bytes):
            (top, bottom), (left, right) = _reach(block, kernel, geometry)
            part = image[block.top : block.bottom, block.left : block.right]
            split = part.reshape(-1, groups, part.shape[2] // groups)
            _add_patches(
                np.matmul(split.transpose(1, 0, 2), transposed),
                padded[
                    top - rows[0] : bottom - rows[0],
                    left - columns[0] : right - columns[0],
                ],
                part.shape[:2],
                kernel,
                geometry,
            )
        out[number] = _fold(padded, rows, columns, size, geometry.pad_mode)
    return out


def _add_patches(
    patches: Array,
    target: Array,
    size: tuple[int, ...],
    kernel: tuple[int, int],
    geometry: ConvGeometry,
) -> None:
    """Add each value of a patch matrix where it was copied from (col2im)."""
    depth = target.shape[2] // geometry.groups
    split = patches.reshape(geometry.groups, *size, *kernel, depth)
    grouped = target.reshape(*target.shape[:2], geometry.groups, depth)
    (down, right), (step_down, step_right) = geometry.stride, geometry.dilation
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            grouped[
                i * step_down : i * step_down + (size[0] - 1) * down + 1 : down,
                j * step_right : j * step_right + (size[1] - 1) * right + 1 : right,
            ] += split[:, :, :, i, j].transpose(1, 2, 0, 3)


def _fold(
    padded: Array,
    rows: tuple[int, int],
    columns: tuple[int, int],
    size: tuple[int, ...],
    mode: PadMode,
) -> Array:
    """Add the gradient of every padded cell to the image cell that it shows."""
    for axis, (first, last) in enumerate((rows, columns)):
        cells = source_cells(first, last, size[axis], mode)
        moved = np.moveaxis(padded, axis, 0)
        folded = np.zeros((size[axis], *moved.shape[1:]), padded.dtype)
        start = min(-first, len(cells))
        stop = max(start, min(size[axis] - first, len(cells)))
        folded[first + start : first + stop] = moved[start:stop]
        for position in (*range(start), *range(stop, len(cells))):
            if cells[position] >= 0:
                folded[cells[position]] += moved[position]
        padded = np.moveaxis(folded, 0, axis)
    return padded
