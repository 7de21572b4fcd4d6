"""Whether a layer is compiled and exported as it computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.errors import PluginError, UsageError
from zoo.layers.base import Array, Layer
from zoo.network import Network
from zoo.program.operations import Operation
from zoo.shapes import Shape
from zoo.testing.values import numpy_kernels

__all__ = ["check_export"]


def check_export(layer: Layer, inputs: Sequence[Array]) -> None:
    """Check what a layer becomes in a compiled plan and in an ONNX file.

    The operation that ``lower`` gives computes what ``forward`` does. The layer is
    written as ONNX and gives the same in ONNX Runtime, where that is installed, or is
    refused by a :class:`zoo.errors.UsageError`.

    Parameters
    ----------
    layer : Layer
        Built, with values.
    inputs : sequence of ndarray, float32, N x H x W x C

    Raises
    ------
    AssertionError
        If a result differs, or an error is no sentence.
    """
    kernels = numpy_kernels()
    name = type(layer).__name__
    expected = layer.forward(*inputs, kernels=kernels)
    shapes = [Shape(*array.shape[1:]) for array in inputs]
    operation = layer.lower(*shapes)
    assert operation is None or isinstance(operation, Operation), (
        f"{name}: lower gives a {type(operation).__name__}, which is no Operation"
    )
    if operation is not None:
        _check_operation(name, operation, inputs, expected)
    network = _network_of(layer, shapes)
    if network is not None:
        _check_onnx(name, network, inputs, expected)


def _check_operation(
    name: str, operation: Operation, inputs: Sequence[Array], expected: Array
) -> None:
    from zoo.plugins.interpret import execute

    result = execute(operation, list(inputs), numpy_kernels())
    _compare(f"{name}: what lower gives", result, expected)


def _network_of(layer: Layer, shapes: Sequence[Shape]) -> Network | None:
    """A network of this layer alone; None for inputs that differ in shape."""
    if not shapes or any(shape != shapes[0] for shape in shapes):
        return None
    height, width, channels = shapes[0]
    copies = "[activation]\nactivation=linear\n" * len(shapes)
    text = f"[net]\nchannels={channels}\nheight={height}\nwidth={width}\n{copies}"
    network = Network.parse(f"{text}[activation]\nactivation=linear\n")
    network.layers[-1] = layer
    network.sources[:-1] = [(-1,)] * len(shapes)
    network.sources[-1] = tuple(range(len(shapes)))
    network.outputs = (len(shapes),)
    network.trained = True
    return network


def _check_onnx(
    name: str, network: Network, inputs: Sequence[Array], expected: Array
) -> None:
    from zoo.onnx.graph import INPUT_NAME, to_onnx

    height, width = network.nominal_size
    try:
        model = to_onnx(network, height, width, batch=None)
    except PluginError:
        return  # the package onnx is not installed
    except UsageError as refusal:
        assert str(refusal), f"{name}: the refusal to write ONNX says nothing"
        return
    except Exception as error:
        raise AssertionError(
            f"{name}: writing ONNX ends with {type(error).__name__}: {error}; what "
            f"cannot be written must be refused by a UsageError"
        ) from error
    try:
        import onnxruntime
    except ImportError:
        return
    if len(inputs) > 1:  # the copies of one input that the network has
        same = [inputs[0]] * len(inputs)
        expected = network.layers[-1].forward(*same, kernels=numpy_kernels())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    images = np.ascontiguousarray(np.moveaxis(inputs[0], 3, 1))
    # A detector gives boxes and scores beside what the layer itself gives.
    result, *_ = session.run(None, {INPUT_NAME: images})
    _compare(f"{name}: what ONNX Runtime computes", np.moveaxis(result, 1, 3), expected)


def _compare(what: str, result: Array, expected: Array) -> None:
    assert result.shape == expected.shape, (
        f"{what} has shape {result.shape}, forward gives {expected.shape}"
    )
    finite = np.isfinite(expected)
    scale = float(np.abs(expected[finite]).max(initial=1.0))
    np.testing.assert_allclose(
        result, expected, rtol=1e-4, atol=1e-4 * scale, err_msg=f"{what} is different"
    )
