"""Activations that a file spells out: recognised by what they compute.

Exporters write SiLU as Sigmoid and Mul, GELU as Div, Erf, Add, Mul, Mul, PReLU as
Relu, Neg, Relu, Mul, Add or with Abs. Rather than one pattern for each spelling, the
whole function from the last picture that all of it depends on is evaluated at many
points, for every channel, and compared with the functions that zoo has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.draft import Draft, Step

__all__ = ["recognize"]

_MOST_STEPS = 24
_TOLERANCE = 2e-6
_COARSE = 3e-3  # sqrt(2) of half precision
_POINTS = np.concatenate([np.linspace(-9, 9, 361), [-70.0, -1e-3, 1e-3, 70.0]])

Array = NDArray[Any]


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "abs": np.abs,
    "cos": np.cos,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "erf": _erf,
    "exp": np.exp,
    "gelu": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "gelu_erf": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "log": np.log,
    "logistic": _logistic,
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "reciprocal": np.reciprocal,
    "positive": lambda x: (x > 0).astype(np.float64),
    "relu": lambda x: np.maximum(x, 0),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sign": np.sign,
    "sin": np.sin,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "sqrt": np.sqrt,
    "square": np.square,
    "swish": lambda x: x * _logistic(x),
    "tanh": np.tanh,
}

_KNOWN = (
    "swish",
    "mish",
    "gelu_erf",
    "gelu",
    "softplus",
    "logistic",
    "tanh",
    "elu",
    "softsign",
)
"""What a spelled-out function may turn out to be, up to a factor and an offset."""


def recognize(draft: Draft) -> None:
    """Replace spelled-out activations by activations."""
    order = {step: index for index, step in enumerate(draft.steps)}
    for step in draft:
        if not _is_pointwise(step) or step.kind in ("affine", "activation"):
            continue
        if not step.readers and step is not draft.output:
            continue
        for root, within in _roots(step, order):
            made = _known(draft, root, step, within)
            if made is not None:
                order[made] = order[step]
                draft.replace(step, made)
                break


def _is_pointwise(step: Step) -> bool:
    if step.kind in ("affine", "add", "mul", "div", "max", "min"):
        return all(x.shape == step.shape for x in step.inputs)
    if step.kind == "activation":
        return True
    return step.kind == "unary" and step.values["function"] in _FUNCTIONS


def _roots(step: Step, order: dict[Step, int]) -> Iterator[tuple[Step, list[Step]]]:
    """Pictures that all of a function depends on, and the steps up to each."""
    frontier = set(step.inputs)
    within = [step]
    while len(within) <= _MOST_STEPS:
        if len(frontier) == 1:
            (root,) = frontier
            yield root, list(within)
        last = max(frontier, key=lambda x: order.get(x, -1))
        if not _is_pointwise(last):
            return
        within.append(last)
        frontier.discard(last)
        frontier |= set(last.inputs)


def _known(draft: Draft, root: Step, step: Step, within: list[Step]) -> Step | None:
    """What a function is; None if it is nothing that zoo has."""
    channels = step.shape.channels
    depends = any(_differs(x) for x in within)
    width = channels if depends else 1
    grid = np.repeat(_POINTS[:, None], width, axis=1)
    with np.errstate(all="ignore"):
        values = _evaluate(step, root, grid, {}, set(within))
    if not np.isfinite(values).all():
        return None
    origins = set().union(*(x.origins for x in within))
    made = _rectifier(draft, root, grid, values)
    if made is None and not depends:
        made = _smooth(draft, root, grid[:, 0], values[:, 0])
    if made is None:
        return None
    made.origins |= origins
    return made


def _differs(step: Step) -> bool:
    """Whether it does not treat all channels alike."""
    for value in step.values.values():
        if isinstance(value, np.ndarray) and value.size and np.ptp(value) != 0:
            return True
    return False


def _evaluate(
    step: Step, root: Step, grid: Array, known: dict[Step, Array], within: set[Step]
) -> Array:
    if step is root:
        return grid
    if step in known:
        return known[step]
    if step not in within:
        return np.full_like(grid, np.nan)
    inputs = [_evaluate(x, root, grid, known, within) for x in step.inputs]
    known[step] = result = _apply(step, inputs, grid.shape[1])
    return result


def _apply(step: Step, inputs: list[Array], width: int) -> Array:
    x, values = inputs[0], step.values
    match step.kind:
        case "affine":
            scale, offset = values["scale"], values["offset"]
            return x * scale[:width] + offset[:width]
        case "add":
            return values["alpha"] * x + values["beta"] * inputs[1]
        case "mul":
            return x * inputs[1]
        case "div":
            return x / inputs[1]
        case "max":
            return np.maximum(x, inputs[1])
        case "min":
            return np.minimum(x, inputs[1])
    name = values["function"]
    if name == "leaky":
        return np.where(x > 0, x, values["slope"] * x)
    if name == "prelu":
        return np.where(x > 0, x, values["slopes"][:width] * x)
    if name == "clip":
        return np.clip(x, values["low"], values["high"])
    function = _FUNCTIONS.get(name)
    return np.full_like(x, np.nan) if function is None else function(x)


def _rectifier(draft: Draft, root: Step, grid: Array, values: Array) -> Step | None:
    """One slope above zero, another below: relu, leaky, prelu, linear, abs."""
    above, below = (values[grid[:, 0] == x][0] / x for x in (1.0, -1.0))
    fit = np.where(grid > 0, above * grid, below * grid)
    if not _error(fit, values) <= _TOLERANCE:
        return None
    channels = root.shape.channels
    above, below = (
        np.broadcast_to(np.asarray(x, np.float64), (channels,)) for x in (above, below)
    )
    if np.array_equal(above, below):
        return draft.affine(root, above, 0)
    if not above.all():
        if below.all():  # only what is negative: turn it round
            turned = draft.affine(root, -1, 0)
            return draft.affine(draft.function(turned, "relu"), -below, 0)
        return None
    slopes = below / above
    if not slopes.any():
        made = draft.function(root, "relu")
    elif np.ptp(slopes) < 1e-12:
        made = draft.function(root, "leaky", slope=float(slopes[0]))
    else:
        made = draft.function(root, "prelu", slopes=slopes)
    return made if (above == 1).all() else draft.affine(made, above, 0)


def _smooth(draft: Draft, root: Step, grid: Array, values: Array) -> Step | None:
    """The function that comes nearest, if it is near enough."""
    fits = []
    for name in _KNOWN:
        function = _FUNCTIONS[name](grid)
        design = np.stack([function, np.ones_like(function)], axis=1)
        (factor, offset), *_ = np.linalg.lstsq(design, values, rcond=None)
        if factor:
            error = _error(factor * function + offset, values)
            fits.append((error, name, float(factor), float(offset)))
    if not fits:
        return None
    tolerance = _COARSE if draft.is_coarse else _TOLERANCE
    error, name, factor, offset = min(fits)
    if error > tolerance:
        return None
    offset = 0.0 if abs(offset) < tolerance * abs(factor) else offset
    factor = 1.0 if abs(factor - 1) < tolerance else factor
    return draft.affine(draft.function(root, name), factor, offset)


def _error(a: Array, b: Array) -> float:
    """Largest difference, in units of the values' size."""
    return float(np.abs(a - b).max()) / max(1.0, float(np.abs(b).max()) / 10)
