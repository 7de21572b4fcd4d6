"""Engines: where the files of a call are worked off, beside this process.

An engine maps :func:`zoo.run.files.run_file` over jobs. Engines are entry points of
``zoo.engines``, named by what stands before the colon of ``--on``: ``local:4``,
``dask://host:8786``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.registry import registry

if TYPE_CHECKING:
    from zoo.run.files import Options, Record
    from zoo.run.jobs import Job

__all__ = ["Engine", "engine_at", "is_part", "parse_part"]

Say = Callable[[str], None]


class Engine(ABC):
    """Works jobs off somewhere.

    Parameters
    ----------
    address : str
        What was given to ``--on``.
    say : callable
        Told, in a line, what a user should know.
    verbose : bool
        Whether to say what all is well, too.
    """

    def __init__(self, address: str, say: Say, *, verbose: bool = False) -> None:
        self.address = address
        self.say = say
        self.verbose = verbose

    @abstractmethod
    def run(self, jobs: Sequence[Job], options: Options) -> Iterator[Record]:
        """Work jobs off, in any order.

        What is wrong with a file is in its record. The pixels are those that this
        process would make.

        Raises
        ------
        ZooError
            If the engine cannot be reached or used.
        KeyboardInterrupt
            After the first Ctrl-C nothing new is begun and what runs is finished;
            the second does not wait.
        """


def engine_at(address: str, say: Say, *, verbose: bool = False) -> Engine:
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
    engine: Engine = known.load(name)(address, say, verbose=verbose)
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
