"""PyTorch, on one layer. The variant is the memory format."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from zoo.bench.cases import Data, LayerCase
from zoo.bench.layer_peers.base import Built

__all__ = ["build", "version"]

_ATEN = torch.ops.aten


def version() -> str:
    """Of PyTorch."""
    return str(torch.__version__)


def build(
    case: LayerCase, direction: str, arrays: Data, threads: int, variant: str
) -> Built:
    """Prepare a layer."""
    torch.set_num_threads(threads)
    layout = (
        torch.channels_last if variant == "channels_last" else torch.contiguous_format
    )

    def image(array: Any) -> Any:
        nchw = torch.from_numpy(array).permute(0, 3, 1, 2)
        return nchw.contiguous(memory_format=layout)

    x = image(arrays.x)
    delta = None if arrays.delta is None else image(arrays.delta)
    stride = [case.stride, case.stride]
    match case.kind:
        case "conv":
            assert arrays.weights is not None and arrays.biases is not None
            kernel = torch.from_numpy(arrays.weights).permute(3, 2, 0, 1)
            weights = kernel.contiguous(memory_format=layout)
            biases = torch.from_numpy(arrays.biases)
            pads = [case.size // 2] * 2

            def run() -> Any:
                if delta is None:
                    return functional.conv2d(x, weights, biases, stride, pads)
                return _ATEN.convolution_backward(
                    *(delta, x, weights, [case.filters], stride, pads, [1, 1]),
                    *(False, [0, 0], 1, [True, True, True]),
                )

        case "maxpool":
            size = [case.size, case.size]
            before, after = case.margin
            # Only equal padding on all sides: one row and column too many where
            # the window is even; a view drops them.
            extra = after - before
            pads = [after, after]
            if delta is not None:
                delta = functional.pad(delta, (extra, 0, extra, 0))
                delta = delta.contiguous(memory_format=layout)
                _, places = functional.max_pool2d(
                    x, size, stride, pads, return_indices=True
                )

            def run() -> Any:
                if delta is None:
                    y = functional.max_pool2d(x, size, stride, pads)
                    return y[:, :, extra:, extra:]
                return _ATEN.max_pool2d_with_indices_backward(
                    delta, x, size, stride, pads, [1, 1], False, places
                )

        case _:

            def run() -> Any:
                if delta is None:
                    return functional.pixel_shuffle(x, case.size)
                return functional.pixel_unshuffle(delta, case.size)

    def timed() -> Any:
        with torch.no_grad():
            return run()

    return Built(timed, _fetch, f"eager, {variant}")


def _fetch(result: Any) -> list[np.ndarray]:
    if not isinstance(result, tuple):
        return [result.permute(0, 2, 3, 1).numpy()]
    by_x, by_weights, by_biases = result
    return [
        by_x.permute(0, 2, 3, 1).numpy(),
        by_weights.permute(2, 3, 1, 0).numpy(),
        by_biases.numpy(),
    ]
