"""TensorFlow, on one layer, in its own N x H x W x C."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf

from zoo.bench.cases import Data, LayerCase
from zoo.bench.layer_peers.base import Built

__all__ = ["build", "version"]


def version() -> str:
    """Of TensorFlow."""
    return str(tf.__version__)


def build(
    case: LayerCase, direction: str, arrays: Data, threads: int, variant: str
) -> Built:
    """Prepare a layer."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    delta = None if arrays.delta is None else tf.constant(arrays.delta)
    stride = [1, case.stride, case.stride, 1]
    match case.kind:
        case "conv":
            x = tf.constant(arrays.x)
            weights, biases = tf.constant(arrays.weights), tf.constant(arrays.biases)
            pad = case.size // 2
            sides = [0, 0, pad, pad, pad, pad, 0, 0]
            keys = {
                "strides": stride,
                "padding": "EXPLICIT",
                "explicit_paddings": sides,
            }

            def run() -> Any:
                if delta is None:
                    y = tf.raw_ops.Conv2D(input=x, filter=weights, **keys)
                    return tf.nn.bias_add(y, biases)
                by_x = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=case.input, filter=weights, out_backprop=delta, **keys
                )
                by_weights = tf.raw_ops.Conv2DBackpropFilter(
                    input=x, filter_sizes=case.weights, out_backprop=delta, **keys
                )
                return by_x, by_weights, tf.raw_ops.BiasAddGrad(out_backprop=delta)

        case "maxpool":
            x = tf.constant(arrays.x)
            window = {"ksize": [1, case.size, case.size, 1], "strides": stride}
            y = None
            if delta is not None:
                y = tf.raw_ops.MaxPool(input=x, padding="SAME", **window)

            def run() -> Any:
                if delta is None:
                    return tf.raw_ops.MaxPool(input=x, padding="SAME", **window)
                return tf.raw_ops.MaxPoolGrad(
                    orig_input=x, orig_output=y, grad=delta, padding="SAME", **window
                )

        case _:
            # It knows one order of channels, the other one. So that the outputs
            # can be compared, its input is brought into that order.
            cells = case.size**2
            shape = (*arrays.x.shape[:3], -1, cells)
            moved = np.swapaxes(arrays.x.reshape(shape), 3, 4).reshape(arrays.x.shape)
            x = tf.constant(moved)

            def run() -> Any:
                if delta is None:
                    return tf.nn.depth_to_space(x, case.size)
                return tf.nn.space_to_depth(delta, case.size)

    def fetch(result: Any) -> list[np.ndarray]:
        many = result if isinstance(result, tuple) else (result,)
        found = [array.numpy() for array in many]
        if case.kind == "shuffle" and delta is not None:
            (y,) = found
            shape = (*y.shape[:3], case.size**2, -1)
            found = [np.swapaxes(y.reshape(shape), 3, 4).reshape(y.shape)]
        return found

    return Built(run, fetch, "eager")
