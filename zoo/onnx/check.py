"""Networks as files of other engines, with outputs checked against ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.agreement import relative_error
from zoo.errors import WeightsError, ZooError
from zoo.files import atomic_write
from zoo.network import Network
from zoo.onnx.graph import INPUT_NAME, to_onnx
from zoo.pixels import prepare, restore
from zoo.plugins.numpy import NumpyKernels

__all__ = ["Exported", "export_onnx"]

_TOLERANCE = 1e-4  # of the output's range; float32 sums in another order differ
_SIDES = (24, 33)  # of the picture that outputs are compared on, where sizes are open


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
    bytes : int
    opset : int
        Version of ONNX's operators.
    nodes : int
    error : float or None
        Largest difference of an output value from ours, as a part of the range
        of all; None where ONNX Runtime is not installed and nothing was compared.
    """

    path: Path
    bytes: int
    opset: int
    nodes: int
    error: float | None


def export_onnx(
    network: Network,
    path: str | Path,
    height: int | None = None,
    width: int | None = None,
    *,
    white: float | None = 255.0,
) -> Exported:
    """Write a network as an ONNX file, for pictures of one size or of any.

    Parameters
    ----------
    network : Network
        With weights.
    path : str or Path
        Replaced if it exists.
    height, width : int, optional
        Of the pictures; None leaves them open.
    white : float, optional
        Pixels go in and come out, from 0 to this; None writes the bare network. See
        :func:`zoo.onnx.graph.to_onnx`.

    Raises
    ------
    PluginError
        If the package onnx is not installed.
    UsageError
        If the network cannot be said in ONNX, or only for a given size.
    WeightsError
        If it has no weights.
    ZooError
        If ONNX Runtime is there and gives something else than zoo; nothing is
        written then.
    """
    model = to_onnx(network, height, width, batch=None, white=white)
    data = model.SerializeToString()
    taken = [item.dim_value for item in model.graph.input[0].type.tensor_type.shape.dim]
    size = (taken[2] or _SIDES[0], taken[3] or _SIDES[1])
    error = _compare(data, network, size, white)
    if error is not None and error > _TOLERANCE:
        raise ZooError(
            f"{network.source}: ONNX Runtime's output differs from zoo's by "
            f"{error:.2g} of its range; nothing was written, please report it"
        )
    with atomic_write(path) as file:
        file.write(data)
    return Exported(
        Path(path),
        len(data),
        model.opset_import[0].version,
        len(model.graph.node),
        error,
    )


def _compare(
    data: bytes, network: Network, size: Sequence[int], white: float | None
) -> float | None:
    """Largest difference of the outputs for two random pictures."""
    try:
        import onnxruntime
    except (ImportError, OSError):
        return None
    rng = np.random.default_rng(0)
    pixels, kernels = network.pixels, NumpyKernels()
    scale = np.float32(white or pixels.range)
    image = rng.random((2, *size, pixels.channels), np.float32) * scale
    x, picture = prepare(image, pixels, float(scale))
    made = network.forward(x, kernels=kernels)
    ours = [made] if len(network.outputs) == 1 else made
    if white is not None:
        x = image
        if len(ours) == 1 and ours[0].shape[3] == pixels.channels:
            ours = [restore(ours[0], pixels, picture, as_float=True)]
        elif len(ours) == 1:
            ours = [ours[0] * np.float32(white / pixels.range)]
    if not all(np.isfinite(y).all() for y in ours):
        raise WeightsError(
            f"{network.source}: its output is not finite, so that nothing can be "
            f"compared; check the weights"
        )
    options: Any = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"]
    )
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    theirs = session.run(None, {INPUT_NAME: planes})
    return max(
        relative_error(their.transpose(0, 2, 3, 1), our)
        for their, our in zip(theirs[: len(ours)], ours, strict=True)
    )
