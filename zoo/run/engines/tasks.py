"""What a worker does; imported there by name, never sent."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo._version import __version__
from zoo.errors import PluginError, ZooError
from zoo.run.engines import Item
from zoo.run.engines.parcels import placed
from zoo.run.files import NetworkFile, forget_models

__all__ = ["Done", "Greeting", "Stamp", "WrongWorkerError", "greet", "work_off"]

_ASKED = os.environ.get("ZOO_ISA")  # of this process, by who began it
_loaded_for = [""]  # the instruction set of the models that are kept


@dataclass(frozen=True)
class Greeting:
    """What a worker says of itself.

    Attributes
    ----------
    version : str
        Of zoo.
    backend, isa : str
        What would run there.
    cores : int
    host : str
    sees_input, sees_output : bool
        Whether the files of the call are there.
    """

    version: str
    backend: str
    isa: str
    cores: int
    host: str
    sees_input: bool
    sees_output: bool


@dataclass(frozen=True)
class Stamp:
    """What every worker must have in common, so that the results are the same.

    Attributes
    ----------
    version, backend, isa : str
    threads : int
        Of one worker.
    sample, token : str or None
        An input, and a file where the results go, that a worker must see.
    """

    version: str
    backend: str
    isa: str
    threads: int
    sample: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class Done:
    """What became of an item, and how long it took."""

    seconds: float
    result: Any = None
    error: ZooError | None = None


class WrongWorkerError(Exception):
    """This worker would make other results, or none; says why."""


def greet(
    source: str | None, token: str | None, backend: str | None = None
) -> Greeting:
    """Report what this process has.

    Parameters
    ----------
    source : str or None
        An input of the call.
    token : str or None
        A file that was written where the results go.
    backend : str, optional
        The back end that was asked for.
    """
    from zoo.machine.threads import available_threads
    from zoo.plugins import select

    _limit(_ASKED)  # and not what an earlier call agreed on
    kernels = select(backend)
    return Greeting(
        __version__,
        kernels.name,
        str(getattr(kernels, "isa", "")),
        available_threads(),
        socket.gethostname(),
        source is None or os.path.exists(source),
        token is None or os.path.exists(token),
    )


def work_off(
    items: Sequence[Item],
    files: Sequence[dict[str, bytes]] | None,
    common: Any,
    networks: tuple[NetworkFile, ...],
    stamp: Stamp,
) -> list[Done]:
    """Run a bundle of items.

    Parameters
    ----------
    items : sequence of Item
    files : sequence of dict, or None
        What each of them reads, by path, if it was sent.
    common, networks
        See :class:`zoo.run.engines.Call`.
    stamp : Stamp

    Raises
    ------
    WrongWorkerError
        If this worker has another version, not the instruction set, or does not see
        the files.
    """
    _require_fit(stamp)
    own = tuple(_own(network, stamp) for network in networks)
    if own:
        try:
            kernels = own[0].load().kernels
            if stamp.isa and getattr(kernels, "isa", "") != stamp.isa:
                # Another call has greeted this worker in between.
                forget_models()
                _limit(stamp.isa)
                kernels = own[0].load().kernels
        except PluginError as problem:
            if "ZOO_ISA" in str(problem):
                raise WrongWorkerError(str(problem)) from None
            raise
        if kernels.name != stamp.backend:
            raise WrongWorkerError(
                f"it runs on {kernels.name}, the others on {stamp.backend}"
            )
    done = []
    for number, item in enumerate(items):
        start = time.perf_counter()
        result, error = None, None
        try:
            if files is None:
                result = item.run(common, own)
            else:
                result = _run_away(item, files[number], common, own)
        except ZooError as problem:
            error = problem
        done.append(Done(time.perf_counter() - start, result, error))
    return done


def _require_fit(stamp: Stamp) -> None:
    """The door that everyone passes, whenever it comes."""
    if __version__ != stamp.version:
        raise WrongWorkerError(f"it has zoo {__version__}, not {stamp.version}")
    if stamp.sample is not None and not os.path.exists(stamp.sample):
        raise WrongWorkerError("it does not see the files")
    if stamp.token is not None and not os.path.exists(stamp.token):
        raise WrongWorkerError("it does not see the folder of the results")
    if stamp.isa:
        _limit(stamp.isa)
        if _loaded_for[0] != stamp.isa:  # by an earlier call, of other workers
            forget_models()
            _loaded_for[0] = stamp.isa


def _limit(isa: str | None) -> None:
    """Let the kernels that are made from now on use this instruction set."""
    if isa is None:
        os.environ.pop("ZOO_ISA", None)
    else:
        os.environ["ZOO_ISA"] = isa


def _own(network: NetworkFile, stamp: Stamp) -> NetworkFile:
    """A network as this worker runs it."""
    memory = _memory() if network.memory is None else network.memory
    return placed(replace(network, threads=stamp.threads, memory=memory))


def _worker() -> Any:
    """Dask's worker that runs this; None where another engine does."""
    try:
        from distributed import get_worker

        return get_worker()
    except (ImportError, ValueError):
        return None


def _memory() -> str | None:
    """Half of what the worker may have; None where it does not say."""
    manager = getattr(_worker(), "memory_manager", None)
    limit = getattr(manager, "memory_limit", None)
    return str(int(limit) // 2) if limit else None


def _run_away(
    item: Item,
    files: dict[str, bytes],
    common: Any,
    networks: tuple[NetworkFile, ...],
) -> Any:
    """Run an item on files that were sent, in a folder of its own."""
    place = getattr(_worker(), "local_directory", None)
    with tempfile.TemporaryDirectory(prefix="zoo-", dir=place) as folder:
        places: dict[str, str] = {}
        for number, (path, data) in enumerate(files.items()):
            sent = Path(folder, str(number), Path(path).name)
            sent.parent.mkdir()
            sent.write_bytes(data)
            places[path] = str(sent)
        out = Path(folder, "out")
        out.mkdir()
        return item.moved(places, str(out)).run(common, networks)
