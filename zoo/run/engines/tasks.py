"""What a worker does; imported there by name, never sent."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo._version import __version__
from zoo.run.files import Options, Record, run_file
from zoo.run.jobs import Job

__all__ = ["Greeting", "Stamp", "WrongWorkerError", "greet", "work_off"]


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
    """What every worker must have in common, so that the pixels are the same."""

    version: str
    backend: str
    isa: str
    threads: int


class WrongWorkerError(Exception):
    """This worker would make other pixels; says why."""


def greet(source: str | None, token: str | None) -> Greeting:
    """Report what this process has.

    Parameters
    ----------
    source : str or None
        An input of the call.
    token : str or None
        A file that was written where the results go.
    """
    from zoo.machine.threads import available_threads
    from zoo.plugins import select

    kernels = select()
    return Greeting(
        __version__,
        kernels.name,
        str(getattr(kernels, "isa", "")),
        available_threads(),
        socket.gethostname(),
        source is None or os.path.exists(source),
        token is None or os.path.exists(token),
    )


def work_off(jobs: Sequence[Job], options: Options, stamp: Stamp) -> list[Record]:
    """Run a bundle of jobs.

    Raises
    ------
    WrongWorkerError
        If this worker has another version, or not the instruction set.
    """
    if __version__ != stamp.version:
        raise WrongWorkerError(f"it has zoo {__version__}, not {stamp.version}")
    if stamp.isa:
        os.environ["ZOO_ISA"] = stamp.isa
    network = replace(options.network, threads=stamp.threads)
    if network.memory is None:
        network = replace(network, memory=_memory())
    options = replace(options, network=network)
    try:
        model = network.load()
    except Exception as problem:
        if _isa_is_missing(problem):
            raise WrongWorkerError(str(problem)) from None
        raise
    if model.kernels.name != stamp.backend:
        raise WrongWorkerError(
            f"it runs on {model.kernels.name}, the others on {stamp.backend}"
        )
    return [run_file(job, options, model=model) for job in jobs]


def _memory() -> str | None:
    """Half of what the worker may have; None where it does not say."""
    try:
        from distributed import get_worker

        limit: Any = get_worker().memory_manager.memory_limit
    except (ImportError, ValueError, AttributeError):
        return None
    return str(int(limit) // 2) if limit else None


def _isa_is_missing(problem: Exception) -> bool:
    from zoo.errors import PluginError

    return isinstance(problem, PluginError) and "ZOO_ISA" in str(problem)
