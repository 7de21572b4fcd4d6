"""Dask distributed: processes on this machine, machines by ssh, a Slurm cluster.

Chosen among six engines for its size and because it runs lost tasks again and limits the
memory of a worker. See docs/clusters.md.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo._version import __version__
from zoo.errors import PluginError, UsageError, ZooError
from zoo.extras import how_to_install
from zoo.formats import STREAM
from zoo.run.engines import Engine
from zoo.run.engines.tasks import Greeting, Stamp, WrongWorkerError, greet, work_off
from zoo.run.files import NetworkFile, Options, Record
from zoo.run.jobs import Job

__all__ = ["DaskEngine", "LocalEngine"]

_LEVELS = ("", "portable", "avx2", "avx512", "amx")
_SECONDS = 1.0  # of a bundle of small files
_LARGEST_BUNDLE = 32
_FLIGHT = 2  # bundles per worker
_DEATHS = 3
_PATIENCE = 60.0  # seconds without a worker


class DaskEngine(Engine):
    """A scheduler that runs already."""

    # The scheduler itself tries a task on several workers before it gives it up.
    deaths = 1

    def _connect(self) -> Any:
        distributed = _distributed()
        try:
            if self.address.endswith(".json"):
                return distributed.Client(scheduler_file=self.address, timeout=20)
            address = self.address.replace("dask://", "tcp://", 1)
            return distributed.Client(address, timeout=20)
        except (OSError, ValueError, TimeoutError) as error:
            raise ZooError(
                f"no scheduler answers at {self.address} ({error or 'time out'})"
            ) from None

    def run(self, jobs: Sequence[Job], options: Options) -> Iterator[Record]:
        """Work jobs off; see :class:`zoo.run.engines.Engine`."""
        for job in jobs:
            if STREAM in (job.source, job.target):
                raise UsageError("--on takes files, not standard input or output")
        options = replace(options, network=_from_anywhere(options.network))
        client = self._connect()
        try:
            stamp, count = self._meet(client, jobs)
            yield from _Run(self, client, jobs, options, stamp, count)
        finally:
            self._disconnect(client)

    def _disconnect(self, client: Any) -> None:
        client.close(timeout=10)

    def _meet(self, client: Any, jobs: Sequence[Job]) -> tuple[Stamp, int]:
        """Ask every worker what it has; what they have in common."""
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ZooError(f"no worker is at {self.address}") from None
        folder = Path(jobs[0].target).resolve().parent
        folder.mkdir(parents=True, exist_ok=True)
        token = folder / f".zoo-{secrets.token_hex(8)}"
        token.write_bytes(b"")
        try:
            found: dict[str, Any] = client.run(
                greet, os.path.abspath(jobs[0].source), str(token), on_error="return"
            )
        finally:
            token.unlink(missing_ok=True)
        good: dict[str, Greeting] = {}
        for address, answer in found.items():
            reason = _refusal(answer)
            if reason:
                self.say(f"worker {address} is left out: {reason}")
                client.retire_workers([address], close_workers=False, remove=True)
            else:
                good[address] = answer
        if not good:
            raise ZooError(f"no worker at {self.address} can be used")
        backends = {answer.backend for answer in good.values()}
        if len(backends) > 1:
            raise ZooError(
                f"the workers run on {' and '.join(sorted(backends))}, which round "
                f"otherwise; give --backend"
            )
        isa = min((answer.isa for answer in good.values()), key=_level)
        hosts = [answer.host for answer in good.values()]
        threads = min(
            max(1, answer.cores // hosts.count(answer.host)) for answer in good.values()
        )
        if self.verbose:
            self.say(
                f"{len(good)} workers on {len(set(hosts))} machines, "
                f"{isa or backends.pop()}, {threads} threads each"
            )
        return Stamp(__version__, next(iter(backends)), isa, threads), len(good)


class LocalEngine(DaskEngine):
    """Processes of this machine, on loopback: ``local`` or ``local:4``."""

    deaths = _DEATHS

    def _connect(self) -> Any:
        distributed = _distributed()
        from zoo.machine.threads import available_threads

        name, _, count = self.address.partition(":")
        if count and not (count.isdecimal() and 1 <= int(count) <= 1024):
            raise UsageError(f"--on {self.address!r}: write {name} or {name}:4")
        workers = int(count) if count else available_threads()
        import dask

        dask.config.set({"distributed.scheduler.allowed-failures": 0})
        self._cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        return distributed.Client(self._cluster)

    def _disconnect(self, client: Any) -> None:
        client.close(timeout=10)
        self._cluster.close(timeout=10)


class _Run:
    """The jobs of one call: fed a few at a time, records as they come."""

    def __init__(
        self,
        engine: DaskEngine,
        client: Any,
        jobs: Sequence[Job],
        options: Options,
        stamp: Stamp,
        workers: int,
    ) -> None:
        self._engine = engine
        self._client = client
        self._options = options
        self._stamp = stamp
        self._flight = _FLIGHT * workers
        self._waiting = deque(_absolute(job) for job in jobs)
        self._alone: deque[Job] = deque()  # of bundles whose worker died
        self._running: dict[Any, list[Job]] = {}
        self._names = {_absolute(job).source: (job.source, job.target) for job in jobs}
        self._deaths: Counter[str] = Counter()
        self._mean = 0.0
        self._stopping = False

    def __iter__(self) -> Iterator[Record]:
        distributed = _distributed()
        done = distributed.as_completed()
        while True:
            try:
                self._feed(done)
                if not self._running:
                    break
                future = self._next(done)
                yield from self._take(future, done)
            except KeyboardInterrupt:
                if self._stopping:
                    self._client.cancel(list(self._running), force=True)
                    raise
                self._stopping = True
                self._engine.say(
                    f"nothing new is begun; {len(self._running)} parts are finished "
                    f"(Ctrl-C again does not wait)"
                )
        if self._stopping:
            raise KeyboardInterrupt

    def _next(self, done: Any) -> Any:
        """What is finished next; or give up, where nobody is left to finish it.

        Dask itself would wait for ever for a worker to come.
        """
        asked = seen = time.monotonic()
        while not done.has_ready():
            time.sleep(0.01)
            now = time.monotonic()
            if now - asked < _PATIENCE / 12:
                continue
            asked = now
            if self._client.nthreads():
                seen = now
            elif now - seen > _PATIENCE:
                raise ZooError(
                    f"no worker is left at {self._engine.address}; what is written "
                    f"stays (--skip-existing goes on from there)"
                )
        return next(done)

    def _feed(self, done: Any) -> None:
        """Keep two bundles a worker on the way, and no more.

        What was with a worker that died is run by itself, with nothing beside it that
        could be blamed.
        """
        while not self._stopping and len(self._running) < self._flight:
            if self._alone:
                if self._running:
                    return
                bundle = [self._alone.popleft()]
                self._submit(bundle, done)
                return
            if self._waiting:
                size = 1
                if self._mean:
                    size = int(min(_LARGEST_BUNDLE, max(1, _SECONDS / self._mean)))
                bundle = [
                    self._waiting.popleft()
                    for _ in range(min(size, len(self._waiting)))
                ]
            else:
                return
            self._submit(bundle, done)

    def _submit(self, bundle: list[Job], done: Any) -> None:
        future = self._client.submit(
            work_off, bundle, self._options, self._stamp, pure=False
        )
        self._running[future] = bundle
        done.add(future)

    def _take(self, future: Any, done: Any) -> Iterator[Record]:
        distributed = _distributed()
        bundle = self._running.pop(future)
        problem = future.exception()
        if problem is None:
            records: list[Record] = future.result()
            for record in records:
                pace = 0.2 if self._mean else 1.0
                self._mean += pace * (record.seconds - self._mean)
                yield self._named(record)
        elif isinstance(problem, WrongWorkerError):
            self._waiting.extendleft(reversed(bundle))
            self._send_away(problem)
        elif isinstance(problem, distributed.scheduler.KilledWorker):
            # Of a bundle one is to blame; the others are not.
            for job in bundle:
                self._deaths[job.source] += 1
                is_known = len(bundle) == 1 and (
                    self._deaths[job.source] >= self._engine.deaths
                )
                if not is_known:
                    self._alone.append(job)
                    continue
                yield self._failed(job, f"ended its worker {_DEATHS} times")
        else:
            for job in bundle:
                yield self._failed(job, f"{type(problem).__name__}: {problem}")
        future.release()

    def _send_away(self, problem: WrongWorkerError) -> None:
        """Retire workers that came late and do not fit."""
        found: dict[str, Any] = self._client.run(greet, None, None, on_error="return")
        for address, answer in found.items():
            fits = (
                isinstance(answer, Greeting)
                and answer.version == self._stamp.version
                and answer.backend == self._stamp.backend
                and _level(answer.isa) >= _level(self._stamp.isa)
            )
            if not fits:
                self._engine.say(f"worker {address} is left out: {problem}")
                self._client.retire_workers([address], close_workers=False, remove=True)
        time.sleep(0.05)

    def _named(self, record: Record) -> Record:
        """With the names that the user gave."""
        source, target = self._names.get(record.input, (record.input, record.output))
        if record.output == os.path.abspath(target):
            record.output = target
        if record.error is not None:
            record.error = record.error.replace(record.input, source)
        record.input = source
        return record

    def _failed(self, job: Job, reason: str) -> Record:
        source, target = self._names.get(job.source, (job.source, job.target))
        return Record(source, target, error=f"{source}: {reason}")


def _from_anywhere(network: NetworkFile) -> NetworkFile:
    """With paths that do not depend on the folder that a worker runs in."""
    cfg, weights = network.cfg, network.weights
    if os.path.exists(cfg):
        cfg = os.path.abspath(cfg)
    if weights is not None:
        weights = os.path.abspath(weights)
    return replace(network, cfg=cfg, weights=weights)


def _absolute(job: Job) -> Job:
    return replace(
        job, source=os.path.abspath(job.source), target=os.path.abspath(job.target)
    )


def _level(isa: str) -> int:
    return _LEVELS.index(isa) if isa in _LEVELS else 0


def _refusal(answer: Any) -> str:
    """Why a worker cannot be used; empty if it can."""
    if not isinstance(answer, Greeting):
        return f"{type(answer).__name__}: {answer}"
    if answer.version != __version__:
        return f"it has zoo {answer.version}, not {__version__}"
    if not answer.sees_input:
        return "it does not see the files; give paths that all machines share"
    if not answer.sees_output:
        return "it does not see the folder of the results"
    return ""


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise PluginError(
            f"--on needs Dask distributed ({error}); {how_to_install('dask')}"
        ) from None
    return distributed
