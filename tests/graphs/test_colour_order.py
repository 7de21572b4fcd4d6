"""Red and blue turned around go into the weights; the range is read off behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.checkpoints.graph_way import translated
from zoo.graphs.graph import Graph, GraphInput

RANDOM = np.random.default_rng(0)
HEAD = RANDOM.normal(0, 0.2, (6, 3, 3, 3)).astype(np.float32)
TAIL = RANDOM.normal(0, 0.2, (3, 6, 3, 3)).astype(np.float32)


def made(turned_in: bool, turned_out: bool) -> Graph:
    """x / 255, two convolutions, x 255; turned around before all and after all."""
    graph = Graph("made", [GraphInput("x", (1, 3, None, None), layout="NCHW")])
    x = "x"
    if turned_in:
        x = graph.add("ReverseChannels", [x], domain="zoo")
    x = graph.add("Div", [x, graph.constant(np.float32(255))])
    pads = {"pads": (1, 1, 1, 1)}
    x = graph.add("Relu", [graph.add("Conv", [x, graph.constant(HEAD)], **pads)])
    x = graph.add("Conv", [x, graph.constant(TAIL)], **pads)
    x = graph.add("Mul", [x, graph.constant(np.float32(255))])
    if turned_out:
        x = graph.add("ReverseChannels", [x], domain="zoo")
    graph.outputs = [graph.add("Identity", [x], "y")]
    return graph


def expected(picture: np.ndarray, turned_in: bool, turned_out: bool) -> np.ndarray:
    """The same in NumPy, H x W x C."""

    def convolve(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        rows, columns = x.shape[:2]
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        return sum(
            padded[i : i + rows, j : j + columns] @ weights[:, :, i, j].T
            for i in range(3)
            for j in range(3)
        )

    x = picture[..., ::-1] if turned_in else picture
    y = convolve(np.maximum(convolve(x / 255, HEAD), 0), TAIL) * 255
    return y[..., ::-1] if turned_out else y


@pytest.mark.parametrize("turned_in", [False, True])
@pytest.mark.parametrize("turned_out", [False, True])
@pytest.mark.parametrize("asked", [None, "rgb", "bgr"])
def test_the_picture_comes_out_as_the_file_says(
    turned_in: bool, turned_out: bool, asked: str | None, tmp_path: Path
) -> None:
    settings = {"color": asked} if asked else {}
    found = translated(
        made(turned_in, turned_out), "made", settings, tmp_path / "x.cfg"
    )
    pixels = found.network.pixels
    assert pixels.range == 255
    assert pixels.color == (asked or "rgb")
    assert not [
        layer for layer in found.network.layers if type(layer).__name__ == "Route"
    ]
    picture = RANDOM.random((7, 9, 3)).astype(np.float32) * 255
    mean, std = np.asarray(pixels.mean), np.asarray(pixels.std)
    y = found.network.forward(((picture - mean) / std).astype(np.float32)[None])[0]
    if pixels.denormalize:
        y = y * std + mean
    wanted_picture = expected(picture, turned_in, turned_out)
    np.testing.assert_allclose(y, wanted_picture, atol=1e-3)
