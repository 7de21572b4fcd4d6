"""What a reader of checkpoints is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from zoo.graphs.graph import Graph
from zoo.parsers.lazy import shape_of

__all__ = ["Checkpoint", "Reader"]


@dataclass
class Checkpoint:
    """What a checkpoint file holds, as arrays, in the file's own names and orders.

    Attributes
    ----------
    format : str
        Name of the reader, for people.
    tensors : mapping of str to ndarray
        In the file's order, perhaps read only when used. Quantised tensors come
        dequantised to float32.
    metadata : mapping of str to object
        What else a family may need: the graph's operations of a frozen
        TensorFlow graph, scalars of a training state, a model's attributes.
    graph : callable, optional
        Translates the network that the file describes into ONNX's vocabulary; asked
        only where no family knows the file. Raises ReaderError. None where the file
        holds only names and tensors.
    """

    format: str
    tensors: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    graph: Callable[[], Graph] | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of every tensor, by name."""
        return {name: shape_of(self.tensors, name) for name in self.tensors}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor; it is not read for it if it was not yet."""
        return shape_of(self.tensors, name)


class Reader(ABC):
    """Reads one checkpoint format. Nothing in a file is ever executed."""

    name: ClassVar[str]
    """As registered under ``zoo.readers``."""
    suffixes: ClassVar[tuple[str, ...]] = ()
    """Usual endings of the file name, with the dot; only a hint."""

    @classmethod
    @abstractmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether the first bytes (up to 4096) of a file look like this format."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read a file.

        Raises
        ------
        ReaderError
            If it is truncated, damaged, or asks for anything but tensors; the
            message says where. Memory stays within a small multiple of the
            file's size, whatever the file claims.
        """
