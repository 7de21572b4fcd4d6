"""EDSR: enhanced deep residual networks, and OpenCV's variant of it.

::

    x = (picture - mean) / std
    h = conv(x)                                          head
    y = h;  B times  y = y + s conv(relu(conv(y)))       blocks
    y = h + conv(y)                                      end
    official tail:  (conv F -> p^2 F, shuffle p) for each prime p of the scale,
                    conv F -> channels
    single tail:    conv F -> r^2 channels, shuffle r
    picture = y std + mean

All convolutions are 3 x 3 with zero padding and biases. The paper's network has
B = 32, F = 256, s = 0.1, the baseline B = 16, F = 64, s = 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.keys import Key
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    ORDER,
    RES_SCALES,
    assume_color,
    blocks_key,
    filters_key,
    mean_of,
    prime_factors,
    range_key,
    scale_key,
)
from zoo.models.mean_shift import (
    mean_buffers,
    mean_shift,
    mean_shift_tensors,
    of_gray,
    shortest,
)
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.numbered_naming import name_edsr
from zoo.models.state_dict import StateDict
from zoo.parsers.tensorflow import GraphNode

__all__ = ["EDSR"]


class EDSR(NetworkFamily):
    """Residual blocks without batch normalisation, upsampling by pixel shuffle."""

    name = "edsr"
    summary = "enhanced deep residual network"
    paper = (
        "Lim et al., Enhanced Deep Residual Networks for Single Image "
        "Super-Resolution, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16),
        filters_key(64),
        scale_key(2),
        Key("res_scale", "float", 1.0, "factor of the branch of a residual block"),
        Key(
            "tail",
            "str",
            "official",
            "upsampling by stages and a convolution after them, or by a single one",
            choices=("official", "single"),
        ),
        CHANNELS,
        COLOR,
        range_key(255.0),
        Key(
            "mean",
            "floats",
            (),
            "subtracted from the input; DIV2K's mean colour if not given",
        ),
        Key("std", "floats", (1.0,), "divides the input after that"),
        ORDER,
    )
    undecided = RES_SCALES

    exports = True
    program: ClassVar[Mapping[str, Any]] = {
        "tail": "official",
        "order": "crd",
        "std": (1.0,),
    }

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        channels, filters = options["channels"], options["filters"]
        scale, order = options["scale"], options["order"]
        net = NetworkBuilder(
            channels=channels,
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )
        x = head = net.conv("head.0", net.input(), filters)
        for block in range(options["blocks"]):
            y = net.conv(f"body.{block}.body.0", x, filters, activation="relu")
            y = net.conv(f"body.{block}.body.2", y, filters)
            x = net.sum(y, x, alpha=options["res_scale"])
        x = net.conv(f"body.{options['blocks']}", x, filters)
        x = net.sum(x, head, relative=False)
        if options["tail"] == "single":
            x = net.conv("tail.0", x, channels * scale**2)
            net.shuffle(x, scale, order)
            return net
        for stage, factor in enumerate(prime_factors(scale)):
            x = net.conv(f"tail.0.{2 * stage}", x, filters * factor**2)
            x = net.shuffle(x, factor, order)
        net.conv("tail.1", x, channels)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("head.0")
        blocks = state.count("body.{}.body.0")
        if blocks == 0:
            state.kernel("body.0.body.0")
        options = {"blocks": blocks, "filters": filters, "channels": channels}
        if stated["tail"] == "single":
            return {"scale": state.shuffle_factor("tail.0", channels), **options}
        scale = stage = 1
        for stage in range(0, 16, 2):
            if state.has(f"tail.0.{stage}"):
                scale *= state.shuffle_factor(f"tail.0.{stage}", filters)
        return {"scale": scale, **options}

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        if "graph" in state.checkpoint.metadata:
            return _graph_constants(state)
        if state.checkpoint.format == "tensorflow":
            return Constants()
        constants = mean_shift(state)
        if not constants.uses:
            return mean_buffers(state)
        return of_gray(constants, state.kernel("head.0")[1])

    @classmethod
    def export(
        cls, options: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        exported = super().export(options, tensors)
        return mean_shift_tensors(options) | exported

    @classmethod
    def foreign(cls, names: Mapping[str, str]) -> str | None:
        has_entry = any(name.startswith("pre_process.") for name in names)
        if has_entry and any(name.startswith("upsample.") for name in names):
            return (
                "this is MDSR, which holds three scales with a way in and a way out "
                "for each in one network; EDSR has one scale, so convert a checkpoint "
                "of a single scale"
            )
        return None


def _assume_official(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    large = options["filters"] >= 256
    return {
        "res_scale": (
            0.1 if large else 1.0,
            "as published for 256 filters" if large else "as published for 64 filters",
        ),
        **assume_color(options),
        "range": (255.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((1.0,), "as published"),
    }


OPENCV_MEAN = (103.1545782, 111.561547, 114.35629928)
"""Mean blue, green and red, of 255, that OpenCV's dnn_superres subtracts."""


_GRAPH_OPERATIONS = frozenset(
    {
        *("Add", "AddV2", "BiasAdd", "Conv2D", "DepthToSpace", "Mul", "Relu"),
        *("Const", "Dequantize", "Identity", "Placeholder", "Transpose"),
    }
)


def _is_ones(value: Any) -> bool:
    return not value or isinstance(value, tuple) and set(value) == {1}


def _graph_constants(state: StateDict) -> Constants:
    """Residual scale and shuffle from the operations of a TensorFlow graph."""
    nodes: list[GraphNode] = state.checkpoint.metadata.get("graph") or []
    users: dict[str, set[str]] = {}
    constants = Constants()
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name.removeprefix("^").partition(":")[0], set()).add(
                node.op
            )
        if node.op not in _GRAPH_OPERATIONS:
            raise NotRecognized(f"its graph has an operation {node.op!r} ({node.name})")
        if node.op == "Conv2D" and (
            node.attrs.get("padding") != "SAME"
            or not _is_ones(node.attrs.get("strides"))
            or not _is_ones(node.attrs.get("dilations"))
        ):
            raise NotRecognized(
                f"its convolution {node.name!r} is not SAME with stride 1"
            )
        if node.op == "DepthToSpace":
            if "scale" in constants.options:
                raise NotRecognized("it shuffles pixels more than once")
            constants.options["scale"] = node.attrs.get("block_size")
    scales = []
    for name in state:
        held = state.original(name)
        if users.get(held) == {"Mul"} and state[name].size == 1:
            scales.append(shortest(np.asarray(state[name]).item()))
            constants.uses[name] = (
                "stated",
                "res_scale, factor of a residual branch",
            )
        elif users.get(held) == {"Transpose"}:
            constants.uses[name] = ("ignored", "order of the axes of a second output")
    if len(set(scales)) > 1:
        raise NotRecognized("its residual blocks have different scales")
    multiplications = sum(node.op == "Mul" for node in nodes)
    blocks = sum(node.op == "Relu" for node in nodes)
    if multiplications not in (0, blocks) or bool(scales) != bool(multiplications):
        raise NotRecognized(
            f"it has {multiplications} products for {blocks} residual blocks"
        )
    if scales:
        constants.options["res_scale"] = scales[0]
    return constants


def _assume_opencv(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        "res_scale": (1.0, "there is no multiplication in the graph"),
        "color": ("bgr", "as in OpenCV's dnn_superres"),
        "range": (255.0, "as in OpenCV's dnn_superres"),
        "mean": (OPENCV_MEAN, "as in OpenCV's dnn_superres"),
        "std": ((1.0,), "as in OpenCV's dnn_superres"),
    }


_TORCH = {"tail": "official", "order": "crd"}
_BLOCKS = (
    ("body.{b}.conv1", "body.{b}.body.0"),
    ("body.{b}.conv2", "body.{b}.body.2"),
)


def _assume_unit(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Pictures from 0 to 1, less DIV2K's mean."""
    return {**_assume_official(options), "range": (1.0, "as published")}


def _assume_port(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**_assume_official(options), "res_scale": (0.1, "as published")}


def _assume_first_port(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**_assume_unit(options), "res_scale": (0.1, "as published")}


def _assume_keras(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Krasser's programs, which also divide by 127.5."""
    return {
        **_assume_official(options),
        "res_scale": (1.0, "as published"),
        "std": ((127.5,), "as published"),
    }


def _assume_mxnet(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Pictures from 0 to 1, less the mean, times two."""
    return {**_assume_unit(options), "std": ((0.5,), "as published")}


EDSR.namings = (
    Naming("EDSR-PyTorch", fixed=_TORCH, assume=_assume_official),
    Naming(
        "BasicSR",
        (
            ("conv_first", "head.0"),
            *_BLOCKS,
            ("conv_after_body", "body.{n}"),
            ("upsample.{k}", "tail.0.{k}"),
            ("conv_last", "tail.1"),
        ),
        counts={"n": "body.{b}.conv1"},
        fixed=_TORCH,
        assume=_assume_official,
    ),
    Naming(
        "mmagic",
        (
            ("conv_first", "head.0"),
            *_BLOCKS,
            ("conv_after_body", "body.{n}"),
            ("upsample.{k}.upsample_conv", "tail.0.{2k}"),
            ("conv_last", "tail.1"),
        ),
        counts={"n": "body.{b}.conv1"},
        fixed=_TORCH,
        assume=_assume_unit,
    ),
    Naming(
        "EDSR-PyTorch of Lornatang",
        (
            ("conv1", "head.0"),
            ("trunk.{b}.rcb.{k}", "body.{b}.body.{k}"),
            ("conv2", "body.{n}"),
            ("upsampling.{k}.upsample_block.0", "tail.0.{2k}"),
            ("conv3", "tail.1"),
            ("mean", "mean255"),
        ),
        counts={"n": "trunk.{b}.rcb.0"},
        fixed=_TORCH,
        assume=_assume_port,
    ),
    Naming(
        "EDSR-PyTorch of Lornatang, 2020",
        (
            ("conv1", "head.0"),
            ("trunk.{b}.conv1", "body.{b}.body.0"),
            ("trunk.{b}.conv2", "body.{b}.body.2"),
            ("conv2", "body.{n}"),
            ("upsampling.{k}", "tail.0.{k}"),
            ("conv3", "tail.1"),
            ("mean", "mean"),
            ("std", "std"),
        ),
        counts={"n": "trunk.{b}.conv1"},
        fixed=_TORCH,
        assume=_assume_first_port,
    ),
    Naming(
        "EDSR_Tensorflow",
        (
            ("resFilter_one", "head.0.weight"),
            ("BiasOne", "head.0.bias"),
            ("resFilter{2b}", "body.{b}.body.0.weight"),
            ("resBias{2b}", "body.{b}.body.0.bias"),
            ("resFilter{2b+1}", "body.{b}.body.2.weight"),
            ("resBias{2b+1}", "body.{b}.body.2.bias"),
            ("resFilter_two", "body.{n}.weight"),
            ("BiasTwo", "body.{n}.bias"),
            ("resFilter_three", "tail.0.weight"),
            ("BiasThree", "tail.0.bias"),
        ),
        counts={"n": "resFilter{2b}"},
        axes="HWIO",
        fixed={"tail": "single", "order": "dcr"},
        assume=_assume_opencv,
    ),
    Naming(
        "Keras",
        axes="HWIO",
        fixed={"tail": "official", "order": "dcr"},
        assume=_assume_keras,
        rename=name_edsr,
    ),
    Naming(
        "MXNet",
        fixed={"tail": "official", "order": "dcr"},
        assume=_assume_mxnet,
        rename=name_edsr,
    ),
)
