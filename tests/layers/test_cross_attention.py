"""[cross_attention] against PyTorch, pixel by pixel, and its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.cross_attention import CrossAttention
from zoo.layers.window_attention import WindowAttention
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)

CASES: list[tuple[dict[str, Any], tuple[int, int], int]] = [
    # keys, height and width of q, how many times larger than k
    ({"heads": 2, "size": (4,)}, (8, 4), 1),
    ({"heads": 1, "size": (4, 2), "overlap": 1}, (8, 6), 1),
    ({"heads": 2, "size": (4,), "overlap": 3}, (4, 8), 1),
    ({"heads": 2, "size": (4,), "overlap": 1}, (8, 8), 2),
    ({"heads": 2, "size": (4,), "shift": (2,)}, (8, 8), 2),
    ({"heads": 1, "size": (4, 6), "shift": (2, 4), "masked": False}, (8, 12), 2),
    ({"heads": 3, "size": (2, 3), "shift": (1, 0), "positions": False}, (4, 6), 1),
    ({"heads": 2, "size": (0,), "positions": False}, (5, 3), 1),
    ({"heads": 2, "size": (0,), "positions": False}, (9, 7), 4),
]


def shapes_of(keys: dict[str, Any], size: tuple[int, int], ratio: int) -> list[Shape]:
    heads = keys["heads"]
    q = Shape(*size, 2 * heads)
    return [q, Shape(max(size[0] // ratio, 1), max(size[1] // ratio, 1), 5 * heads)]


def layer_of(keys: dict[str, Any]) -> CrossAttention:
    return CrossAttention(origin=-2, **keys)


@pytest.mark.parametrize("keys, size, ratio", CASES)
def test_equals_a_loop_over_pixels(
    keys: dict[str, Any], size: tuple[int, int], ratio: int
) -> None:
    """Who attends to whom is found without windows, rolling or masks."""
    shapes = shapes_of(keys, size, ratio)
    layer = layer_of(keys)
    build_randomly(layer, shapes)
    q, other = random_inputs(shapes, batch=1)
    got = layer.forward(q, other, kernels=KERNELS)[0]
    heads, (height, width) = layer.heads, size
    whole, over = layer.whole, layer.overlap
    low_height, low_width = other.shape[1:3]
    want = np.empty_like(got)
    table = layer.parameters.get("position_biases")
    rows, columns = layer.extent
    down, right = layer.steps
    for y, x in np.ndindex(height, width):
        row, column = (y - down) % height, (x - right) % width
        seen, biases = [], []
        for r, c in np.ndindex(low_height, low_width):
            if whole:
                seen.append(other[0, r, c])
                biases.append(np.zeros(heads))
        if not whole:
            top, left = (
                row // rows * rows // ratio,
                column // columns * columns // ratio,
            )
            table_width = 2 * (columns // ratio) + 2 * over - 1
            for r in range(top - over, top + rows // ratio + over):
                for c in range(left - over, left + columns // ratio + over):
                    inside = 0 <= r < low_height and 0 <= c < low_width
                    real = (
                        (r + down // ratio) % low_height,
                        (c + right // ratio) % low_width,
                    )
                    seen.append(
                        other[0, real[0], real[1]] if inside else 0 * other[0, 0, 0]
                    )
                    bias = np.zeros(heads)
                    if table is not None:
                        up = row // ratio - r + rows // ratio + over - 1
                        back = column // ratio - c + columns // ratio + over - 1
                        bias += table[up * table_width + back]
                    sides = (y < down) != (real[0] * ratio < down) or (x < right) != (
                        real[1] * ratio < right
                    )
                    if sides and layer.masked:
                        bias -= 100
                    biases.append(bias)
        cells = np.array(seen)
        k = cells[:, : 2 * heads].reshape(len(cells), heads, 2)
        v = cells[:, 2 * heads :].reshape(len(cells), heads, 3)
        logits = np.einsum("hd,khd->kh", q[0, y, x].reshape(heads, 2), k) / 2**0.5
        p = np.exp(logits + np.array(biases))
        want[y, x] = np.einsum("kh,khd->hd", p / p.sum(0), v).ravel()
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("keys, size, ratio", CASES)
def test_gradients(keys: dict[str, Any], size: tuple[int, int], ratio: int) -> None:
    check_layer(layer_of(keys), shapes_of(keys, size, ratio), tolerance=1e-4)


def test_of_one_layer_it_is_window_attention() -> None:
    own = WindowAttention(heads=2, size=(4,), shift=(2,))
    other = layer_of({"heads": 2, "size": (4,), "shift": (2,)})
    shape = Shape(8, 12, 24)
    (x,) = random_inputs([shape])
    build_randomly(own, [shape])
    other.parameters = own.parameters
    want = own.forward(x, kernels=KERNELS)
    got = other.forward(x[..., :8], x[..., 8:], kernels=KERNELS)
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize("keys, size, ratio", CASES)
def test_equals_torch(keys: dict[str, Any], size: tuple[int, int], ratio: int) -> None:
    torch = pytest.importorskip("torch")
    from zoo.torch.attention import cross_attention

    shapes, layer = shapes_of(keys, size, ratio), layer_of(keys)
    build_randomly(layer, shapes)
    inputs = random_inputs(shapes)
    want = layer.forward(*inputs, kernels=KERNELS)
    run = cross_attention(layer)
    tensors = {name: torch.from_numpy(a) for name, a in layer.parameters.items()}
    moved = [torch.from_numpy(x.transpose(0, 3, 1, 2).copy()) for x in inputs]
    got = run(tensors, False, *moved).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(got, want, atol=1e-5)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"size": (0,)}, "window=0, which goes with positions=0"),
        ({"size": (0,), "positions": False, "overlap": 1}, "window=0"),
        ({"size": (4,), "overlap": 1, "shift": (2,)}, "overlap beside shift"),
        ({"size": (4,), "shift": (4,)}, "must be less than"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layer_of(values)


@pytest.mark.parametrize(
    "keys, shapes, message",
    [
        ({}, [Shape(8, 8, 4)], "takes two inputs"),
        ({}, [Shape(8, 8, 4), Shape(8, 8, 4)], "not q, and k and v"),
        ({"heads": 3}, [Shape(8, 8, 4), Shape(8, 8, 8)], "of 3 heads each"),
        ({}, [Shape(8, 8, 4), Shape(3, 8, 8)], "no whole number of times"),
        ({"size": (3,)}, [Shape(6, 6, 4), Shape(3, 3, 8)], "do not divide by 2"),
        ({"size": (3,)}, [Shape(4, 6, 4), Shape(4, 6, 8)], "multiple=3 makes it fit"),
    ],
)
def test_shapes_that_do_not_fit(
    keys: dict[str, Any], shapes: list[Shape], message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        layer_of(keys).output_shape(*shapes)
