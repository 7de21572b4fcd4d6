"""Optimizers, from the simplest to the latest.

Each changes a parameter p in place by its gradient g, at the learning rate lr.
State (velocities, moments) is kept per parameter under the parameter's name and
can be saved and restored exactly.

The formulas use operators alone, no NumPy functions, so that they work on torch
tensors as well; the torch plugin relies on that.
"""

from __future__ import annotations

from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.plugins.base import Kernels
from zoo.shapes import Array

__all__ = ["OPTIMIZERS", "Optimizer", "optimizer_named"]


class Optimizer:
    """Base: the learning rate, weight decay, and state by parameter name.

    Parameters
    ----------
    learning_rate : float
        May be changed between updates; schedules do.
    decay : float
        Weight decay: ``decay * p`` is added to every gradient (L2), except in
        :class:`AdamW`, which shrinks p itself.

    Attributes
    ----------
    updates : int
        How many updates began; the first is number 1.
    kernels : Kernels or None
        A back end that may do an update in one pass; None for the formulas here.
    """

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of the arrays kept for each parameter; they start at zero."""

    def __init__(self, learning_rate: float = 1e-3, decay: float = 0.0) -> None:
        self.learning_rate = learning_rate
        self.decay = decay
        self.updates = 0
        self.kernels: Kernels | None = None
        self._state: dict[str, dict[str, Array]] = {}

    def begin_update(self) -> None:
        """Say that every parameter will now be stepped once."""
        self.updates += 1

    def step(
        self, name: str, parameter: Array, gradient: Array, factor: float = 1.0
    ) -> None:
        """Change a parameter in place.

        Parameters
        ----------
        name : str
            Stable over a training run; the key of the state.
        parameter : ndarray
        gradient : ndarray, same shape
        factor : float
            Of the learning rate, for this parameter.
        """
        if self.updates == 0:
            self.begin_update()
        state = self._state.get(name)
        if state is None:
            state = {slot: 0 * parameter for slot in self.slots}
            self._state[name] = state
        rate = self.learning_rate
        self.learning_rate = rate * factor
        try:
            if self.decay:
                gradient = self._decayed(parameter, gradient)
            self._apply(parameter, gradient, **state)
        finally:
            self.learning_rate = rate

    def _decayed(self, p: Array, g: Array) -> Array:
        return g + self.decay * p

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        raise NotImplementedError

    def state_arrays(self) -> dict[str, Array]:
        """Everything to save, as ``slot/parameter`` -> array."""
        return {
            f"{slot}/{name}": array
            for name, state in self._state.items()
            for slot, array in state.items()
        }

    def restore(self, arrays: dict[str, Array], updates: int) -> None:
        """Continue where :meth:`state_arrays` and ``updates`` were taken."""
        self.updates = updates
        self._state = {}
        for key, array in arrays.items():
            slot, _, name = key.partition("/")
            self._state.setdefault(name, {})[slot] = array


class SGD(Optimizer):
    """p -= lr g."""

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        p -= self.learning_rate * g


class Momentum(Optimizer):
    """v = mu v - lr g; p += v (Polyak 1964)."""

    slots = ("v",)

    def __init__(
        self, learning_rate: float = 1e-3, decay: float = 0.0, momentum: float = 0.9
    ) -> None:
        super().__init__(learning_rate, decay)
        self.momentum = momentum

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        v = state["v"]
        v *= self.momentum
        v -= self.learning_rate * g
        p += v


class Nesterov(Momentum):
    """v = mu v - lr g; p += mu v - lr g (Sutskever et al. 2013)."""

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        v, mu = state["v"], self.momentum
        step = self.learning_rate * g
        v *= mu
        v -= step
        p += mu * v - step


class AdaGrad(Optimizer):
    """s += g^2; p -= lr g / (sqrt s + epsilon) (Duchi et al. 2011)."""

    slots = ("s",)
    epsilon = 1e-8

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        s = state["s"]
        s += g * g
        p -= self.learning_rate * g / (s**0.5 + self.epsilon)


class RMSProp(AdaGrad):
    """s = rho s + (1 - rho) g^2; p -= lr g / (sqrt s + epsilon) (Hinton 2012)."""

    rho = 0.9

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        s, rho = state["s"], self.rho
        s *= rho
        s += (1 - rho) * g * g
        p -= self.learning_rate * g / (s**0.5 + self.epsilon)


class AdaDelta(Optimizer):
    """Steps in the units of the parameter (Zeiler 2012).

    s = rho s + (1 - rho) g^2; d = g sqrt(u + epsilon) / sqrt(s + epsilon);
    u = rho u + (1 - rho) d^2; p -= lr d. The paper has lr = 1.
    """

    slots = ("s", "u")
    rho = 0.9
    epsilon = 1e-6

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        s, u = state["s"], state["u"]
        rho, epsilon = self.rho, self.epsilon
        s *= rho
        s += (1 - rho) * g * g
        d = g * (u + epsilon) ** 0.5 / (s + epsilon) ** 0.5
        u *= rho
        u += (1 - rho) * d * d
        p -= self.learning_rate * d


class Adam(Optimizer):
    """Kingma and Ba 2015, with the correction of the bias.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
    p -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon).
    """

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float = 1e-3,
        decay: float = 0.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, decay)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        m, v = state["m"], state["v"]
        if self.kernels is not None and self.kernels.adam(
            *(p, g, m, v, self.learning_rate, (self.beta1, self.beta2)),
            *(self.epsilon, self.updates),
        ):
            return
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * (g * g)
        rate = self.learning_rate / (1 - self.beta1**self.updates)
        root = (v / (1 - self.beta2**self.updates)) ** 0.5
        root += self.epsilon
        p -= rate * m / root


class AdamW(Adam):
    """Adam whose decay shrinks the parameter itself (Loshchilov and Hutter 2019)."""

    def _decayed(self, p: Array, g: Array) -> Array:
        p *= 1 - self.learning_rate * self.decay
        return g


class AdaMax(Adam):
    """Adam with the infinity norm: v = max(b2 v, |g|) (same paper, section 7.1)."""

    def _apply(self, p: Array, g: Array, **state: Array) -> None:
        m, v = state["m"], state["v"]
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        size = abs(g)
        larger = size > v
        v[larger] = size[larger]
        rate = self.learning_rate / (1 - self.beta1**self.updates)
        p -= rate * m / (v + self.epsilon)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adadelta": AdaDelta,
    "adam": Adam,
    "adamax": AdaMax,
    "adamw": AdamW,
}


def optimizer_named(name: str, **options: Any) -> Optimizer:
    """Make an optimizer.

    Raises
    ------
    UsageError
        If there is none of that name, or it has no such option.
    """
    if name not in OPTIMIZERS:
        known = ", ".join(OPTIMIZERS)
        raise UsageError(f"there is no optimizer {name!r}; there are {known}")
    try:
        return OPTIMIZERS[name](**options)
    except TypeError as error:
        raise UsageError(f"optimizer {name}: {error}") from None
