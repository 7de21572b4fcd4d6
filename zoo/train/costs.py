"""Costs: how far a prediction is from the truth, and in which direction.

Every cost is a function ``cost(y, t) -> (loss, gradient)`` of the prediction y
and the truth t, two arrays of one shape. The loss is the mean over all N values,
the gradient its derivative with respect to y: descending it makes the loss
smaller. (Darknet keeps the opposite sign and adds it.)

The formulas hold for torch tensors as for arrays: NumPy and PyTorch have functions
of the same names, and :func:`_library` says whose to call. So all learners share
one definition, corners included.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.errors import ShapeError, UsageError
from zoo.layers.cost import Cost as CostLayer
from zoo.network import Network

__all__ = ["COSTS", "JOINT", "Cost", "cost_named", "gradient_start", "plain_name"]

Cost = Callable[[Any, Any], tuple[Any, Any]]

SECRET = -1234.0
"""Truth value that Darknet's ``masked`` cost leaves out."""


def mse(y: Any, t: Any) -> tuple[Any, Any]:
    """Mean squared error: (y - t)^2; gradient 2 (y - t) / N."""
    d = y - t
    return _mean(d * d), 2 * d / _size(d)


def mae(y: Any, t: Any) -> tuple[Any, Any]:
    """Mean absolute error, L1: |y - t|; gradient sign(y - t) / N, 0 where y = t.

    EDSR and WDSR are trained with it (Lim et al. 2017, section 3.3).
    """
    d = y - t
    return _mean(abs(d)), _library(d).sign(d) / _size(d)


def smooth(y: Any, t: Any) -> tuple[Any, Any]:
    """Huber's cost with delta 1: d^2 / 2 near 0, |d| - 1/2 beyond 1."""
    d = y - t
    xp = _library(d)
    near = abs(d) < 1
    loss = xp.where(near, 0.5 * d * d, abs(d) - 0.5)
    return _mean(loss), xp.where(near, d, xp.sign(d)) / _size(d)


def logcosh(y: Any, t: Any) -> tuple[Any, Any]:
    """log cosh(y - t); gradient tanh(y - t) / N."""
    d = y - t
    xp = _library(d)
    size = abs(d)  # log cosh d = |d| + log(1 + e^(-2|d|)) - log 2 cannot overflow
    loss = size + xp.log1p(xp.exp(-2 * size)) - math.log(2)
    return _mean(loss), xp.tanh(d) / _size(d)


def charbonnier(y: Any, t: Any, epsilon: float = 1e-3) -> tuple[Any, Any]:
    """sqrt(d^2 + epsilon^2), a smooth L1 (Lai et al. 2017)."""
    d = y - t
    root = _library(d).sqrt(d * d + epsilon * epsilon)
    return _mean(root), d / root / _size(d)


def hellinger(y: Any, t: Any) -> tuple[Any, Any]:
    """(sqrt y - sqrt t)^2 / 2; gradient (1 - sqrt(t / y)) / 2 / N.

    Negative values count as 0. The cost is then the same for all y below 0, so the
    gradient is 0 there, and at 0 itself too, where the derivative on the right has no
    bound: let the network end with a function whose values are above 0.
    """
    xp = _library(y)
    above = y > 0
    root_y = xp.sqrt(xp.where(above, y, 0))
    root_t = xp.sqrt(xp.where(t > 0, t, 0))
    d = root_y - root_t
    gradient = 0.5 * (d / xp.where(above, root_y, 1))
    return _mean(0.5 * d * d), xp.where(above, gradient, 0) / _size(y)


def hinge(y: Any, t: Any) -> tuple[Any, Any]:
    """max(0, 1 - t y) for truths of -1 and 1; gradient 0 where t y = 1."""
    margin = 1 - t * y
    xp = _library(margin)
    inside = margin > 0
    return _mean(xp.where(inside, margin, 0)), xp.where(inside, -t, 0) / _size(y)


def wgan(y: Any, t: Any) -> tuple[Any, Any]:
    """-t y: a critic's score, t = 1 for true and -1 for made."""
    return _mean(-t * y), -t / _size(y)


def masked(y: Any, t: Any) -> tuple[Any, Any]:
    """Squared error where the truth is not -1234 (Darknet's mark for unknown)."""
    d = _library(y).where(t == SECRET, 0, y - t)
    return _mean(d * d), 2 * d / _size(d)


def seg(y: Any, t: Any, no_object: float = 1.0) -> tuple[Any, Any]:
    """Squared error; where the truth is 0 it counts ``no_object`` (Darknet's noobj)."""
    d = y - t
    weighted = _library(d).where(t == 0, no_object * d, d)
    return _mean(weighted * d), 2 * weighted / _size(d)


def softmax_crossentropy(y: Any, t: Any) -> tuple[Any, Any]:
    """-sum t log y of probabilities, mean over rows; joint gradient (y - t) / rows.

    The gradient is with respect to what went *into* the softmax that made y, for t
    that sum to 1.
    """
    xp = _library(y)
    rows = _size(y) // y.shape[-1]
    tiny = xp.finfo(y.dtype).tiny
    loss = -xp.sum(t * xp.log(xp.where(y > tiny, y, tiny))) / rows
    return loss, (y - t) / rows


def logistic_crossentropy(y: Any, t: Any) -> tuple[Any, Any]:
    """-(t log y + (1 - t) log(1 - y)); joint gradient (y - t) / N.

    The gradient is with respect to what went *into* the logistic that made y.
    """
    xp = _library(y)
    tiny = float(xp.finfo(y.dtype).eps)
    inside = xp.clip(y, tiny, 1 - tiny)
    loss = -(t * xp.log(inside) + (1 - t) * xp.log1p(-inside))
    return _mean(loss), (y - t) / _size(y)


def _library(x: Any) -> Any:
    """The module whose array this is: numpy or torch."""
    return sys.modules[type(x).__module__.partition(".")[0]]


def _size(x: Any) -> int:
    return math.prod(x.shape)


def _mean(values: Any) -> Any:
    """A number, or on a device a tensor that holds it."""
    if isinstance(values, np.ndarray):
        return float(np.mean(values, dtype=np.float64))
    return values.mean()


COSTS: dict[str, Cost] = {
    "mse": mse,
    "mae": mae,
    "smooth": smooth,
    "logcosh": logcosh,
    "charbonnier": charbonnier,
    "hellinger": hellinger,
    "hinge": hinge,
    "wgan": wgan,
    "masked": masked,
    "seg": seg,
    "softmax": softmax_crossentropy,
    "logistic": logistic_crossentropy,
}
JOINT = frozenset({"softmax", "logistic"})
"""Costs whose gradient is with respect to what went into the network's last layer,
which must be the function of that name."""

_ALIASES = {"sse": "mse", "l2": "mse", "l1": "mae", "L1": "mae", "huber": "smooth"}


def plain_name(name: str) -> str:
    """The name in :data:`COSTS` of a cost, whose aliases are Darknet's and others'."""
    return _ALIASES.get(name, name)


def gradient_start(network: Network, name: str) -> tuple[int, float]:
    """Where the gradient of a cost enters a network, and the factor it has there.

    That is the last layer; for the costs of :data:`JOINT` the one before the function
    that they include. [cost] sections that are passed over on the way multiply the
    gradient by their ``scale``, which is the factor; others do so themselves.

    Returns
    -------
    layer : int
        Index of the layer whose output the gradient belongs to.
    factor : float

    Raises
    ------
    UsageError
        If the network does not end with the function that the cost includes.
    """
    name = plain_name(name)
    if name not in JOINT:
        return len(network) - 1, 1.0
    if len(network.outputs) > 1:
        raise UsageError(
            f"the cost {name} needs one output and {network.source} has "
            f"{len(network.outputs)} (layers {', '.join(map(str, network.outputs))})"
        )
    last, factor = len(network) - 1, 1.0
    while last > 0 and isinstance(ending := network[last], CostLayer):
        factor *= ending.scale
        last -= 1
    layer = network[last]
    function = getattr(layer, "activation", network.canonical_kinds[last])
    is_alone = network.canonical_kinds[last] in ("softmax", "activation")
    if function != name or not is_alone or network.sources[last] != (last - 1,):
        raise UsageError(
            f"the cost {name} needs {network.source} to end with "
            f"{'[softmax]' if name == 'softmax' else '[activation] activation=logistic'}"
        )
    return last - 1, factor


def cost_named(name: str) -> Cost:
    """Return a cost that checks its arguments.

    Raises
    ------
    UsageError
        If there is no such cost.
    """
    try:
        function = COSTS[plain_name(name)]
    except KeyError:
        known = ", ".join(COSTS)
        raise UsageError(f"there is no cost {name!r}; there are {known}") from None

    def checked(y: Any, t: Any) -> tuple[Any, Any]:
        if y.shape != t.shape:
            raise ShapeError(
                f"prediction {tuple(y.shape)} and truth {tuple(t.shape)} differ in shape"
            )
        loss, gradient = function(y, t)
        if isinstance(gradient, np.ndarray):
            return float(loss), gradient.astype(y.dtype, copy=False)
        return loss, gradient

    return checked
