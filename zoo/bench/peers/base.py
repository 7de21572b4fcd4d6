"""What an engine is, to a measurement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from zoo.network import Network

__all__ = ["NotPossibleError", "Peer", "Setup", "in_a_row"]


class NotPossibleError(Exception):
    """An engine cannot do this network or precision; says why, as a phrase."""


@dataclass(frozen=True)
class Setup:
    """What to load and how; plain values, which travel as JSON.

    Attributes
    ----------
    files : str
        What :meth:`Peer.prepare` returned.
    height, width, channels : int
        Of the pictures.
    threads : int
    precision : {"f32", "bf16"}
    variant : str
        One of :attr:`Peer.variants`.
    """

    files: str
    height: int
    width: int
    channels: int
    threads: int
    precision: str
    variant: str = ""


class Peer(ABC):
    """One engine with one network in it.

    A file of this package must import nothing of zoo that the engine does not
    need: start-up time is measured too. :meth:`prepare` runs in another process
    and may import all.
    """

    variants: ClassVar[tuple[str, ...]] = ("",)
    """Settings that are measured apart, because none is always the best."""

    @classmethod
    @abstractmethod
    def prepare(cls, network: Network, height: int, width: int, folder: Path) -> str:
        """Write the network and its weights in the engine's own format.

        Returns
        -------
        str
            The file to load.

        Raises
        ------
        NotPossibleError, ZooError
            If the engine has no counterpart of some layer.
        """

    @abstractmethod
    def __init__(self, setup: Setup) -> None:
        """Load.

        Raises
        ------
        NotPossibleError
            If the engine does not have the precision.
        """

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Of the engine."""

    @property
    @abstractmethod
    def settings(self) -> str:
        """What was set, for the report."""

    @abstractmethod
    def feed(self, x: NDArray[np.float32]) -> Any:
        """Turn an N x H x W x C array into what :meth:`run` takes; not timed."""

    @abstractmethod
    def run(self, x: Any) -> Any:
        """Run the network once; complete when it returns."""

    @abstractmethod
    def fetch(self, y: Any) -> NDArray[np.float32]:
        """Turn a result of :meth:`run` into N x H x W x C; not timed.

        Several outputs are put in a row: see :func:`in_a_row`.
        """


def in_a_row(outputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The outputs of a network, N x H x W x C each, one after the other: N x 1 x 1 x all.

    One output stays as it is.
    """
    if len(outputs) == 1:
        return np.ascontiguousarray(outputs[0])
    rows = [y.reshape(len(y), 1, 1, -1) for y in outputs]
    return np.concatenate(rows, axis=3)
