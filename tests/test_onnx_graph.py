"""Networks as ONNX models compute what zoo computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from zoo.activations import PARAMETER_FREE
from zoo.errors import UsageError, WeightsError
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from zoo.onnx.graph import INPUT_NAME, OPSET, OUTPUT_NAME, to_onnx

CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\nactivation={}\n"


def make(*sections: str) -> Network:
    text = "[net]\nchannels=3\n\n" + "\n".join(sections)
    network = Network.parse(text).initialize(1)
    rng = np.random.default_rng(5)
    for layer in network.layers:
        for name, tensor in layer.tensors.items():
            if name != "weights":
                tensor[...] = rng.uniform(0.2, 0.9, tensor.shape)
    return network


def run(model: Any, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_inputs()] == [INPUT_NAME]
    assert [each.name for each in session.get_outputs()] == [OUTPUT_NAME]
    y = session.run(None, {INPUT_NAME: np.ascontiguousarray(x.transpose(0, 3, 1, 2))})
    return y[0].transpose(0, 2, 3, 1)


def check(network: Network, model: Any, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    truth = network.forward(x, kernels=NumpyKernels())
    result = run(model, x)
    assert result.shape == truth.shape
    span = float(np.ptp(truth)) or 1.0
    np.testing.assert_allclose(result, truth, rtol=0, atol=1e-5 * span)


@pytest.mark.parametrize("name", PARAMETER_FREE)
def test_every_activation(name: str) -> None:
    network = make(CONV.format(4, 1, "linear"), f"[activation]\nactivation={name}\n")
    check(network, to_onnx(network, 5, 6), (1, 5, 6, 3))


@pytest.mark.parametrize(
    "keys",
    [
        "activation=prelu",
        "activation=leaky\nslope=0.3",
        "activation=clip\nlow=-0.5\nhigh=1.5",
    ],
)
def test_slopes(keys: str) -> None:
    network = make(CONV.format(4, 1, "linear"), f"[activation]\n{keys}\n")
    check(network, to_onnx(network, 5, 6), (1, 5, 6, 3))


@pytest.mark.parametrize("mode", ["zero", "edge", "symmetric", "reflect"])
def test_every_padding(mode: str) -> None:
    conv = f"[convolutional]\nfilters=2\nsize=5\npad=1\npad_mode={mode}\n"
    network = make(conv)
    check(network, to_onnx(network, 7, 6), (1, 7, 6, 3))


def test_borders_and_channels_are_cut() -> None:
    network = make(
        CONV.format(5, 3, "linear"),
        "[pad]\nsize=2\nmode=reflect\n\n[trim]\nsize=1\nleft=3\n",
        "[route]\nlayers=-1,-2\nfirst=1\ncount=3\n".replace("-1,-2", "-1"),
    )
    model = to_onnx(network, batch=None)
    for shape in ((1, 6, 7, 3), (2, 9, 5, 3)):
        check(network, model, shape)


@pytest.mark.parametrize(
    "layers",
    [
        "[sam]\nfrom=-2\nactivation=tanh\n",
        "[avgpool]\n\n[scale_channels]\nfrom=-2\nactivation=leaky\nslope=0.2\n",
        "[avgpool]\ndeviation=1\n\n[scale_channels]\nfrom=-2\n",
        "[route]\nlayers=-1\ncount=1\n\n[scale_channels]\nfrom=-2\nscale_wh=1\n",
        "[route]\nlayers=-1\ncount=1\n\n[sam]\nfrom=-2\n",
        "[layernorm]\n",
        "[groupnorm]\ngroups=2\n",
        "[reorg3d]\nstride=2\n",
        "[reorg3d]\nstride=2\norder=crd\n",
        "[reorg3d]\nstride=2\nreverse=1\norder=crd\n",
    ],
)
def test_layers_of_attention_and_normalization(layers: str) -> None:
    network = make(
        CONV.format(8, 3, "linear"), CONV.format(8, 3, "mish"), layers, "[cost]\n"
    )
    if (
        "avgpool" in layers or "reorg3d" in layers and "reverse" not in layers
    ):  # the whole picture: one size
        check(network, to_onnx(network, 6, 8, batch=None), (2, 6, 8, 3))
    else:
        model = to_onnx(network, batch=None)
        for shape in ((1, 6, 4, 3), (2, 8, 2, 3)):
            check(network, model, shape)


@pytest.mark.parametrize(
    "keys",
    [
        "[window_attention]\nheads=2\nwindow=2\n",
        "[window_attention]\nheads=2\nwindow=4,2\nshift=1,0\n",
        "[window_attention]\nwindow=4\nshift=2\npositions=0\n",
        "[window_attention]\nheads=2\nwindow=2,4\ngrid=1\n",
        "[transposed_attention]\nheads=2\n",
        "[transposed_attention]\nheads=2\nwindow=4\n",
        "[transposed_attention]\nwindow=2\ngrid=1\n",
    ],
)
def test_attention(keys: str) -> None:
    network = make(CONV.format(24, 3, "linear"), keys)
    for layer in network.layers:
        for tensor in layer.parameters.values():
            rng = np.random.default_rng(0)
            tensor[...] = rng.normal(size=tensor.shape)
    for shape in ((1, 8, 4, 3), (2, 4, 8, 3), (1, 12, 12, 3)):
        check(network, to_onnx(network, *shape[1:3], batch=None), shape)
    if "window" not in keys:
        check(network, to_onnx(network), (1, 5, 7, 3))


def test_batch_normalization_is_folded() -> None:
    conv = "[convolutional]\nfilters=4\nsize=3\nbatch_normalize=1\nactivation=mish\n"
    network = make(conv)
    model = to_onnx(network, 7, 6)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    check(network, model, (1, 7, 6, 3))


def test_open_sizes() -> None:
    network = make(
        CONV.format(12, 3, "relu"), "[shuffler]\nscale=2\n", "[upsample]\nstride=3\n"
    )
    model = to_onnx(network, batch=None)
    check(network, model, (1, 4, 5, 3))
    check(network, model, (3, 9, 2, 3))
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    assert [size.dim_value for size in sizes] == [0, 3, 0, 0]
    assert model.opset_import[0].version == OPSET


def test_what_depends_on_the_size_needs_one() -> None:
    same = "[convolutional]\nfilters=2\nsize=3\nstride=2\nsame=1\nactivation=linear\n"
    network = make(same)
    with pytest.raises(UsageError, match=r"layer 0 .*give a size"):
        to_onnx(network)
    check(network, to_onnx(network, 8, 7), (1, 8, 7, 3))


SHORTCUT = "[shortcut]\nfrom=0,{}\nactivation=leaky\n"
UNEQUAL = {
    "equal": CONV.format(4, 3, "linear"),
    "smaller": "[convolutional]\nfilters=6\nsize=3\nstride=2\n",
    "a third": "[convolutional]\nfilters=4\nsize=3\nstride=3\n",
    "larger": "[deconvolutional]\nfilters=3\nsize=2\nstride=2\n",
    "cut": "[convolutional]\nfilters=4\nsize=2\n",
}
SUMS = ["", "alpha=0.5\nbeta=3\n"] + [
    f"weights_type={kind}\nweights_normalization={way}\n"
    for kind, way in (
        ("per_feature", "none"),
        ("per_feature", "softmax"),
        ("per_channel", "none"),
        ("per_channel", "relu"),
    )
]


@pytest.mark.parametrize("between", UNEQUAL)
@pytest.mark.parametrize("how", SUMS)
def test_every_shortcut(between: str, how: str) -> None:
    first = CONV.format(4, 3, "linear")
    network = make(first, UNEQUAL[between], SHORTCUT.format(-1) + how)
    for layer in network.layers[2:]:
        for tensor in layer.tensors.values():
            tensor[...] = np.random.default_rng(1).uniform(-0.5, 2, tensor.shape)
    for height, width in ((9, 7), (8, 8)):
        check(network, to_onnx(network, height, width), (1, height, width, 3))
    if between == "equal":
        check(network, to_onnx(network, batch=None), (3, 5, 9, 3))
    else:
        with pytest.raises(UsageError, match=r"layer 2 \[shortcut\].*give a size"):
            to_onnx(network)
        check(network, to_onnx(network, 9, 7, batch=None), (3, 9, 7, 3))


@pytest.mark.parametrize(
    "keys",
    [
        "stride=2\nmode=bilinear",
        "stride=3\nmode=bilinear\nscale=0.5",
        "stride=2\nmode=bicubic",
        "stride=3\nmode=bicubic\na=-0.5\nscale=2",
        "stride=2\nmode=bilinear\nalign_corners=1",
        "stride=3\nmode=bicubic\nalign_corners=1",
    ],
)
def test_every_enlargement(keys: str) -> None:
    network = make(CONV.format(2, 3, "relu"), f"[upsample]\n{keys}\n")
    model = to_onnx(network, batch=None)
    for shape in ((1, 6, 4, 3), (2, 2, 8, 3)):
        check(network, model, shape)


@pytest.mark.parametrize(
    "keys", ["", "mode=bilinear", "mode=bicubic", "mode=bilinear\nalign_corners=1"]
)
def test_as_large_as_another_layer(keys: str) -> None:
    network = make(
        CONV.format(2, 3, "relu"),
        "[maxpool]\nsize=3\nstride=2\n",
        f"[upsample]\nlike=-2\n{keys}\n",
    )
    model = to_onnx(network, batch=None)
    for shape in ((1, 7, 4, 3), (2, 2, 9, 3)):
        check(network, model, shape)


def test_cells_are_summed() -> None:
    network = make(CONV.format(2, 3, "relu"), "[upsample]\nstride=-2\nscale=0.5\n")
    check(network, to_onnx(network, 6, 4, batch=None), (2, 6, 4, 3))
    with pytest.raises(UsageError, match="every size .*cells of 2x2.*give a size"):
        to_onnx(network)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "keys",
    [
        "size=3\nstride=2\nsame=1",  # which become a convolution and a shuffle
        "size=4\nstride=2\npadding=1",
        "size=9\nstride=3\npadding=3",
        "size=3\nstride=2\npadding=1\noutput_padding=1",
        "size=2\nstride=4\nsame=1",  # and those that do not
        "size=3\nstride=2",
        "size=2\nstride=3\npadding=1",
        "size=5\nstride=1\npad=1\nactivation=normalize_channels",
    ],
)
@pytest.mark.parametrize("more", ["bias=0", "batch_normalize=1", ""])
def test_every_transposed_convolution(groups: int, keys: str, more: str) -> None:
    network = make(
        CONV.format(4, 3, "relu"),
        f"[deconvolutional]\nfilters=6\ngroups={groups}\n{keys}\n{more}\n",
    )
    model = to_onnx(network, batch=None)
    for shape in ((1, 5, 4, 3), (2, 3, 8, 3)):
        check(network, model, shape)


@pytest.mark.parametrize(
    "keys", ["spatial=1", "spatial=1\ngroups=2\ntemperature=3", "groups=4", ""]
)
def test_softmax(keys: str) -> None:
    network = make(CONV.format(4, 3, "linear"), f"[softmax]\n{keys}\n")
    model = to_onnx(network, batch=None)
    for shape in ((1, 6, 4, 3), (2, 2, 8, 3)):
        check(network, model, shape)


@pytest.mark.parametrize("more", ["bias=0", "batch_normalize=1", ""])
def test_connected(more: str) -> None:
    network = Network.parse(
        "[net]\nheight=5\nwidth=4\nchannels=3\n\n"
        f"[connected]\noutput=7\nactivation=tanh\n{more}\n\n"
        "[connected]\noutput=5\nactivation=linear\n\n[softmax]\n"
    ).initialize(1)
    check(network, to_onnx(network, 5, 4, batch=None), (3, 5, 4, 3))
    with pytest.raises(UsageError, match=r"layer 0 \[connected\].*give a size"):
        to_onnx(network)


def test_what_onnx_cannot_say_is_named() -> None:
    network = make(CONV.format(2, 3, "relu"), "[softmax]\nspatial=1\n")
    network[1].__class__ = type("Foreign", (type(network[1]),), {})
    with pytest.raises(UsageError, match=r"layer 1 \[softmax\].*ONNX"):
        to_onnx(network, 4, 4)


def test_without_weights_there_is_nothing_to_write() -> None:
    network = Network.parse("[net]\nchannels=3\n\n" + CONV.format(2, 3, "relu"))
    with pytest.raises(WeightsError):
        to_onnx(network, 4, 4)
