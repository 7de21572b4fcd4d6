"""A checkpoint's tensors under the names that the model itself gave them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.parsers.base import Checkpoint

__all__ = ["View"]

# torch.nn.DataParallel, torch.compile and trainers put these in front of a name.
_WRAPPERS = ("module.", "model.", "_orig_mod.")


class View:
    """The tensors of a checkpoint, without prefixes that only tell who held them.

    Parameters
    ----------
    checkpoint : Checkpoint
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        names = list(checkpoint.tensors)
        prefix = ""
        while names:
            for wrapper in _WRAPPERS:
                if all(name.startswith(prefix + wrapper) for name in names):
                    prefix += wrapper
                    break
            else:
                break
        self._original = {name.removeprefix(prefix): name for name in names}

    def __contains__(self, name: object) -> bool:
        return name in self._original

    def __iter__(self) -> Iterator[str]:
        return iter(self._original)

    def __len__(self) -> int:
        return len(self._original)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.checkpoint.tensors[self._original[name]]

    def original(self, name: str) -> str:
        """The name in the file."""
        return self._original[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape in the file."""
        return tuple(np.shape(self[name]))
