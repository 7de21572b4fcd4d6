"""From the tensors of a module to the parameters of a layer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.models.base import NotRecognized
from zoo.models.folding import finite_float32, fold_weight_norm
from zoo.models.state_dict import StateDict

__all__ = [
    "AffineMap",
    "ConstantMap",
    "Mapped",
    "NormMap",
    "PositionsMap",
    "SlopesMap",
    "TemperaturesMap",
    "TensorMap",
    "VectorsMap",
    "by",
    "require_shape",
]


@dataclass
class Mapped:
    """Parameters of one layer.

    Attributes
    ----------
    parameters : dict of str to ndarray
        By the layer's names, in its orders.
    uses : dict of str to (use, where)
        For each tensor that was used, by the family's name of it.
    """

    parameters: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    uses: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class TensorMap(ABC):
    """Which tensors of a state dict become the parameters of one layer, and how.

    Attributes
    ----------
    module : str
        The family's own name of what the layer is in PyTorch.
    layer : str
        Index and kind of the layer, with which its tensors' names begin.
    shapes : mapping of str to tuple of int
        Of the layer's parameters and statistics.
    """

    module: str
    layer: str
    shapes: Mapping[str, tuple[int, ...]]

    @abstractmethod
    def names(self, state: StateDict) -> tuple[str, ...]:
        """The tensors that are needed, whether or not they are there."""

    @abstractmethod
    def check(self, state: StateDict) -> None:
        """Raise NotRecognized unless the shapes of the tensors fit."""

    @abstractmethod
    def convert(self, state: StateDict) -> Mapped:
        """Make the layer's parameters.

        Raises
        ------
        WeightsError
            If a tensor's values cannot be used.
        """

    def export(self, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The tensors that :meth:`convert` would make these parameters of."""
        raise NotImplementedError(f"{type(self).__name__} has no way back")

    def tensor(self, parameter: str) -> str:
        """The network's name of a parameter."""
        return f"{self.layer}.{parameter}"


def by(shape: tuple[int, ...]) -> str:
    """A shape for people: 64x3x3x3."""
    return "x".join(map(str, shape)) or "a single number"


def require_shape(state: StateDict, name: str, wanted: tuple[int, ...]) -> None:
    """Raise NotRecognized unless a tensor has this shape."""
    found = state.shape(name)
    if found != wanted:
        raise NotRecognized(
            f"{state.original(name)} is {by(found)} in place of {by(wanted)}"
        )


_TO_TORCH = (3, 2, 0, 1)  # from kh, kw, in, out; and, transposed, from kh, kw, out, in
_FROM_TORCH = (2, 3, 1, 0)


@dataclass(frozen=True)
class AffineMap(TensorMap):
    """A convolution, a transposed one or a linear map over the channels.

    Attributes
    ----------
    norm : str
        The module of the batch normalization behind it, if the layer has one.
    """

    norm: str = ""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """As PyTorch has it."""
        return tuple(self.shapes["weights"][axis] for axis in _TO_TORCH)

    def names(self, state: StateDict) -> tuple[str, ...]:
        bias = f"{self.module}.bias"
        names = state.weight_names(self.module)
        if not self.norm:
            return (*names, bias) if "biases" in self.shapes else names
        ends = ("weight", "bias", "running_mean", "running_var")
        own = (bias,) if bias in state else ()
        return (*names, *own, *(f"{self.norm}.{end}" for end in ends))

    def check(self, state: StateDict) -> None:
        self.check_own(state)

    def check_own(self, state: StateDict) -> None:
        """Check the module's own tensors, and the normalization's."""
        *magnitude, weight = state.weight_names(self.module)
        wanted = self.weight_shape
        found = state.shape(weight)
        is_linear = len(found) == 2 and wanted[2:] == (1, 1)
        if found != wanted and not (is_linear and found == wanted[:2]):
            raise NotRecognized(
                f"{state.original(weight)} is {by(found)} in place of {by(wanted)}"
            )
        outputs = self.shapes["weights"][3]
        for name in magnitude:
            if np.prod(state.shape(name)) != outputs:
                raise NotRecognized(
                    f"{state.original(name)} is {by(state.shape(name))} for "
                    f"{outputs} filters"
                )
        for name in AffineMap.names(self, state)[len(magnitude) + 1 :]:
            require_shape(state, name, self.shapes["biases"])

    def convert(self, state: StateDict) -> Mapped:
        mapped = Mapped()
        names = state.weight_names(self.module)
        arrays = [finite_float32(state[name], state.original(name)) for name in names]
        weight = arrays[0]
        target = self.tensor("weights")
        if len(arrays) == 2:
            weight = fold_weight_norm(arrays[0], arrays[1], state.original(names[1]))
            for name, what in zip(names, "gv", strict=True):
                mapped.uses[name] = (
                    "folded",
                    f"{target} ({what} of g v / |v|, OIHW to HWIO)",
                )
        else:
            mapped.uses[names[0]] = ("stored", f"{target} (OIHW to HWIO)")
        weight = weight.reshape(self.weight_shape)
        mapped.parameters["weights"] = np.ascontiguousarray(
            weight.transpose(_FROM_TORCH)
        )
        if self.norm:
            self._convert_norm(state, mapped)
        elif "biases" in self.shapes:
            _store(state, f"{self.module}.bias", "biases", self, mapped)
        return mapped

    def _convert_norm(self, state: StateDict, mapped: Mapped) -> None:
        """The batch normalization, into whose mean a bias of the convolution goes."""
        for end, parameter in _NORM_PARTS.items():
            _store(state, f"{self.norm}.{end}", parameter, self, mapped)
        bias = f"{self.module}.bias"
        if bias in state:
            mean = mapped.parameters["rolling_mean"]
            values = finite_float32(state[bias], state.original(bias))
            mapped.parameters["rolling_mean"] = mean - values
            mapped.uses[bias] = (
                "folded",
                f"{self.tensor('rolling_mean')} (subtracted from it)",
            )

    def export(self, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        weights = np.ascontiguousarray(parameters["weights"].transpose(_TO_TORCH))
        tensors = {f"{self.module}.weight": weights}
        if not self.norm:
            if "biases" in self.shapes:
                tensors[f"{self.module}.bias"] = parameters["biases"]
            return tensors
        return tensors | {
            f"{self.norm}.{end}": parameters[name] for end, name in _NORM_PARTS.items()
        }


_NORM_PARTS = {
    "weight": "scales",
    "bias": "biases",
    "running_mean": "rolling_mean",
    "running_var": "rolling_variance",
}


def _store(
    state: StateDict, name: str, parameter: str, to: TensorMap, mapped: Mapped
) -> None:
    """A vector as it is."""
    mapped.parameters[parameter] = finite_float32(state[name], state.original(name))
    mapped.uses[name] = ("stored", to.tensor(parameter))


@dataclass(frozen=True)
class VectorsMap(TensorMap):
    """A layer whose parameters are vectors, under PyTorch's names of them."""

    parts: ClassVar[Mapping[str, str]] = {}
    """The layer's parameters by the names of the module's tensors."""

    def _held(self) -> dict[str, str]:
        return {
            f"{self.module}.{end}": parameter
            for end, parameter in self.parts.items()
            if parameter in self.shapes
        }

    def names(self, state: StateDict) -> tuple[str, ...]:
        return tuple(self._held())

    def check(self, state: StateDict) -> None:
        for name, parameter in self._held().items():
            require_shape(state, name, self.shapes[parameter])

    def convert(self, state: StateDict) -> Mapped:
        mapped = Mapped()
        for name, parameter in self._held().items():
            _store(state, name, parameter, self, mapped)
        return mapped

    def export(self, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: parameters[parameter] for name, parameter in self._held().items()}


@dataclass(frozen=True)
class NormMap(VectorsMap):
    """A normalization: batch, layer or group."""

    parts = _NORM_PARTS


@dataclass(frozen=True)
class SlopesMap(VectorsMap):
    """The slopes of a PReLU: one per channel, or one for all of them."""

    parts: ClassVar[Mapping[str, str]] = {"weight": "slopes"}

    def check(self, state: StateDict) -> None:
        name = f"{self.module}.weight"
        if state.shape(name) != (1,):
            require_shape(state, name, self.shapes["slopes"])

    def convert(self, state: StateDict) -> Mapped:
        mapped = super().convert(state)
        slopes = mapped.parameters["slopes"]
        mapped.parameters["slopes"] = np.ascontiguousarray(
            np.broadcast_to(slopes, self.shapes["slopes"])
        )
        return mapped


@dataclass(frozen=True)
class PositionsMap(VectorsMap):
    """The table of biases of an attention inside windows."""

    parts: ClassVar[Mapping[str, str]] = {
        "relative_position_bias_table": "position_biases"
    }


@dataclass(frozen=True)
class TemperaturesMap(TensorMap):
    """What an attention between channels multiplies: heads x 1 x 1."""

    def names(self, state: StateDict) -> tuple[str, ...]:
        return (f"{self.module}.temperature",)

    def check(self, state: StateDict) -> None:
        require_shape(
            state, f"{self.module}.temperature", (*self.shapes["temperatures"], 1, 1)
        )

    def convert(self, state: StateDict) -> Mapped:
        (name,) = self.names(state)
        values = finite_float32(state[name], state.original(name)).reshape(-1)
        return Mapped(
            {"temperatures": values},
            {name: ("stored", self.tensor("temperatures"))},
        )


@dataclass(frozen=True)
class ConstantMap(TensorMap):
    """Parameters that are constants of the program, and no tensors.

    Attributes
    ----------
    values : mapping of str to float
        What every element of a parameter is.
    """

    values: Mapping[str, float] = field(default_factory=dict)

    def names(self, state: StateDict) -> tuple[str, ...]:
        return ()

    def check(self, state: StateDict) -> None:
        return

    def convert(self, state: StateDict) -> Mapped:
        return Mapped(
            {
                name: np.full(shape, self.values[name], np.float32)
                for name, shape in self.shapes.items()
            }
        )

    def export(self, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {}
