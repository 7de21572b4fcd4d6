"""The tensors of a checkpoint under a family's own names, in PyTorch's orders of axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from zoo.models.base import NotRecognized
from zoo.parsers.base import Checkpoint

__all__ = ["WEIGHT_FORMS", "StateDict", "unwrapped"]

WEIGHT_FORMS = (
    (".weight",),
    (".weight_g", ".weight_v"),
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
)
"""What PyTorch appends to a module's name: a weight as it is; magnitude and direction
of torch.nn.utils.weight_norm; the same of its successor in parametrizations."""

# torch.nn.DataParallel, torch.compile and trainers put these in front of a name.
_WRAPPERS = ("module.", "model.", "_orig_mod.")


def unwrapped(checkpoint: Checkpoint) -> dict[str, str]:
    """Names without prefixes that only tell who held the model, and those in the file."""
    names = list(checkpoint.tensors)
    prefix = ""
    while names:
        for wrapper in _WRAPPERS:
            if all(name.startswith(prefix + wrapper) for name in names):
                prefix += wrapper
                break
        else:
            break
    return {name.removeprefix(prefix): name for name in names}


class StateDict:
    """A state dict as the authors' own program would write it.

    Parameters
    ----------
    checkpoint : Checkpoint
    names : mapping of str to str
        For each of the family's own names, the name in the file.
    axes : {"OIHW", "HWIO"}
        Order of the axes of a convolution's weight in the file.
    """

    def __init__(
        self, checkpoint: Checkpoint, names: Mapping[str, str], axes: str = "OIHW"
    ) -> None:
        self.checkpoint = checkpoint
        self._names = names
        self._axes = axes
        self._modules: set[str] | None = None

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A tensor; a convolution's weight as O x I x H x W."""
        tensor = self.checkpoint.tensors[self._names[name]]
        if tensor.ndim == 4 and self._axes != "OIHW":
            return tensor.transpose([self._axes.index(axis) for axis in "OIHW"])
        return tensor

    def original(self, name: str) -> str:
        """The name in the file, or the given one if the file has no such tensor."""
        return self._names.get(name, name)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, a convolution's weight as (out, in, height, width).

        Raises
        ------
        NotRecognized
            If there is no such tensor.
        """
        if name not in self._names:
            raise NotRecognized(f"there is no tensor {name!r}")
        shape = self.checkpoint.shape(self._names[name])
        if len(shape) == 4 and self._axes != "OIHW":
            return tuple(shape[self._axes.index(axis)] for axis in "OIHW")
        return shape

    # -- modules -----------------------------------------------------------

    def has(self, module: str) -> bool:
        """Whether a module of this name holds tensors."""
        if self._modules is None:
            self._modules = set()
            for name in self._names:
                while (name := name.rpartition(".")[0]) and name not in self._modules:
                    self._modules.add(name)
        return module in self._modules

    def count(self, template: str, first: int = 0) -> int:
        """Number of indices from ``first`` on with a module ``template.format(index)``."""
        return next(
            count
            for count in itertools.count()
            if not self.has(template.format(first + count))
        )

    def weight_names(self, module: str) -> tuple[str, ...]:
        """Names of a module's weight: one, or magnitude and direction."""
        for ends in WEIGHT_FORMS[1:]:
            if any(module + end in self._names for end in ends):
                return tuple(module + end for end in ends)
        return (module + WEIGHT_FORMS[0][0],)

    def kernel(self, module: str) -> tuple[int, int, int, int]:
        """Shape of the weight of a convolution: out, in, height, width.

        Raises
        ------
        NotRecognized
            If it is not there or has not four axes.
        """
        for name in self.weight_names(module):
            shape = self.shape(name)
        if len(shape) != 4:
            raise NotRecognized(
                f"{self.original(name)} has {len(shape)} axes in place of 4"
            )
        return shape

    def filters(self, module: str) -> int:
        """Filters of a convolution."""
        return self.kernel(module)[0]

    def shuffle_factor(self, module: str, channels: int) -> int:
        """The r of a convolution that makes r^2 times as many channels.

        Raises
        ------
        NotRecognized
            If its filters are no such number.
        """
        outputs = self.filters(module)
        factor = math.isqrt(outputs // channels) if channels else 0
        if factor < 1 or outputs != channels * factor**2:
            name = self.original(self.weight_names(module)[-1])
            raise NotRecognized(
                f"{name} has {outputs} filters, which is no square times {channels}"
            )
        return factor
