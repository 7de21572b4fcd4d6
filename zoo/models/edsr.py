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

from zoo.keys import Key
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    ORDER,
    mean_of,
    prime_factors,
)
from zoo.models.convnet import ConvFamily
from zoo.models.layout import Facts, Found, Layout, Unlike
from zoo.models.sketch import Role, Sketch
from zoo.models.view import View
from zoo.parsers.tensorflow import GraphNode

__all__ = ["EDSR"]


class EDSR(ConvFamily):
    """Residual blocks without batch normalisation, upsampling by pixel shuffle."""

    name = "edsr"
    summary = "enhanced deep residual network"
    paper = (
        "Lim et al., Enhanced Deep Residual Networks for Single Image "
        "Super-Resolution, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("blocks", "int", 16, "residual blocks", minimum=1, maximum=1024),
        Key("filters", "int", 64, "channels inside", minimum=1, maximum=4096),
        Key("scale", "int", 2, "output rows per input row", minimum=1, maximum=8),
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
        Key("range", "float", 255.0, "value of white at the input", minimum=1e-6),
        Key(
            "mean",
            "floats",
            (),
            "subtracted from the input; DIV2K's mean colour if not given",
        ),
        Key("std", "floats", (1.0,), "divides the input after that"),
        ORDER,
    )

    @classmethod
    def sketch(cls, options: Mapping[str, Any]) -> Sketch:
        channels, filters = options["channels"], options["filters"]
        scale, order = options["scale"], options["order"]
        sketch = Sketch(
            channels=channels,
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )
        sketch.add("input")
        head = sketch.convolution(Role("head"), filters)
        for block in range(options["blocks"]):
            sketch.convolution(Role("block.0", block), filters, activation="relu")
            sketch.convolution(Role("block.1", block), filters)
            sketch.shortcut(-3, options["res_scale"])
        sketch.convolution(Role("end"), filters)
        sketch.shortcut(head)
        if options["tail"] == "single":
            sketch.convolution(Role("tail"), channels * scale**2)
            if scale > 1:
                sketch.add("shuffler", scale=scale, order=order)
            return sketch
        for stage, factor in enumerate(prime_factors(scale)):
            sketch.convolution(Role("stage", stage), filters * factor**2)
            sketch.add("shuffler", scale=factor, order=order)
        sketch.convolution(Role("tail"), channels)
        return sketch

    @classmethod
    def infer(cls, found: Found) -> dict[str, Any]:
        _, _, channels, filters = found.shape(Role("head"))
        if found.blocks == 0:
            found.shape(Role("block.0"))
        options = {"blocks": found.blocks, "filters": filters, "channels": channels}
        if found.layout.fixed["tail"] == "single":
            return {**options, "scale": found.shuffle_factor(Role("tail"), channels)}
        scale = 1
        for stage in range(found.count("stage")):
            scale *= found.shuffle_factor(Role("stage", stage), filters)
        return {**options, "scale": scale}

    @classmethod
    def foreign(cls, view: View) -> str | None:
        has_entry = any(name.startswith("pre_process.") for name in view)
        if has_entry and any(name.startswith("upsample.") for name in view):
            return (
                "this is MDSR, which holds three scales with a way in and a way out "
                "for each in one network; EDSR has one scale, so convert a checkpoint "
                "of a single scale"
            )
        return None


def _official_facts(view: View) -> Facts:
    """Mean and std from the two frozen 1 x 1 convolutions, if they are there.

    sub_mean computes x / std - mean / std, add_mean x std + mean. Its published
    code divides by std there too, which is the same for std = 1, the only one in
    use.
    """
    names = [f"{module}_mean.{kind}" for module in ("sub", "add") for kind in _PARTS]
    held = [name in view for name in names]
    if not any(held):
        return Facts()
    if not all(held):
        raise Unlike(f"there is no tensor {names[held.index(False)]!r}")
    sub_weight, sub_bias, add_weight, add_bias = (
        np.asarray(view[name], np.float64) for name in names
    )
    channels = sub_bias.size
    square = (channels, channels)
    if sub_weight.size != channels**2 or add_weight.size != channels**2:
        raise Unlike("sub_mean.weight is no square matrix")
    diagonal = np.diagonal(sub_weight.reshape(square))
    if not (diagonal > 0).all():
        raise Unlike("sub_mean.weight does not divide by a standard deviation")
    std = 1 / diagonal
    mean = -sub_bias * std
    inverse = np.allclose(add_bias, mean, rtol=1e-5, atol=1e-6) and np.allclose(
        add_weight.reshape(square), np.diag(std), rtol=1e-5, atol=1e-6
    )
    off_diagonal = sub_weight.reshape(square) - np.diag(diagonal)
    if not inverse or off_diagonal.any():
        raise Unlike("add_mean does not undo sub_mean")
    white = 255.0 if np.abs(mean).max() > 1 else 1.0
    options: dict[str, Any] = {
        "mean": tuple(_shortest(value) for value in mean),
        "std": tuple(_shortest(value) for value in std),
    }
    if mean.any():
        options["range"] = white
    if options["std"] == (1.0,) * channels:
        options["std"] = (1.0,)
    where = "mean and std of [net]"
    return Facts(options, {name: ("stated", where) for name in names})


_PARTS = ("weight", "bias")


def _shortest(value: float) -> float:
    """The shortest decimal number that is the same in float32."""
    return float(str(np.float32(value)))


def _assume_official(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    large = options["filters"] >= 256
    return {
        "res_scale": (
            0.1 if large else 1.0,
            "as published for 256 filters" if large else "as published for 64 filters",
        ),
        "color": ("rgb" if options["channels"] == 3 else "any", "as published"),
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


def _graph_facts(view: View) -> Facts:
    """Residual scale and shuffle from the operations of a TensorFlow graph."""
    nodes: list[GraphNode] = view.checkpoint.metadata.get("graph") or []
    users: dict[str, set[str]] = {}
    facts = Facts()
    for node in nodes:
        for name in node.inputs:
            users.setdefault(name.removeprefix("^").partition(":")[0], set()).add(
                node.op
            )
        if node.op not in _GRAPH_OPERATIONS:
            raise Unlike(f"its graph has an operation {node.op!r} ({node.name})")
        if node.op == "Conv2D" and (
            node.attrs.get("padding") != "SAME"
            or set(node.attrs.get("strides", (1,))) != {1}
            or set(node.attrs.get("dilations", (1,))) != {1}
        ):
            raise Unlike(f"its convolution {node.name!r} is not SAME with stride 1")
        if node.op == "DepthToSpace":
            if "scale" in facts.options:
                raise Unlike("it shuffles pixels more than once")
            facts.options["scale"] = node.attrs.get("block_size")
    scales = []
    for name in view:
        if users.get(name) == {"Mul"} and view[name].size == 1:
            scales.append(_shortest(np.asarray(view[name]).item()))
            facts.fates[name] = ("stated", "res_scale, factor of a residual branch")
        elif users.get(name) == {"Transpose"}:
            facts.fates[name] = ("ignored", "order of the axes of a second output")
    if len(set(scales)) > 1:
        raise Unlike("its residual blocks have different scales")
    multiplications = sum(node.op == "Mul" for node in nodes)
    blocks = sum(node.op == "Relu" for node in nodes)
    if multiplications not in (0, blocks) or bool(scales) != bool(multiplications):
        raise Unlike(f"it has {multiplications} products for {blocks} residual blocks")
    if scales:
        facts.options["res_scale"] = scales[0]
    return facts


def _assume_opencv(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        "res_scale": (1.0, "there is no multiplication in the graph"),
        "color": ("bgr", "as in OpenCV's dnn_superres"),
        "range": (255.0, "as in OpenCV's dnn_superres"),
        "mean": (OPENCV_MEAN, "as in OpenCV's dnn_superres"),
        "std": ((1.0,), "as in OpenCV's dnn_superres"),
    }


EDSR.layouts = (
    Layout(
        name="EDSR-PyTorch",
        roles={
            "head": "head.0",
            "block.0": "body.{i}.body.0",
            "block.1": "body.{i}.body.2",
            "end": "body.{n}",
            "stage": "tail.0.{even}",
            "tail": "tail.1",
        },
        fixed={"tail": "official", "order": "crd"},
        facts=_official_facts,
        assume=_assume_official,
    ),
    Layout(
        name="EDSR_Tensorflow",
        roles={
            "head": ("resFilter_one", "BiasOne"),
            "block.0": ("resFilter{even}", "resBias{even}"),
            "block.1": ("resFilter{odd}", "resBias{odd}"),
            "end": ("resFilter_two", "BiasTwo"),
            "tail": ("resFilter_three", "BiasThree"),
        },
        axes="HWIO",
        fixed={"tail": "single", "order": "dcr"},
        facts=_graph_facts,
        assume=_assume_opencv,
    ),
)
