"""The table of activation functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from zoo.activations import formulas
from zoo.activations.function import ActivationFunction
from zoo.activations.gaussian import gelu_erf, gelu_erf_derivative

__all__ = ["ACTIVATIONS", "NAMES", "PARAMETER_FREE", "activation", "with_numbers"]

LEAKY_SLOPE = 0.1


def _leaky(slope: float, name: str = "leaky") -> ActivationFunction:
    return ActivationFunction(
        name,
        f"x if x>0 else {slope:g} x",
        lambda x: formulas.leaky(x, slope),
        lambda x, f: formulas.leaky_derivative(x, f, slope),
        from_x=slope < 0,
        numbers=(slope,),
    )


def _clip(low: float, high: float) -> ActivationFunction:
    return ActivationFunction(
        "clip",
        f"min(max({low:g}, x), {high:g})",
        lambda x: np.clip(x, x.dtype.type(low), x.dtype.type(high)),
        lambda x, f: formulas.clip_derivative(x, f, low, high),
        numbers=(low, high),
    )


_ROWS = (
    ActivationFunction("linear", "x", lambda x: x, formulas.ones),
    ActivationFunction(
        "logistic", "1/(1+e^-x)", formulas.logistic, lambda x, f: f * (1 - f)
    ),
    ActivationFunction(
        "loggy",
        "2/(1+e^-x) - 1",
        lambda x: np.tanh(0.5 * x),
        lambda x, f: 0.5 * (1 - f * f),
    ),
    ActivationFunction(
        "relu",
        "max(0, x)",
        lambda x: np.maximum(x, 0),
        lambda x, f: formulas.either(f > 0, 1, 0, f),
    ),
    ActivationFunction(
        "relu6",
        "min(max(0, x), 6)",
        lambda x: np.clip(x, 0, 6),
        lambda x, f: formulas.either((f > 0) & (f < 6), 1, 0, f),
    ),
    ActivationFunction(
        "elu",
        "x if x>=0 else e^x - 1",
        lambda x: np.where(x >= 0, x, formulas.expm1_below(x)),
        lambda x, f: np.where(f >= 0, f.dtype.type(1), f + 1),
    ),
    ActivationFunction(
        "relie",
        "x if x>0 else 0.01 x",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x, f: formulas.either(f > 0, 1, 0.01, f),
    ),
    ActivationFunction(
        "ramp",
        "x [x>0] + 0.1 x",
        formulas.ramp,
        lambda x, f: formulas.either(f > 0, 1.1, 0.1, f),
    ),
    ActivationFunction("tanh", "tanh x", np.tanh, lambda x, f: 1 - f * f),
    ActivationFunction(
        "plse",
        "0.01(x+4) if x<-4; 0.01(x-4)+1 if x>4; else 0.125 x + 0.5",
        formulas.plse,
        lambda x, f: formulas.either((f >= 0) & (f <= 1), 0.125, 0.01, f),
    ),
    _leaky(LEAKY_SLOPE),
    _leaky(LEAKY_SLOPE, "revleaky"),
    ActivationFunction(
        "stair",
        "n = floor x; floor(x/2) if n even, else (x-n) + floor(x/2)",
        formulas.stair,
        lambda x, f: formulas.either(np.floor(f) == f, 0, 1, f),
    ),
    ActivationFunction(
        "hardtan",
        "min(max(-1, x), 1)",
        lambda x: np.clip(x, -1, 1),
        lambda x, f: formulas.either((f > -1) & (f < 1), 1, 0, f),
    ),
    ActivationFunction(
        "lhtan",
        "0.001 x if x<0; 0.001(x-1)+1 if x>1; else x",
        formulas.lhtan,
        lambda x, f: formulas.either((f > 0) & (f < 1), 1, 0.001, f),
    ),
    ActivationFunction(
        "selu",
        "1.0507 x if x>=0 else 1.0507 * 1.6732 (e^x - 1)",
        lambda x: np.where(
            x >= 0, formulas.SELU * x, formulas.SELU_ALPHA * formulas.expm1_below(x)
        ),
        lambda x, f: np.where(
            f >= 0, f.dtype.type(formulas.SELU), f + formulas.SELU_ALPHA
        ),
    ),
    ActivationFunction(
        "softplus", "log(1 + e^x)", formulas.softplus, lambda x, f: -np.expm1(-f)
    ),
    ActivationFunction(
        "softsign",
        "x/(1 + |x|)",
        lambda x: x / (1 + np.abs(x)),
        lambda x, f: (1 - np.abs(f)) ** 2,
    ),
    ActivationFunction(
        "elliot",
        "0.5 x/(1 + |x|) + 0.5",
        formulas.elliot,
        lambda x, f: 0.5 * (1 - np.abs(2 * f - 1)) ** 2,
    ),
    ActivationFunction(
        "symmelliot",
        "x/(1 + |x|)",
        lambda x: x / (1 + np.abs(x)),
        lambda x, f: (1 - np.abs(f)) ** 2,
    ),
    ActivationFunction(
        "swish",
        "x logistic(x)",
        lambda x: x * formulas.logistic(x),
        formulas.swish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "silu",
        "x logistic(x); another name of swish",
        lambda x: x * formulas.logistic(x),
        formulas.swish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "mish",
        "x tanh(log(1 + e^x))",
        lambda x: x * np.tanh(formulas.softplus(x)),
        formulas.mish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "gelu",
        "0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
        formulas.gelu,
        formulas.gelu_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "gelu_erf",
        "0.5 x (1 + erf(x / sqrt 2))",
        gelu_erf,
        gelu_erf_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "hard_mish",
        "x if x>0; x^2/2 + x if x>-2; else 0",
        formulas.hard_mish,
        formulas.hard_mish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels",
        "max(0, x_c) / (0.0001 + sum over channels of max(0, x))",
        formulas.normalize_channels,
        formulas.normalize_channels_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels_softmax",
        "e^x_c / (0.0001 + sum over channels of e^x)",
        formulas.channel_softmax,
        formulas.channel_softmax_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels_softmax_maxval",
        "m = max over channels of x; e^(x_c-m) / (0.0001 + sum of e^(x-m))",
        formulas.channel_softmax_maximum,
        formulas.channel_softmax_maximum_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "prelu",
        "x if x>0 else a_c x, a learned per channel",
        formulas.prelu,
        formulas.prelu_derivative,
        "slopes",
        from_x=True,
    ),
    _clip(0.0, 1.0),
)

ACTIVATIONS: dict[str, ActivationFunction] = {row.name: row for row in _ROWS}
"""Every activation by name."""

NAMES: tuple[str, ...] = tuple(ACTIVATIONS)
"""All names, for the choices of a key."""

PARAMETER_FREE: tuple[str, ...] = tuple(
    row.name for row in _ROWS if not row.needs_slopes and row.name != "clip"
)
"""Names that need no slopes and no bounds: what a convolution can apply."""

_MAKERS: dict[str, Callable[..., ActivationFunction]] = {"leaky": _leaky, "clip": _clip}


def with_numbers(name: str, *numbers: float) -> str:
    """The name of a function with other numbers than those of the table.

    ``leaky(0.2)`` has the slope 0.2 below zero, ``clip(0.0,6.0)`` is bounded by 0 and
    6. What :func:`activation` finds for it, back ends take like any other name.
    """
    numbers = tuple(map(float, numbers))
    if ACTIVATIONS[name].numbers == numbers:
        return name
    return f"{name}({','.join(map(repr, numbers))})"


@cache
def activation(name: str) -> ActivationFunction:
    """Return the row of a name, or the function of a name with numbers.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    kind, _, numbers = name.partition("(")
    try:
        if not numbers:
            return ACTIVATIONS[kind]
        return _MAKERS[kind](*map(float, numbers.removesuffix(")").split(",")))
    except KeyError:
        raise ValueError(
            f"there is no activation {name!r}; there are {', '.join(NAMES)}"
        ) from None
