"""WDSR: wide activation, weight normalisation, upsampling without a last convolution.

::

    x = (picture - mean) / std
    y = conv(x)                                          head, 3 x 3
    B times, variant a:  y = y + s conv(relu(conv(y)))           F -> W -> F
             variant b:  y = y + s conv(conv(relu(conv(y))))     F -> W -> L -> F
    z = shuffle(conv(y)) + shuffle(conv(x))              tail 3 x 3, skip 5 x 5
    picture = z std + mean

Variant a has 3 x 3 convolutions; b has 1 x 1, 1 x 1 (linear, of low rank) and
3 x 3. Weight normalisation is folded when a checkpoint is converted; the cfg has
plain convolutions. Some publishers add before one shuffle: the same numbers.

Padding is zero and keeps the size ("same"), or the normalised picture is padded
by 2 pixels (symmetric, edge) before head, tail and skip, which then have none.
The latter is what the Keras weights do that the founding thesis used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.keys import Key
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
    range_key,
    scale_key,
)
from zoo.models.folding import unfold_weight_norm
from zoo.models.mean_shift import mean_buffers
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.numbered_naming import name_wdsr
from zoo.models.state_dict import StateDict

__all__ = ["WDSR"]

_EXPANSION = {"a": 4, "b": 6}
_RANK = 0.8
# Of the head's and tail's 3 x 3 and of the skip's 5 x 5 together.
_PAD = 2


class WDSR(NetworkFamily):
    """Residual blocks that are wide inside, and a convolution past all of them."""

    name = "wdsr"
    summary = "wide activation for super-resolution"
    paper = (
        "Yu et al., Wide Activation for Efficient and Accurate Image "
        "Super-Resolution, 2018"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("variant", "str", "a", "kind of residual block", choices=("a", "b")),
        blocks_key(16),
        filters_key(32, "channels between blocks"),
        Key(
            "width",
            "int",
            0,
            "channels inside a block; 0 takes 4 filters in variant a, 6 in b",
            minimum=0,
            maximum=32768,
        ),
        Key(
            "rank",
            "int",
            0,
            "variant b: channels before the 3x3; 0 takes 0.8 filters, rounded down",
            minimum=0,
            maximum=32768,
        ),
        scale_key(2),
        Key("res_scale", "float", 1.0, "factor of the branch of a residual block"),
        Key(
            "skip_size",
            "int",
            5,
            "kernel size of the convolution past all blocks; odd",
            minimum=1,
            maximum=31,
        ),
        Key(
            "padding",
            "str",
            "same",
            "zeros around every convolution, or 2 pixels around the picture",
            choices=("same", "symmetric", "edge"),
        ),
        CHANNELS,
        COLOR,
        range_key(1.0),
        Key(
            "mean",
            "floats",
            (0.5,),
            "subtracted from the input, per channel or one",
        ),
        Key("std", "floats", (1.0,), "divides the input after that"),
        ORDER,
    )
    undecided = RES_SCALES

    exports = True
    program: ClassVar[Mapping[str, Any]] = {"padding": "same", "order": "crd"}

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale, order = options["filters"], options["scale"], options["order"]
        keeps_size = options["padding"] == "same"
        skip_size = options["skip_size"]
        if skip_size % 2 == 0:
            raise UsageError(f"skip_size={skip_size} is even; take an odd one")
        if not keeps_size and skip_size != 2 * _PAD + 1:
            raise UsageError(
                f"padding={options['padding']} needs skip_size={2 * _PAD + 1}, "
                f"not {skip_size}"
            )
        net = NetworkBuilder(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )
        entry = net.input()
        if not keeps_size:
            entry = net.add("pad", size=_PAD, mode=options["padding"])
        x = net.conv("head.0", entry, filters, pad=keeps_size)
        for block in range(options["blocks"]):
            y = x
            for place, outputs, size, activation in cls._block(options):
                y = net.conv(f"body.{block}.body.{place}", y, outputs, size, activation)
            x = net.sum(y, x, alpha=options["res_scale"])
        outputs = options["channels"] * scale**2
        body = net.conv("tail.0", x, outputs, pad=keeps_size)
        body = net.shuffle(body, scale, order)
        skip = net.conv("skip.0", entry, outputs, skip_size, pad=keeps_size)
        net.sum(net.shuffle(skip, scale, order), body, relative=False)
        return net

    @staticmethod
    def _block(options: Mapping[str, Any]) -> list[tuple[int, int, int, str]]:
        """Place, filters, size and activation of the convolutions of a block."""
        variant, filters = options["variant"], options["filters"]
        width = options["width"] or _EXPANSION[variant] * filters
        if variant == "a":
            return [(0, width, 3, "relu"), (2, filters, 3, "linear")]
        rank = options["rank"] or max(1, int(_RANK * filters))
        return [
            (0, width, 1, "relu"),
            (2, rank, 1, "linear"),
            (3, filters, 3, "linear"),
        ]

    @classmethod
    def export(
        cls, options: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """With magnitudes and directions; in ychfan's names where the range is 1."""
        exported = super().export(options, tensors)
        if options["range"] == 1:
            exported = {
                _to_ychfan(name, options["blocks"]): tensor
                for name, tensor in exported.items()
            }
        split: dict[str, NDArray[Any]] = {}
        for name, tensor in exported.items():
            if name.endswith(".weight"):
                split |= unfold_weight_norm(tensor, name)
            else:
                split[name] = tensor
        return split

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        return mean_buffers(state)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("head.0")
        is_b = state.has("body.0.body.3")
        return {
            "variant": "b" if is_b else "a",
            "blocks": state.count("body.{}.body.0"),
            "filters": filters,
            "width": state.filters("body.0.body.0"),
            "rank": state.filters("body.0.body.2") if is_b else 0,
            "scale": state.shuffle_factor("tail.0", channels),
            "channels": channels,
            "skip_size": state.kernel("skip.0")[2],
        }


def _to_ychfan(name: str, blocks: int) -> str:
    """JiahuiYu's name of a tensor to the later program's."""
    if name.startswith("body."):
        _, block, rest = name.split(".", 2)
        return f"body.{int(block) + 1}.{rest}"
    for theirs, ours in (("head.0.", "body.0."), ("tail.0.", f"body.{blocks + 1}.")):
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


_TORCH = {"order": "crd", "padding": "same"}


def _assume_255(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The authors' first code: 0 to 255, less DIV2K's mean, over 127.5."""
    return {
        "res_scale": (1.0, "as in the paper; challenge entries had 0.1"),
        **assume_color(options),
        "range": (255.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((127.5,), "as published"),
    }


def _assume_unit(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The authors' later code: 0 to 1, less one half."""
    return {
        "res_scale": (1.0, "as published, in the weights themselves"),
        **assume_color(options),
        "range": (1.0, "as published"),
        "mean": ((0.5,), "as published"),
        "std": ((1.0,), "as published"),
    }


def _assume_keras(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Krasser's programs; the first one padded the picture."""
    return {
        **_assume_255(options),
        "res_scale": (1.0, "as published"),
        "padding": ("same", "as published with TensorFlow 2"),
    }


def _assume_mxnet(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Pictures from 0 to 1, less the mean, times two, with an edge of two pixels."""
    return {
        **_assume_unit(options),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((0.5,), "as published"),
        "padding": ("edge", "as published"),
    }


WDSR.namings = (
    Naming("wdsr_ntire2018", fixed=_TORCH, assume=_assume_255),
    Naming(
        "module names",
        (
            ("head.0", "head.0"),
            ("body.{b}.module.{k}", "body.{b}.body.{k}"),
            ("tail.0", "tail.0"),
            ("skip.0", "skip.0"),
        ),
        fixed=_TORCH,
        assume=_assume_255,
    ),
    Naming(
        "ychfan/wdsr",
        (
            ("body.0", "head.0"),
            ("body.{b+1}.body.{k}", "body.{b}.body.{k}"),
            ("body.{n+1}", "tail.0"),
            ("skip.0", "skip.0"),
        ),
        counts={"n": "body.{b+1}.body.0"},
        fixed=_TORCH,
        assume=_assume_unit,
    ),
    Naming(
        "Keras",
        axes="HWIO",
        fixed={"order": "dcr"},
        assume=_assume_keras,
        rename=name_wdsr,
    ),
    Naming(
        "MXNet",
        fixed={"order": "dcr"},
        assume=_assume_mxnet,
        rename=name_wdsr,
    ),
)
