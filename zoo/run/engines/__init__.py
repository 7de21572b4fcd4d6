"""Engines: where the work of a call is done, beside this process.

An engine runs :class:`Item` objects, each a small piece of work of a class that is
imported where it runs: a file (:mod:`zoo.run.engines.files`), a part of a huge picture,
a picture that is measured. Engines are entry points of ``zoo.engines``, named by what
stands before the colon of ``--on``: ``local:4``, ``dask://host:8786``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from zoo.errors import UsageError
from zoo.registry import registry

if TYPE_CHECKING:
    from zoo.run.files import NetworkFile

__all__ = ["Call", "Engine", "Item", "Lost", "engine_at", "is_part", "parse_part"]

Say = Callable[[str], None]


class Item(Protocol):
    """One piece of work. Pickled and sent: paths and numbers, no pixels."""

    def reads(self) -> tuple[str, ...]:
        """The files that it reads."""

    def moved(self, places: Mapping[str, str], folder: str) -> Item:
        """The same work where files have other places (``--ship``).

        Parameters
        ----------
        places : mapping of str to str
            Where each of the files that it reads is.
        folder : str
            Where it may write; what it makes comes back in its result.
        """

    def run(self, common: Any, networks: tuple[NetworkFile, ...]) -> Any:
        """Do it; the result is sent back.

        Raises
        ------
        ZooError
            Which ends the whole call. What is wrong with one picture is a result.
        """


@dataclass(frozen=True)
class Call:
    """What an engine is asked to do.

    Attributes
    ----------
    items : sequence of Item
    common : object
        The same for all items, and sent with each.
    networks : tuple of NetworkFile
        That the items run.
    folder : str or None
        Where the items write files; None if nowhere.
    """

    items: Sequence[Item]
    common: Any
    networks: tuple[NetworkFile, ...] = ()
    folder: str | None = None


@dataclass(frozen=True)
class Lost:
    """What an item comes to that no worker could do.

    Attributes
    ----------
    reason : str
        The rest of a sentence that begins with its name: "does not exist".
    """

    reason: str


class Engine(ABC):
    """Does the work of a call somewhere.

    Parameters
    ----------
    address : str
        What was given to ``--on``.
    say : callable
        Told, in a line, what a user should know.
    verbose : bool
        Whether to say what all is well, too.
    ship : bool
        Send files as bytes, to workers that see no common disk.
    """

    def __init__(
        self, address: str, say: Say, *, verbose: bool = False, ship: bool = False
    ) -> None:
        self.address = address
        self.say = say
        self.verbose = verbose
        self.ship = ship

    @abstractmethod
    def work(self, call: Call) -> Iterator[tuple[int, Any]]:
        """Run all items, in any order.

        The results are those that this process would get, to the bit.

        Yields
        ------
        int
            The number of an item, each once.
        object
            What it returned, or :class:`Lost`.

        Raises
        ------
        ZooError
            If the engine cannot be reached or used, or an item raised it.
        KeyboardInterrupt
            After the first Ctrl-C nothing new is begun and what runs is finished;
            the second does not wait.
        """


def engine_at(
    address: str, say: Say, *, verbose: bool = False, ship: bool = False
) -> Engine:
    """The engine of an address.

    Raises
    ------
    UsageError
        If no engine knows it.
    PluginError
        If the engine's package is not installed.
    """
    known = registry("zoo.engines")
    scheme = re.match(r"[a-z][a-z0-9+.-]*(?=:|$)", address)
    name = scheme[0] if scheme else ""
    if address.endswith(".json"):
        name = "dask"
    if name not in known:
        raise UsageError(
            f"--on {address!r} names no engine; write local, local:4, dask://HOST:8786, "
            f"tls://HOST:8786 or a scheduler's file.json (engines: "
            f"{', '.join(sorted(known))})"
        )
    engine: Engine = known.load(name)(address, say, verbose=verbose, ship=ship)
    return engine


def parse_part(text: str) -> tuple[int, int]:
    """K and N of ``K/N``, from 1.

    Raises
    ------
    UsageError
        If they are none.
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--part {text!r} is no K/N with K from 1 to N, as in 3/16")
    return int(match[1]), int(match[2])


def is_part(relative: str, part: tuple[int, int]) -> bool:
    """Whether a file belongs to part K of N: by a hash of its relative path.

    The same on every machine and however many other files there are.
    """
    digest = sha256(relative.replace("\\", "/").encode("utf-8", "surrogateescape"))
    return int.from_bytes(digest.digest()[:8], "big") % part[1] == part[0] - 1
