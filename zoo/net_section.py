"""The keys of [net]: what a network expects of a picture, and Darknet's own."""

from __future__ import annotations

from typing import Any, NamedTuple

from zoo.errors import CfgError
from zoo.keys import Key

__all__ = [
    "DIALECTS",
    "INHERITED",
    "NET_KEYS",
    "TRAINING_KEYS",
    "PixelFormat",
    "pixel_format",
    "vector_input",
]

DIALECTS = ("zoo", "alexeyab", "pjreddie")

_DIALECT = (
    Key(
        "dialect",
        "str",
        "zoo",
        "whose defaults and rules hold where Darknets differ: dropout, batch "
        "normalization, alpha and beta of shortcuts, gates in .weights files, dilation",
        choices=DIALECTS,
    ),
    Key(
        "bn_eps",
        "float",
        1e-5,
        "bn_eps of all layers that do not give their own",
        minimum=0,
    ),
    Key(
        "inputs",
        "int",
        0,
        "values of the input where it is no picture; 0: height x width x channels",
        minimum=0,
        maximum=2**24,
    ),
    Key(
        "letter_box",
        "bool",
        False,
        "zoo detect fits the whole picture in, with gray borders",
    ),
)

_PICTURE = (
    Key("height", "int", 0, "rows of the input; 0 takes any", minimum=0),
    Key("width", "int", 0, "columns of the input; 0 takes any", minimum=0),
    Key("channels", "int", 3, "channels of the input", minimum=1, maximum=65536),
    Key("range", "float", 1.0, "value of white at the input: 1 or 255", minimum=1e-6),
    Key(
        "color",
        "str",
        "rgb",
        "order of the channels; y is the luma, with the chroma resized by bicubic",
        choices=("rgb", "bgr", "y", "any"),
    ),
    Key("mean", "floats", (0.0,), "subtracted from the input, per channel or one"),
    Key("std", "floats", (1.0,), "divides what is left, per channel or one"),
    Key("denormalize", "bool", False, "multiply the output by std and add mean"),
)

# How the network is trained, which says nothing of what it computes.
_TRAINING = (
    Key(
        "time_steps",
        "int",
        1,
        "pictures of a batch in a row that recurrent layers take for one sequence",
        minimum=1,
    ),
    Key(
        "batch", "int", 1, "images per update; zoo train takes 16 if absent", minimum=1
    ),
    Key(
        "subdivisions",
        "int",
        1,
        "parts a batch is worked off in, to save memory",
        minimum=1,
    ),
    Key("max_batches", "int", 0, "updates in all; 20000 if absent", minimum=0),
    Key(
        "learning_rate",
        "float",
        0.001,
        "step size of the optimizer; zoo train takes 1e-4 if absent",
        minimum=0,
    ),
    Key("learning_rate_min", "float", 0.0, "floor of sgdr", minimum=0),
    Key("momentum", "float", 0.9, "of momentum and nesterov", minimum=0),
    Key("decay", "float", 0.0, "weight decay", minimum=0),
    Key("adam", "bool", False, "Darknet's way to write optimizer=adam"),
    Key("optimizer", "str", "adam", "sgd, momentum, nesterov, adam, adamw, ..."),
    Key("cost", "str", "mae", "mae, mse, charbonnier, smooth, ..."),
    Key("patch", "int", 48, "side of the low-resolution patches", minimum=1),
    Key("augment", "bool", True, "flip the patches and turn them by 90 degrees"),
    Key("seed", "int", 0, "of the first weights and of the patches", minimum=0),
    Key(
        "clip_gradient",
        "float",
        0.0,
        "largest norm of the gradient; 0 is any",
        minimum=0,
    ),
    Key("B1", "float", 0.9, "Adam's first decay", minimum=0, maximum=1),
    Key("B2", "float", 0.999, "Adam's second decay", minimum=0, maximum=1),
    Key("eps", "float", 1e-8, "Adam's epsilon", minimum=0),
    Key(
        "policy",
        "str",
        "constant",
        "learning-rate schedule",
        choices=(
            "constant",
            "step",
            "steps",
            "exp",
            "poly",
            "random",
            "sigmoid",
            "sgdr",
        ),
    ),
    Key("burn_in", "int", 0, "updates of warm-up", minimum=0),
    Key("power", "float", 4.0, "of poly, of random and of the warm-up"),
    Key("gamma", "float", 1.0, "of exp and sigmoid"),
    Key("step", "int", 1, "updates between steps", minimum=1),
    Key("scale", "float", 1.0, "factor of one step"),
    Key("steps", "ints", (), "updates at which the rate changes"),
    Key("scales", "floats", (), "factors at those updates"),
    Key("sgdr_cycle", "int", 0, "length of the first cycle"),
    Key("sgdr_mult", "int", 2, "growth of the cycles"),
    Key(
        "ema_alpha",
        "float",
        0.0,
        "share of an update in the moving average of the weights, which is what is "
        "kept; 0: no average",
        minimum=0,
        maximum=1,
    ),
)

_UNUSED = (
    Key("seq_scales", "floats", (), "Darknet's: of sequences", unused=True),
    Key("max_epochs", "int", 0, "Darknet's: passes over the data", unused=True),
) + tuple(
    Key(name, "str", "", "Darknet's; without effect here", unused=True)
    for name in [
        "max_crop",
        "min_crop",
        "flip",
        "blur",
        "gaussian_noise",
        "mixup",
        "cutmix",
        "mosaic",
        "mosaic_bound",
        "contrastive",
        "contrastive_jit_flip",
        "contrastive_color",
        "unsupervised",
        "label_smooth_eps",
        "resize_step",
        "attention",
        "adversarial_lr",
        "max_chart_loss",
        "angle",
        "aspect",
        "saturation",
        "exposure",
        "hue",
        "show_receptive_field",
        "track",
        "augment_speed",
        "sequential_subdivisions",
        "try_fix_nan",
        "weights_reject_freq",
        "equidistant_point",
        "badlabels_rejection_percentage",
        "num_sigmas_reject_badlabels",
        "use_cuda_graph",
        "loss_scale",
        "dynamic_minibatch",
        "optimized_memory",
        "workspace_size_limit_MB",
        "notruth",
        "random",
        "max_ratio",
        "min_ratio",
        "center",
        "clip",
        "seen",
    ]
)

NET_KEYS = _PICTURE + _DIALECT + _TRAINING + _UNUSED

INHERITED = ("bn_eps", "dialect", "time_steps")
"""Keys of [net] that hold for all layers with a key of that name and none given."""

TRAINING_KEYS = frozenset(key.name for key in _TRAINING + _UNUSED)
"""Keys that do not change what a network computes: no part of its fingerprint."""


def vector_input(values: dict[str, Any], source: str, line: int) -> dict[str, Any]:
    """The values of [net] with height, width and channels for its ``inputs``.

    Darknet's recurrent networks take a vector: ``inputs`` and no picture, which is
    one pixel with so many channels here.

    Raises
    ------
    CfgError
        If ``inputs`` contradicts the picture.
    """
    inputs = values["inputs"]
    sides = values["height"], values["width"]
    if not inputs:
        return values
    if not any(sides):
        return {**values, "height": 1, "width": 1, "channels": inputs}
    if 0 not in sides and inputs != sides[0] * sides[1] * values["channels"]:
        raise CfgError(
            f"[net] inputs={inputs} is not height x width x channels = {sides[0]} x "
            f"{sides[1]} x {values['channels']}; leave inputs out",
            source,
            line,
        )
    return values


class PixelFormat(NamedTuple):
    """How a picture must look at a network's input.

    The input is (v / white * range - mean) / std, v being a pixel and white its
    largest value; channels in the order ``color``.
    """

    channels: int
    range: float
    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    denormalize: bool


def pixel_format(values: dict[str, Any], source: str, line: int) -> PixelFormat:
    """Check the picture keys of [net] against each other.

    Raises
    ------
    CfgError
        If mean or std do not match channels, or a std is zero.
    """
    channels = values["channels"]
    full = {}
    for name in ("mean", "std"):
        given = values[name]
        if len(given) not in (1, channels):
            raise CfgError(
                f"[net] {name} has {len(given)} values for {channels} channels; "
                f"give one, or one per channel",
                source,
                line,
            )
        full[name] = tuple(given) * (channels if len(given) == 1 else 1)
    if any(value == 0 for value in full["std"]):
        raise CfgError("[net] std must not be zero", source, line)
    wanted = {"rgb": 3, "bgr": 3, "y": 1, "any": channels}[values["color"]]
    color = values["color"]
    if channels != wanted:
        # rgb is only the default's name: other channel counts have no colour.
        if color == "rgb":
            color = "any"
        else:
            raise CfgError(
                f"[net] color={color} needs channels={wanted}, not {channels}",
                source,
                line,
            )
    return PixelFormat(
        channels,
        values["range"],
        color,
        full["mean"],
        full["std"],
        values["denormalize"],
    )
