"""An ONNX file through the graph way and through onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.checkpoints.assign import assign
from zoo.graphs.graph import Graph
from zoo.graphs.translate import Translation, translate
from zoo.network import Network
from zoo.parsers.cfg import write_cfg
from zoo.parsers.onnx import ONNXReader

Array = NDArray[Any]


def load(path: Path | str) -> Graph:
    graph = ONNXReader.read(Path(path)).graph
    assert graph is not None
    return graph()


def network_of(translation: Translation) -> Network:
    network = Network.parse(write_cfg(translation.sections), "net.cfg")
    assign(network, translation.tensors)
    return network


def run(translation: Translation, network: Network, picture: Array) -> Array:
    """Run on H x W x C in the file's own range; returns H' x W' x C'."""
    pixels = network.pixels
    mean, std = (np.asarray(v, np.float32) for v in (pixels.mean, pixels.std))
    x = ((picture - mean) / std).astype(np.float32)
    y = network.forward(x[None])[0]
    if pixels.denormalize:
        y = y * std[: y.shape[2]] + mean[: y.shape[2]]
    return y


def as_fed(picture: Array, layout: str, dtype: str) -> Array:
    x = picture if layout.endswith("C") else picture.transpose(2, 0, 1)
    return np.ascontiguousarray((x if len(layout) == 3 else x[None]).astype(dtype))


def as_picture(result: Array, like: tuple[int, ...]) -> Array:
    """The result as rows, columns, channels, by the shape that is expected."""
    x = result[0] if result.ndim == 4 else result
    if x.shape == like:
        return x.astype(np.float32)
    return x.transpose(1, 2, 0).astype(np.float32)


def runtime(path: Path | str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )


def error(
    path: Path | str,
    sizes: tuple[tuple[int, int], ...] = ((37, 54), (48, 36), (31, 29)),
    settings: dict[str, str] | None = None,
    scale: float = 1.0,
) -> tuple[float, Translation]:
    """Largest difference as a share of the output's range, over several sizes."""
    translation = translate(load(path), settings)
    network = network_of(translation)
    session = runtime(path)
    given = next(i for i in session.get_inputs() if i.name == translation.fed)
    dtype = {"tensor(float16)": "float16", "tensor(uint8)": "uint8"}.get(
        given.type, "float32"
    )
    declared = given.shape
    rows, columns = (translation.layout.index(a) for a in "HW")
    fixed = isinstance(declared[rows], int) and isinstance(declared[columns], int)
    if fixed:
        sizes = ((declared[rows], declared[columns]),)
    worst = 0.0
    rng = np.random.default_rng(0)
    for height, width in sizes:
        if not fixed:
            multiple = translation.multiple
            height, width = (-(-n // multiple) * multiple for n in (height, width))
        if translation.fixed:
            height, width = translation.fixed
        shape = (height, width, network.pixels.channels)
        picture = (rng.random(shape) * scale).astype(np.float32)
        if dtype == "uint8":
            picture = np.round(picture * 255)
        if dtype == "float16":
            picture = picture.astype(np.float16).astype(np.float32)
        feed = {translation.fed: as_fed(picture, translation.layout, dtype)}
        feed |= translation.others
        (wanted,) = session.run([translation.output], feed)
        made = run(translation, network, picture)
        expected = as_picture(wanted, made.shape)
        if made.shape != expected.shape:
            raise AssertionError(f"{made.shape} in place of {expected.shape}")
        span = max(float(np.ptp(expected)), 1e-6)
        worst = max(worst, float(np.abs(made - expected).max()) / span)
    return worst, translation
