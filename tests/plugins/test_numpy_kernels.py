"""The NumPy back end against PyTorch and plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.activations import PARAMETER_FREE, activation
from zoo.errors import ShapeError
from zoo.plugins.base import ConvGeometry, Kernels, Padding, PoolGeometry
from zoo.plugins.numpy import NumpyKernels, convolution, pooling
from zoo.program.geometry import source_cells

_KERNELS = NumpyKernels(threads=1)

_PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))
_PADS = st.builds(Padding, *[st.integers(0, 4)] * 4)
_SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def convolutions(draw):
    """x, weights, biases and geometry that fit each other; images down to 1x1."""
    groups = draw(st.integers(1, 3))
    height, width = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kernel = draw(_PAIRS)
    geometry = ConvGeometry(
        draw(_PAIRS),
        draw(_PAIRS),
        draw(_PADS),
        draw(st.sampled_from(["zero", "symmetric", "edge"])),
        groups,
    )
    pad = geometry.padding
    spans = [d * (k - 1) + 1 for d, k in zip(geometry.dilation, kernel, strict=True)]
    assume(height + pad.top + pad.bottom >= spans[0])
    assume(width + pad.left + pad.right >= spans[1])
    rng = np.random.default_rng(draw(_SEEDS))
    inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3)) * groups
    x = rng.standard_normal((draw(st.integers(1, 2)), height, width, inputs * groups))
    weights = rng.standard_normal((*kernel, inputs, outputs))
    biases = rng.standard_normal(outputs) if draw(st.booleans()) else None
    return x, weights, biases, geometry


def _torch_conv(x, weights, biases, geometry):
    """The same by PyTorch, on a picture padded by gathering; N x H x W x C tensors."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    pad = geometry.padding
    if geometry.pad_mode == "zero":
        padded = functional.pad(
            x.permute(0, 3, 1, 2), (pad.left, pad.right, pad.top, pad.bottom)
        )
    else:
        rows = np.pad(np.arange(x.shape[1]), pad[:2], mode=geometry.pad_mode)
        columns = np.pad(np.arange(x.shape[2]), pad[2:], mode=geometry.pad_mode)
        padded = x.permute(0, 3, 1, 2)[:, :, rows][:, :, :, columns]
    return functional.conv2d(
        padded,
        weights.permute(3, 2, 0, 1).contiguous(),
        biases,
        geometry.stride,
        0,
        geometry.dilation,
        geometry.groups,
    ).permute(0, 2, 3, 1)


@settings(max_examples=150)
@given(convolutions(), st.sampled_from([1, 500, 4 << 20]))
def test_conv2d_and_its_gradients_equal_torch(case, block_bytes):
    torch = pytest.importorskip("torch")
    x, weights, biases, geometry = case
    given_x, given_weights = (torch.tensor(a, requires_grad=True) for a in case[:2])
    given_biases = torch.zeros(weights.shape[3], dtype=torch.float64)
    if biases is not None:
        given_biases += torch.tensor(biases)
    given_biases.requires_grad_()
    theirs = _torch_conv(given_x, given_weights, given_biases, geometry)
    saved = x.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "BLOCK_BYTES", block_bytes)
        ours = _KERNELS.conv2d(x, weights, biases, geometry)
        delta = np.cos(np.arange(ours.size, dtype=np.float64)).reshape(ours.shape)
        gradients = _KERNELS.conv2d_backward(x, weights, delta, geometry)
    assert ours.flags.c_contiguous
    np.testing.assert_array_equal(x, saved)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-12)
    theirs.backward(torch.tensor(delta))
    for found, tensor in zip(
        gradients, (given_x, given_weights, given_biases), strict=True
    ):
        np.testing.assert_allclose(found, tensor.grad.numpy(), atol=1e-11)


@settings(max_examples=40)
@given(convolutions(), st.sampled_from(PARAMETER_FREE))
def test_conv2d_applies_activation_and_keeps_float32(case, name):
    x, weights, biases, geometry = case
    x, weights = x.astype(np.float32), weights.astype(np.float32)
    if biases is not None:
        biases = biases.astype(np.float32)
    linear = _KERNELS.conv2d(x, weights, biases, geometry)
    found = _KERNELS.conv2d(x, weights, biases, geometry, name)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, activation(name)(linear), rtol=1e-6, atol=1e-7)


@given(st.integers(1, 6), st.integers(0, 20), st.integers(0, 20))
def test_border_cells_are_those_of_numpy_pad(length, before, after):
    for mode in ("symmetric", "edge"):
        np.testing.assert_array_equal(
            source_cells(-before, length + after, length, mode),
            np.pad(np.arange(length), (before, after), mode=mode),
        )
    np.testing.assert_array_equal(
        source_cells(-before, length + after, length, "zero"),
        np.pad(np.arange(length), (before, after), constant_values=-1),
    )


@pytest.mark.parametrize(
    ("x", "weights", "groups", "message"),
    [
        ((1, 4, 4, 3), (3, 3, 2, 4), 1, "3 channels"),
        ((1, 4, 4, 4), (3, 3, 2, 3), 2, "2 groups"),
        ((1, 2, 4, 1), (3, 3, 1, 1), 1, "does not fit into an image of 2x4"),
    ],
)
def test_conv2d_refuses_what_does_not_fit(x, weights, groups, message):
    geometry = ConvGeometry(groups=groups)
    with pytest.raises(ShapeError, match=message):
        _KERNELS.conv2d(np.zeros(x), np.zeros(weights), None, geometry)


def test_conv2d_memory_is_bounded(monkeypatch):
    """No patch matrix exceeds the bound, however large or wide the image."""
    seen = []
    original = convolution._patches

    def watched(windows, groups):
        patches = original(windows, groups)
        seen.append(patches.nbytes)
        return patches

    monkeypatch.setattr(convolution, "_patches", watched)
    monkeypatch.setattr(convolution, "BLOCK_BYTES", 20_000)
    weights = np.ones((3, 3, 4, 2), np.float32)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    for shape in ((1, 64, 40, 4), (1, 2, 5000, 4)):
        x = np.ones(shape, np.float32)
        y = _KERNELS.conv2d(x, weights, None, geometry)
        assert y[0, 0, 1, 0] == 24 and y[0, 0, 0, 0] == 16
    assert len(seen) > 10 and max(seen) <= 20_000


def test_nan_spreads_no_further_than_the_kernel():
    x = np.zeros((1, 7, 7, 2), np.float32)
    x[0, 3, 3, 0] = np.nan
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    y = _KERNELS.conv2d(x, np.ones((3, 3, 2, 2), np.float32), None, geometry, "relu")
    expected = np.zeros((7, 7), bool)
    expected[2:5, 2:5] = True
    for channel in range(2):
        np.testing.assert_array_equal(np.isnan(y[0, :, :, channel]), expected)


# -- pooling ---------------------------------------------------------------


@st.composite
def pools(draw):
    """x and geometry; values are few, so that ties are many."""
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
    geometry = PoolGeometry(draw(sizes), draw(_PAIRS), draw(_PADS))
    pad = geometry.padding
    assume(height + pad.top + pad.bottom >= geometry.size[0])
    assume(width + pad.left + pad.right >= geometry.size[1])
    rng = np.random.default_rng(draw(_SEEDS))
    x = rng.integers(-3, 4, (draw(st.integers(1, 2)), height, width, 2))
    x = x.astype(np.float64)
    if draw(st.booleans()):
        x[0, rng.integers(height), rng.integers(width), 0] = np.nan
    return x, geometry


def _each_window(shape, geometry):
    """Output cell and slices of the window's cells inside the image."""
    pad = geometry.padding
    for i in range(
        (shape[1] + pad[0] + pad[1] - geometry.size[0]) // geometry.stride[0] + 1
    ):
        for j in range(
            (shape[2] + pad[2] + pad[3] - geometry.size[1]) // geometry.stride[1] + 1
        ):
            top = i * geometry.stride[0] - pad.top
            left = j * geometry.stride[1] - pad.left
            yield (
                (i, j),
                slice(max(top, 0), max(min(top + geometry.size[0], shape[1]), 0)),
                slice(max(left, 0), max(min(left + geometry.size[1], shape[2]), 0)),
            )


@settings(max_examples=150)
@given(pools())
def test_pools_equal_loops(case):
    x, geometry = case
    largest, mean = _KERNELS.max_pool(x, geometry), _KERNELS.average_pool(x, geometry)
    delta = np.cos(np.arange(mean.size)).reshape(mean.shape)
    by_max, by_mean = np.zeros_like(x), np.zeros_like(x)
    for (i, j), rows, columns in _each_window(x.shape, geometry):
        window = x[:, rows, columns].reshape(len(x), -1, 2)
        if not window.size:
            assert np.isneginf(largest[:, i, j]).all()
            assert np.isnan(mean[:, i, j]).all()
            continue
        np.testing.assert_array_equal(largest[:, i, j], window.max(axis=1))
        np.testing.assert_allclose(mean[:, i, j], window.mean(axis=1), atol=1e-12)
        by_mean[:, rows, columns] += delta[:, i : i + 1, j : j + 1] / window.shape[1]
        for n, c in np.ndindex(len(x), 2):
            part = x[n, rows, columns, c]
            cell = np.unravel_index(
                np.argmax(part), part.shape
            )  # NaN counts as largest
            by_max[n, rows.start + cell[0], columns.start + cell[1], c] += delta[
                n, i, j, c
            ]
    np.testing.assert_allclose(
        _KERNELS.max_pool_backward(x, delta, geometry), by_max, atol=1e-12
    )
    np.testing.assert_allclose(
        _KERNELS.average_pool_backward(x.shape, delta, geometry), by_mean, atol=1e-12
    )


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(3, 1, 1), (2, 2, 0), (5, 2, 2)]
)
def test_max_pool_equals_torch(size, stride, padding):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (2, 11, 13, 3)).astype(np.float32)  # ties abound
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.max_pool2d(
        tensor.permute(0, 3, 1, 2), size, stride, padding
    ).permute(0, 2, 3, 1)
    geometry = PoolGeometry((size, size), (stride, stride), Padding(*[padding] * 4))
    ours = _KERNELS.max_pool(x, geometry)
    np.testing.assert_array_equal(ours, theirs.detach().numpy())
    delta = rng.standard_normal(ours.shape).astype(np.float32)
    theirs.backward(torch.tensor(delta))
    np.testing.assert_allclose(
        _KERNELS.max_pool_backward(x, delta, geometry), tensor.grad.numpy(), atol=1e-5
    )


def test_pooling_takes_large_batches_in_parts(monkeypatch):
    x = np.random.default_rng(0).standard_normal((5, 6, 7, 2)).astype(np.float32)
    geometry = PoolGeometry((3, 2), (1, 2), Padding(1, 1, 0, 1))
    whole = _KERNELS.max_pool(x, geometry), _KERNELS.average_pool(x, geometry)
    monkeypatch.setattr(pooling, "_PART_BYTES", 2 * x[0].nbytes)
    np.testing.assert_array_equal(_KERNELS.max_pool(x, geometry), whole[0])
    np.testing.assert_array_equal(_KERNELS.average_pool(x, geometry), whole[1])


def test_a_huge_window_costs_nothing_extra():
    x = np.random.default_rng(0).standard_normal((1, 5, 4, 1))
    size, total = 2**30, 2**30 - 1
    pad = Padding(total // 2, total - total // 2, total // 2, total - total // 2)
    geometry = PoolGeometry((size, size), (1, 1), pad)
    np.testing.assert_array_equal(
        _KERNELS.max_pool(x, geometry), np.full(x.shape, x.max())
    )
    np.testing.assert_allclose(
        _KERNELS.average_pool(x, geometry), np.full(x.shape, x.mean())
    )


# -- the rest --------------------------------------------------------------


@given(st.integers(1, 4), st.integers(1, 3), st.sampled_from(["crd", "dcr"]), _SEEDS)
def test_pixel_shuffle(scale, channels, order, seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, 3, 2, channels * scale**2)).astype(np.float32)
    y = _KERNELS.depth_to_space(x, scale, order)
    if order == "crd":
        tensor = torch.tensor(x).permute(0, 3, 1, 2)
        theirs = torch.nn.functional.pixel_shuffle(tensor, scale).permute(0, 2, 3, 1)
        np.testing.assert_array_equal(y, theirs.numpy())
    else:
        for i, j, c in np.ndindex(scale, scale, channels):
            np.testing.assert_array_equal(
                y[:, i::scale, j::scale, c], x[..., (i * scale + j) * channels + c]
            )
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(_KERNELS.space_to_depth(y, scale, order), x)


def test_pixel_shuffle_refuses_what_does_not_divide():
    with pytest.raises(ShapeError, match="multiple of 4 channels, not 6"):
        _KERNELS.depth_to_space(np.zeros((1, 2, 2, 6)), 2, "crd")
    with pytest.raises(ShapeError, match="2 divides, not 3x2"):
        _KERNELS.space_to_depth(np.zeros((1, 3, 2, 1)), 2, "dcr")


def test_dense_equals_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, weights, biases = (rng.standard_normal(s) for s in ((4, 7), (3, 7), (3,)))
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, weights, biases)]
    theirs = torch.nn.functional.linear(*tensors)
    np.testing.assert_allclose(
        _KERNELS.dense(x, weights, biases), theirs.detach().numpy()
    )
    np.testing.assert_allclose(
        _KERNELS.dense(x, weights, None, "tanh"), np.tanh(x @ weights.T)
    )
    delta = rng.standard_normal((4, 3))
    theirs.backward(torch.tensor(delta))
    for found, tensor in zip(
        _KERNELS.dense_backward(x, weights, delta), tensors, strict=True
    ):
        np.testing.assert_allclose(found, tensor.grad.numpy())


def test_activate_works_in_chunks_on_any_shape():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 200, 300, 3)).astype(np.float32)
    slopes = np.array([0.1, 0.2, 0.3], np.float32)
    np.testing.assert_array_equal(
        _KERNELS.activate(x, "prelu", slopes), np.where(x > 0, x, slopes * x)
    )
    y = _KERNELS.activate(x, "linear")
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(x, y)


def test_add():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 1, 3, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(_KERNELS.add(a, b), a + b)
    found = _KERNELS.add(a, b, 0.5, -2.0, "relu")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.maximum(0.5 * a - 2 * b, 0), atol=1e-6)
    with pytest.raises(ShapeError, match="cannot add"):
        _KERNELS.add(a, b[:, :, :1])


def test_says_what_it_is():
    assert isinstance(_KERNELS, Kernels) and _KERNELS.name == "numpy"
    assert _KERNELS.instruction_set.startswith("NumPy")
    assert _KERNELS.compile(object()) is None
