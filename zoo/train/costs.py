"""Costs: how far a prediction is from the truth, and in which direction.

Every cost is a function ``cost(y, t) -> (loss, gradient)`` of the prediction y
and the truth t, two arrays of one shape. The loss is the mean over all N values
(a float), the gradient its derivative with respect to y: descending it makes
the loss smaller. (Darknet keeps the opposite sign and adds it.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zoo.errors import ShapeError, UsageError
from zoo.layers.cost import Cost as CostLayer
from zoo.network import Network
from zoo.shapes import Array

__all__ = ["COSTS", "JOINT", "Cost", "cost_named", "gradient_start", "plain_name"]

Cost = Callable[[Array, Array], tuple[float, Array]]

SECRET = -1234.0
"""Truth value that Darknet's ``masked`` cost leaves out."""


def mse(y: Array, t: Array) -> tuple[float, Array]:
    """Mean squared error: (y - t)^2; gradient 2 (y - t) / N."""
    d = y - t
    return _mean(d * d), 2 * d / d.size


def mae(y: Array, t: Array) -> tuple[float, Array]:
    """Mean absolute error, L1: |y - t|; gradient sign(y - t) / N.

    EDSR and WDSR are trained with it (Lim et al. 2017, section 3.3).
    """
    d = y - t
    return _mean(np.abs(d)), np.sign(d) / d.size


def smooth(y: Array, t: Array) -> tuple[float, Array]:
    """Huber's cost with delta 1: d^2 / 2 near 0, |d| - 1/2 beyond 1."""
    d = y - t
    near = np.abs(d) < 1
    loss = np.where(near, 0.5 * d * d, np.abs(d) - 0.5)
    return _mean(loss), np.where(near, d, np.sign(d)) / d.size


def logcosh(y: Array, t: Array) -> tuple[float, Array]:
    """log cosh(y - t); gradient tanh(y - t) / N."""
    d = y - t
    size = np.abs(d)  # log cosh d = |d| + log(1 + e^(-2|d|)) - log 2 cannot overflow
    return _mean(size + np.log1p(np.exp(-2 * size)) - np.log(2)), np.tanh(d) / d.size


def charbonnier(y: Array, t: Array, epsilon: float = 1e-3) -> tuple[float, Array]:
    """sqrt(d^2 + epsilon^2), a smooth L1 (Lai et al. 2017)."""
    d = y - t
    root = np.sqrt(d * d + epsilon * epsilon)
    return _mean(root), d / root / d.size


def hellinger(y: Array, t: Array) -> tuple[float, Array]:
    """(sqrt y - sqrt t)^2 / 2 of values that are not negative."""
    tiny = np.finfo(y.dtype).tiny
    root_y, root_t = np.sqrt(np.maximum(y, tiny)), np.sqrt(np.maximum(t, 0))
    d = root_y - root_t
    return _mean(0.5 * d * d), 0.5 * (1 - root_t / root_y) / y.size


def hinge(y: Array, t: Array) -> tuple[float, Array]:
    """max(0, 1 - t y) for truths of -1 and 1."""
    margin = 1 - t * y
    return _mean(np.maximum(margin, 0)), np.where(margin > 0, -t, 0) / y.size


def wgan(y: Array, t: Array) -> tuple[float, Array]:
    """-t y: a critic's score, t = 1 for true and -1 for made."""
    return _mean(-t * y), -t / y.size


def masked(y: Array, t: Array) -> tuple[float, Array]:
    """Squared error where the truth is not -1234 (Darknet's mark for unknown)."""
    d = np.where(t == SECRET, 0, y - t)
    return _mean(d * d), 2 * d / d.size


def seg(y: Array, t: Array, no_object: float = 1.0) -> tuple[float, Array]:
    """Squared error; where the truth is 0 it counts ``no_object`` (Darknet's noobj)."""
    d = y - t
    weight = np.where(t == 0, no_object, 1.0).astype(y.dtype)
    return _mean(weight * d * d), 2 * weight * d / d.size


def softmax_crossentropy(y: Array, t: Array) -> tuple[float, Array]:
    """-sum t log y of probabilities, mean over rows; joint gradient (y - t) / rows.

    The gradient is with respect to what went *into* the softmax that made y.
    """
    rows = y.size // y.shape[-1]
    loss = -float(np.sum(t * np.log(np.maximum(y, np.finfo(y.dtype).tiny)))) / rows
    return loss, (y - t) / rows


def logistic_crossentropy(y: Array, t: Array) -> tuple[float, Array]:
    """-(t log y + (1 - t) log(1 - y)); joint gradient (y - t) / N.

    The gradient is with respect to what went *into* the logistic that made y.
    """
    tiny = np.finfo(y.dtype).eps
    inside = np.clip(y, tiny, 1 - tiny)
    loss = -(t * np.log(inside) + (1 - t) * np.log1p(-inside))
    return _mean(loss), (y - t) / y.size


def _mean(values: Array) -> float:
    return float(np.mean(values, dtype=np.float64))


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

    def checked(y: Array, t: Array) -> tuple[float, Array]:
        if y.shape != t.shape:
            raise ShapeError(
                f"prediction {y.shape} and truth {t.shape} differ in shape"
            )
        loss, gradient = function(y, t)
        return loss, gradient.astype(y.dtype, copy=False)

    return checked
