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

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.conventions import CHANNELS, COLOR, ORDER, mean_of
from zoo.models.convnet import ConvFamily
from zoo.models.layout import Found, Layout
from zoo.models.sketch import Role, Sketch

__all__ = ["WDSR"]

_EXPANSION = {"a": 4, "b": 6}
_RANK = 0.8
# Of the head's and tail's 3 x 3 and of the skip's 5 x 5 together.
_PAD = 2


class WDSR(ConvFamily):
    """Residual blocks that are wide inside, and a convolution past all of them."""

    name = "wdsr"
    summary = "wide activation for super-resolution"
    paper = (
        "Yu et al., Wide Activation for Efficient and Accurate Image "
        "Super-Resolution, 2018"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("variant", "str", "a", "kind of residual block", choices=("a", "b")),
        Key("blocks", "int", 16, "residual blocks", minimum=1, maximum=1024),
        Key("filters", "int", 32, "channels between blocks", minimum=1, maximum=4096),
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
        Key("scale", "int", 2, "output rows per input row", minimum=1, maximum=8),
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
        Key("range", "float", 1.0, "value of white at the input", minimum=1e-6),
        Key(
            "mean",
            "floats",
            (0.5,),
            "subtracted from the input, per channel or one",
        ),
        Key("std", "floats", (1.0,), "divides the input after that"),
        ORDER,
    )

    @classmethod
    def sketch(cls, options: Mapping[str, Any]) -> Sketch:
        filters, scale = options["filters"], options["scale"]
        keeps_size = options["padding"] == "same"
        skip_size = options["skip_size"]
        if skip_size % 2 == 0:
            raise UsageError(f"skip_size={skip_size} is even; take an odd one")
        if not keeps_size and skip_size != 2 * _PAD + 1:
            raise UsageError(
                f"padding={options['padding']} needs skip_size={2 * _PAD + 1}, "
                f"not {skip_size}"
            )
        sketch = Sketch(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )
        entry = sketch.add("input")
        if not keeps_size:
            entry = sketch.add("pad", size=_PAD, mode=options["padding"])
        sketch.convolution(Role("head"), filters, pad=keeps_size)
        for block in range(options["blocks"]):
            convolutions = cls._block(options)
            for number, (outputs, size, activation) in enumerate(convolutions):
                role = Role(f"block.{number}", block)
                sketch.convolution(role, outputs, size, activation)
            sketch.shortcut(-len(convolutions) - 1, options["res_scale"])
        outputs = options["channels"] * scale**2

        def upsampled() -> int:
            if scale == 1:
                return sketch.last
            return sketch.add("shuffler", scale=scale, order=options["order"])

        sketch.convolution(Role("tail"), outputs, pad=keeps_size)
        body = upsampled()
        sketch.add("route", layers=(entry,))
        sketch.convolution(Role("skip"), outputs, skip_size, pad=keeps_size)
        upsampled()
        sketch.shortcut(body)
        return sketch

    @staticmethod
    def _block(options: Mapping[str, Any]) -> list[tuple[int, int, str]]:
        """Filters, size and activation of the convolutions of a block."""
        variant, filters = options["variant"], options["filters"]
        width = options["width"] or _EXPANSION[variant] * filters
        if variant == "a":
            return [(width, 3, "relu"), (filters, 3, "linear")]
        rank = options["rank"] or max(1, int(_RANK * filters))
        return [(width, 1, "relu"), (rank, 1, "linear"), (filters, 3, "linear")]

    @classmethod
    def infer(cls, found: Found) -> dict[str, Any]:
        _, _, channels, filters = found.shape(Role("head"))
        *_, width = found.shape(Role("block.0"))
        is_b = found.has(Role("block.2"))
        *_, rank = found.shape(Role("block.1")) if is_b else (0,)
        skip_size, *_ = found.shape(Role("skip"))
        return {
            "variant": "b" if is_b else "a",
            "blocks": found.blocks,
            "filters": filters,
            "width": width,
            "rank": rank,
            "scale": found.shuffle_factor(Role("tail"), channels),
            "channels": channels,
            "skip_size": skip_size,
        }


def _torch_layout(
    name: str,
    block: str,
    assume: Callable[[Mapping[str, Any]], dict[str, tuple[Any, str]]],
    **other: str,
) -> Layout:
    """A layout of PyTorch's: the places in a block are 0, 2 and, in b, 3."""
    roles = {"head": "head.0", "tail": "tail.0", "skip": "skip.0", **other}
    roles |= {
        f"block.{number}": f"{block}.{place}" for number, place in enumerate((0, 2, 3))
    }
    return Layout(
        name=name, roles=roles, fixed={"order": "crd", "padding": "same"}, assume=assume
    )


def _assume_255(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The authors' first code: 0 to 255, less DIV2K's mean, over 127.5."""
    return {
        "res_scale": (1.0, "as in the paper; challenge entries had 0.1"),
        "color": ("rgb" if options["channels"] == 3 else "any", "as published"),
        "range": (255.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((127.5,), "as published"),
    }


def _assume_unit(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The authors' later code: 0 to 1, less one half."""
    return {
        "res_scale": (1.0, "as published, in the weights themselves"),
        "color": ("rgb" if options["channels"] == 3 else "any", "as published"),
        "range": (1.0, "as published"),
        "mean": ((0.5,), "as published"),
        "std": ((1.0,), "as published"),
    }


WDSR.layouts = (
    _torch_layout("wdsr_ntire2018", "body.{i}.body", _assume_255),
    _torch_layout("module names", "body.{i}.module", _assume_255),
    _torch_layout(
        "ychfan/wdsr",
        "body.{next}.body",
        _assume_unit,
        head="body.0",
        tail="body.{end}",
    ),
)
