"""[window_attention] and [transposed_attention] against PyTorch, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.window_attention import WindowAttention
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)

WINDOWS = [
    # heads, window, shift, height, width
    (1, (4,), (0,), 8, 4),
    (2, (4,), (2,), 8, 12),
    (3, (2, 4), (0, 0), 6, 8),
    (2, (4, 2), (2, 1), 8, 6),
    (2, (3,), (1,), 3, 3),
    (1, (2, 3), (0, 1), 4, 9),
]


@pytest.mark.parametrize("heads, window, shift, height, width", WINDOWS)
def test_windows_equal_torch(
    heads: int, window: tuple[int, ...], shift: tuple[int, ...], height: int, width: int
) -> None:
    """Pixel by pixel: who attends to whom is found without any mask or roll."""
    torch = pytest.importorskip("torch")
    layer = WindowAttention(heads=heads, size=window, shift=shift)
    depth = 5
    shape = Shape(height, width, 3 * heads * depth)
    (x,) = random_inputs([shape])
    build_randomly(layer, [shape])
    got = layer.forward(x, kernels=KERNELS)
    rows, columns = window[0], window[-1]
    down, right = shift[0], shift[-1]
    table = torch.from_numpy(layer.parameters["position_biases"])
    q, k, v = torch.from_numpy(x)[0].reshape(height * width, 3, heads, depth).unbind(1)
    logits = torch.einsum("ihd,jhd->hij", q, k) / depth**0.5
    places = [(i // width, i % width) for i in range(height * width)]

    def window_of(y: int, x: int) -> tuple[int, int, int, int]:
        """Which window of the rolled picture, and which side of the seam."""
        moved = (y - down) % height, (x - right) % width
        return moved[0] // rows, moved[1] // columns, y < down, x < right

    for i, one in enumerate(places):
        for j, two in enumerate(places):
            a, b = window_of(*one), window_of(*two)
            if a[:2] != b[:2]:
                logits[:, i, j] = -torch.inf
                continue
            offsets = [
                ((one[axis] - shift[-axis]) % length % size)
                - ((two[axis] - shift[-axis]) % length % size)
                for axis, length, size in ((0, height, rows), (1, width, columns))
            ]
            place = (
                (offsets[0] + rows - 1) * (2 * columns - 1) + offsets[1] + columns - 1
            )
            logits[:, i, j] += table[place]
            if a[2:] != b[2:]:
                logits[:, i, j] -= 100
    want = torch.einsum("hij,jhd->ihd", logits.softmax(-1), v)
    np.testing.assert_allclose(
        got[0].reshape(height * width, heads, depth), want, atol=1e-5
    )


@pytest.mark.parametrize("heads, window, shift, height, width", WINDOWS)
def test_gradients_of_windows(
    heads: int, window: tuple[int, ...], shift: tuple[int, ...], height: int, width: int
) -> None:
    layer = WindowAttention(heads=heads, size=window, shift=shift)
    check_layer(layer, [Shape(height, width, 6 * heads)], tolerance=1e-4)


@pytest.mark.parametrize("positions", [False, True])
def test_spread_windows(positions: bool) -> None:
    """They are those of a picture whose rows and columns were taken in strides."""
    plain = WindowAttention(heads=2, size=(2, 4), positions=positions)
    spread = WindowAttention(heads=2, size=(2, 4), positions=positions, grid=True)
    shape = Shape(6, 8, 24)
    (x,) = random_inputs([shape])
    for layer in (plain, spread):
        build_randomly(layer, [shape])
    rows = np.arange(6).reshape(2, 3).T.ravel()
    columns = np.arange(8).reshape(4, 2).T.ravel()
    want = np.empty((len(x), 6, 8, 8), np.float32)
    brought = np.ascontiguousarray(x[:, rows][:, :, columns])
    want[:, rows[:, None], columns] = plain.forward(brought, kernels=KERNELS)
    got = check_layer(spread, [shape], inputs=[x], tolerance=1e-4)
    if positions:
        spread.parameters = plain.parameters
        got = spread.forward(x, kernels=KERNELS)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("grid", [False, True])
def test_channels_of_windows(grid: bool) -> None:
    """What the whole picture gets, for the pixels of each group."""
    whole, parts = (
        TransposedAttention(heads=2),
        TransposedAttention(heads=2, size=3, grid=grid),
    )
    shape = Shape(6, 9, 24)
    (x,) = random_inputs([shape])
    build_randomly(parts, [shape])
    got = check_layer(parts, [shape], inputs=[x], tolerance=1e-4)
    whole.parameters = parts.parameters
    down, right = (3, 3) if grid else (2, 3)
    for row in range(down):
        for column in range(right):
            if grid:
                place = slice(row, None, 3), slice(column, None, 3)
            else:
                place = (
                    slice(3 * row, 3 * row + 3),
                    slice(3 * column, 3 * column + 3),
                )
            part = np.ascontiguousarray(x[:, place[0], place[1]])
            want = whole.forward(part, kernels=KERNELS)
            np.testing.assert_allclose(got[:, place[0], place[1]], want, atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_channels_equal_torch(heads: int) -> None:
    torch = pytest.importorskip("torch")
    layer = TransposedAttention(heads=heads)
    depth, shape = 4, Shape(5, 7, 12 * heads)
    (x,) = random_inputs([shape])
    build_randomly(layer, [shape])
    got = check_layer(layer, [shape], inputs=[x], tolerance=1e-4)
    parts = torch.from_numpy(x).reshape(len(x), 35, 3, heads, depth)
    q, k, v = parts.permute(2, 0, 3, 4, 1)
    q, k = (torch.nn.functional.normalize(part, dim=-1) for part in (q, k))
    t = torch.from_numpy(layer.parameters["temperatures"])[:, None, None]
    want = (t * (q @ k.transpose(-1, -2))).softmax(-1) @ v
    want = want.permute(0, 3, 1, 2).reshape(len(x), 5, 7, depth * heads)
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"size": (4,), "shift": (4,)}, "must be less than"),
        ({"size": (4, 4, 4)}, "window of 3 numbers"),
        ({"size": (512,), "heads": 64}, "too many"),
        ({"heads": 0}, "below 1"),
        ({"size": (4,), "shift": (1,), "grid": True}, "grid=1 beside shift"),
    ],
)
def test_values_that_cannot_be_meant(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WindowAttention(**values)


def test_shapes_that_do_not_fit() -> None:
    layer = WindowAttention(heads=2, size=(4, 6))
    with pytest.raises(ShapeError, match="multiple=12 makes it fit"):
        layer.output_shape(Shape(4, 8, 12))
    with pytest.raises(ShapeError, match="q, k and v of 2 heads"):
        layer.output_shape(Shape(4, 6, 8))
    with pytest.raises(ShapeError, match="q, k and v of 2 heads"):
        TransposedAttention(heads=2).output_shape(Shape(4, 6, 8))
