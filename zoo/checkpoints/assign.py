"""Arrays into a network, every one accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import WeightsError
from zoo.network import Network

__all__ = ["LoadReport", "LoadedTensor", "assign", "require_sound"]

_MOST_LINES = 10


@dataclass(frozen=True)
class LoadedTensor:
    """One tensor of a network and where its values came from.

    Attributes
    ----------
    tensor : str
        Name in the network, ``index.kind.name``.
    origin : str
        Name in the file, or the floats of it.
    shape : tuple of int
    """

    tensor: str
    origin: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class LoadReport:
    """What a loading did: what went where, and what stayed as it was.

    Attributes
    ----------
    source : str
        The file.
    loaded : tuple of LoadedTensor
    untouched : tuple of str
        Tensors of the network that a partial loading left alone.
    metadata : mapping of str to object
        What else the file says.
    """

    source: str
    loaded: tuple[LoadedTensor, ...]
    untouched: tuple[str, ...]
    metadata: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.loaded)

    def __iter__(self) -> Iterator[LoadedTensor]:
        return iter(self.loaded)

    def __str__(self) -> str:
        lines = [
            f"{entry.tensor} {_shape(entry.shape)} <- {entry.origin}"
            for entry in self.loaded
        ]
        lines += [f"{name} untouched" for name in self.untouched]
        return "\n".join(lines)


def assign(
    network: Network,
    state: Mapping[str, NDArray[Any]],
    source: str = "the weights",
    *,
    partial: bool = False,
    origins: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> LoadReport:
    """Put named arrays into a network: all of them, or none if one does not fit.

    Parameters
    ----------
    network : Network
    state : mapping of str to ndarray
        By the names and in the orders of ``network.tensors``.
    source : str
        Where they come from, for messages.
    partial : bool
        Whether tensors of the network may be missing.
    origins : mapping of str to str, optional
        For the report: where each came from; its own name by default.
    metadata : mapping of str to object, optional
        For the report.

    Raises
    ------
    WeightsError
        If tensors are missing, left over, misshapen, no numbers, or not finite, or
        a variance is below 0.
    """
    tensors = network.tensors
    problems: list[tuple[int, str]] = []
    for name, tensor in tensors.items():
        if name not in state:
            if not partial:
                problems.append(
                    (_index(name), f"{name} {_shape(tensor.shape)} is missing")
                )
        elif state[name].shape != tensor.shape:
            shapes = f"{_shape(tensor.shape)}, not {_shape(state[name].shape)}"
            problems.append((_index(name), f"{name} must be {shapes}"))
        elif state[name].dtype.kind not in "fiub":
            problems.append((_index(name), f"{name} is {state[name].dtype}"))
    for name in state:
        if name not in tensors:
            shape = _shape(state[name].shape)
            problems.append((_index(name), f"{name[:80]} {shape} is left over"))
    if problems:
        raise WeightsError(_misfit(source, network, problems))
    require_sound(network, state, source)
    for name in tensors.keys() & state.keys():
        tensors[name][...] = state[name]
    untouched = tuple(name for name in tensors if name not in state)
    if not untouched:
        network.trained = True
    return LoadReport(
        source,
        tuple(
            LoadedTensor(name, (origins or {}).get(name, name), tensor.shape)
            for name, tensor in tensors.items()
            if name in state
        ),
        untouched,
        metadata or {},
    )


def _misfit(source: str, network: Network, problems: list[tuple[int, str]]) -> str:
    """The message that lists what does not fit, by layer."""
    problems.sort(key=lambda problem: problem[0])
    lines = [f"  {text}" for _, text in problems[:_MOST_LINES]]
    if len(problems) > _MOST_LINES:
        lines.append(f"  and {len(problems) - _MOST_LINES} more")
    return (
        f"{source} does not fit {network.source}; nothing was loaded, "
        f"{len(problems)} tensors differ:\n" + "\n".join(lines)
    )


def _index(name: str) -> int:
    """Number of the layer that a tensor's name begins with; strangers come last."""
    index = name.partition(".")[0]
    is_number = index.isascii() and index.isdecimal() and len(index) < 10
    return int(index) if is_number else 2**31


def require_sound(
    network: Network, state: Mapping[str, NDArray[Any]], source: str
) -> None:
    """Refuse NaN, infinity and variances below 0, which spread over the whole picture.

    Raises
    ------
    WeightsError
        Naming tensor, layer and channel.
    """
    for name, tensor in state.items():
        is_finite = np.isfinite(tensor)
        if not is_finite.all():
            bad = int(np.count_nonzero(~is_finite))
            raise WeightsError(
                f"{source}: {bad} of the {tensor.size} values of {name} are NaN or "
                f"infinite, the first in channel {_channel(name, ~is_finite)} of "
                f"{network.where(_index(name))}; such weights are of no use, and "
                f"nothing was loaded or saved"
            )
        if name.endswith("rolling_variance") and (tensor < 0).any():
            channel = _channel(name, tensor < 0)
            raise WeightsError(
                f"{source}: {name} is {tensor.reshape(-1)[channel]:.3g} in channel "
                f"{channel} of {network.where(_index(name))}, and no variance is below "
                f"0; the file is damaged, or belongs to another cfg, and nothing was "
                f"loaded or saved"
            )


def _channel(name: str, bad: NDArray[np.bool_]) -> int:
    """The output channel of the first bad value of a tensor."""
    place = np.argwhere(bad)[0]
    is_matrix = bad.ndim == 2 and name.endswith("weights")
    return int(place[0 if is_matrix else -1])


def _shape(shape: tuple[int, ...]) -> str:
    """A shape for people: 3x3x64x64."""
    return "x".join(map(str, shape)) or "scalar"
