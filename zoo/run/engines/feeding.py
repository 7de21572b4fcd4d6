"""The items of one call on Dask: fed a few at a time, results as they come."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.run.engines import Call, Item, Lost
from zoo.run.engines.tasks import Done, Stamp, WrongWorkerError, work_off
from zoo.run.files import NetworkFile

if TYPE_CHECKING:
    from zoo.run.engines.dask import DaskEngine

__all__ = ["Feeding"]

_SECONDS = 1.0  # of a bundle of small items
_LARGEST_BUNDLE = 32
_LARGEST_BYTES = 64 << 20  # of a bundle whose files are sent
_FLIGHT = 2  # bundles per worker
_DEATHS = 3
_PATIENCE = 60.0  # seconds without a worker
_POLL = 0.02  # seconds; every worker has another bundle by then


class Feeding:
    """Iterates over numbers of items and their results.

    Two bundles a worker are on the way, and no more: a hundred thousand futures would
    be what a scheduler spends its time with.
    """

    def __init__(
        self,
        engine: DaskEngine,
        client: Any,
        call: Call,
        networks: tuple[NetworkFile, ...],
        stamp: Stamp,
        workers: int,
    ) -> None:
        self._engine = engine
        self._client = client
        self._call = call
        self._networks = networks
        self._stamp = stamp
        self._flight = _FLIGHT * workers
        self._waiting = deque(range(len(call.items)))
        self._alone: deque[int] = deque()  # of bundles whose worker died
        self._running: dict[Any, list[int]] = {}
        self._deaths: Counter[int] = Counter()
        self._mean = 0.0
        self._stopping = False

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        import distributed

        done = distributed.as_completed()
        while True:
            try:
                yield from self._feed(done)
                if not self._running:
                    break
                yield from self._take(self._next(done))
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
            time.sleep(_POLL)
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

    def _feed(self, done: Any) -> Iterator[tuple[int, Any]]:
        """Keep two bundles a worker on the way, and no more.

        What was with a worker that died is run by itself, with nothing beside it that
        could be blamed.
        """
        while not self._stopping and len(self._running) < self._flight:
            if self._alone:
                if self._running:
                    return
                yield from self._submit([self._alone.popleft()], done)
                return
            if not self._waiting:
                return
            yield from self._submit(self._bundle(), done)

    def _bundle(self) -> list[int]:
        """The next items, about a second of them, and few enough for everybody."""
        size = 1
        if self._mean:
            share = -(-len(self._waiting) // self._flight)
            size = int(min(_LARGEST_BUNDLE, max(1, _SECONDS / self._mean), share))
        bundle = [self._waiting.popleft()]
        weight = self._bytes(bundle[0])
        while self._waiting and len(bundle) < size:
            weight += self._bytes(self._waiting[0])
            if weight > _LARGEST_BYTES:
                break
            bundle.append(self._waiting.popleft())
        return bundle

    def _bytes(self, number: int) -> int:
        """What is sent for an item."""
        if not self._engine.ship:
            return 0
        paths = self._call.items[number].reads()
        return sum(os.path.getsize(path) for path in paths if os.path.exists(path))

    def _submit(self, bundle: list[int], done: Any) -> Iterator[tuple[int, Any]]:
        items, files = [self._call.items[number] for number in bundle], None
        if self._engine.ship:
            bundle, items, files, lost = self._sent(bundle)
            yield from lost
            if not bundle:
                return
        future = self._client.submit(
            *(work_off, items, files, self._call.common, self._networks, self._stamp),
            pure=False,
        )
        self._running[future] = bundle
        done.add(future)

    def _sent(
        self, bundle: list[int]
    ) -> tuple[list[int], list[Item], list[dict[str, bytes]], list[tuple[int, Lost]]]:
        """Read what items need; those that need what is not there are lost."""
        kept: list[int] = []
        files: list[dict[str, bytes]] = []
        lost = []
        for number in bundle:
            group: dict[str, bytes] = {}
            try:
                for path in self._call.items[number].reads():
                    with open(path, "rb") as file:
                        group[path] = file.read()
            except OSError as problem:
                reason = f"cannot be read: {problem.strerror}"
                if isinstance(problem, FileNotFoundError):
                    reason = "does not exist"
                lost.append((number, Lost(reason)))
            else:
                kept.append(number)
                files.append(group)
        return kept, [self._call.items[number] for number in kept], files, lost

    def _take(self, future: Any) -> Iterator[tuple[int, Any]]:
        import distributed

        bundle = self._running.pop(future)
        problem = future.exception()
        if problem is None:
            results: list[Done] = future.result()
            future.release()
            for number, done in zip(bundle, results, strict=True):
                if done.error is not None:
                    raise done.error
                pace = 0.2 if self._mean else 1.0
                self._mean += pace * (done.seconds - self._mean)
                yield number, done.result
            return
        if isinstance(problem, WrongWorkerError):
            self._waiting.extendleft(reversed(bundle))
            self._engine.send_away(self._client, self._stamp, str(problem))
            time.sleep(0.05)
        elif isinstance(problem, distributed.scheduler.KilledWorker):
            # Of a bundle one is to blame; the others are not.
            for number in bundle:
                self._deaths[number] += 1
                is_known = len(bundle) == 1 and (
                    self._deaths[number] >= self._engine.deaths
                )
                if is_known:
                    yield number, Lost(f"ended its worker {_DEATHS} times")
                else:
                    self._alone.append(number)
        else:
            if isinstance(problem, ZooError):
                raise problem
            for number in bundle:
                yield number, Lost(f"failed there: {type(problem).__name__}: {problem}")
        future.release()
