"""Dask distributed: processes on this machine, machines by ssh, a Slurm cluster.

Chosen among six engines for its size and because it runs lost tasks again and limits the
memory of a worker. See docs/clusters.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo._version import __version__
from zoo.errors import PluginError, UsageError, ZooError
from zoo.extras import how_to_install
from zoo.hidden import hidden_beside, hold
from zoo.run.engines import Call, Engine
from zoo.run.engines.feeding import Feeding
from zoo.run.engines.parcels import anywhere, packed
from zoo.run.engines.tasks import Greeting, Stamp, greet

__all__ = ["DaskEngine", "LocalEngine"]

_LEVELS = ("", "portable", "avx2", "avx512", "amx")
_OTHERS = {"neon"}  # sets of processors that have none of those levels but portable
_PATIENCE = 60.0  # seconds without a worker, or a scheduler's file
_POLL = 0.2
# What Dask does beside the work, a hundred times a second in each process, is for its
# dashboard, which nobody looks at here; memory is looked at often enough for pictures,
# and nothing lies in the memory of workers that could be moved.
_QUIET = {
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.scheduler.active-memory-manager.start": False,
    # Buffers are used again for the next picture, not given back and fetched anew.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.system-monitor.interval": "5s",
}


class DaskEngine(Engine):
    """A scheduler that runs already."""

    # The scheduler itself tries a task on several workers before it gives it up.
    deaths = 1

    def _connect(self) -> Any:
        distributed = _distributed()
        address = self.address.replace("dask://", "tcp://", 1)
        if address.endswith(".json"):
            address = self._written(Path(address))
        try:
            return distributed.Client(address, timeout=20)
        except (OSError, ValueError, TimeoutError) as error:
            raise ZooError(
                f"no scheduler answers at {self.address} ({error or 'time out'})"
            ) from None

    def _written(self, path: Path) -> str:
        """The address in a scheduler's file, which may be about to be written."""
        seen = time.monotonic()
        while not path.exists():
            if time.monotonic() - seen > _PATIENCE:
                raise ZooError(
                    f"there is no {path} after {_PATIENCE:.0f} s; `dask scheduler "
                    f"--scheduler-file {path}` writes it"
                )
            time.sleep(_POLL)
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["address"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ZooError(f"{path} is no file that a Dask scheduler wrote") from None

    def work(self, call: Call) -> Iterator[tuple[int, Any]]:
        """Run all items; see :class:`zoo.run.engines.Engine`."""
        if not call.items:
            return
        files: dict[str, dict[str, bytes]] = {}
        if self.ship:
            networks, files = packed(call.networks)
        else:
            networks = tuple(anywhere(network) for network in call.networks)
        client = self._connect()
        try:
            with self._door(call) as (sample, token):
                stamp, count = self._meet(client, call, sample, token)
                if files:
                    from zoo.run.engines.dask_plugin import Networks

                    client.register_plugin(Networks(files))
                yield from Feeding(self, client, call, networks, stamp, count)
        finally:
            self._disconnect(client)

    def _disconnect(self, client: Any) -> None:
        client.close(timeout=10)

    @contextmanager
    def _door(self, call: Call) -> Iterator[tuple[str | None, str | None]]:
        """A file that is read, and one that is written, for workers to see."""
        if self.ship:
            yield None, None
            return
        paths = (path for item in call.items for path in item.reads())
        sample = next((path for path in paths if os.path.exists(path)), None)
        if call.folder is None:
            yield sample, None
            return
        folder = Path(call.folder)
        folder.mkdir(parents=True, exist_ok=True)
        token = hidden_beside(folder / "door")
        with open(token, "xb") as file:
            hold(file.fileno())
            try:
                yield sample, token
            finally:
                with suppress(OSError):
                    os.unlink(token)

    def _meet(
        self, client: Any, call: Call, sample: str | None, token: str | None
    ) -> tuple[Stamp, int]:
        """Ask every worker what it has; what they have in common."""
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError:
            raise ZooError(f"no worker is at {self.address}") from None
        backend = call.networks[0].backend if call.networks else None
        found: dict[str, Any] = client.run(
            greet, sample, token, backend, on_error="return"
        )
        reasons = {address: _refusal(answer) for address, answer in found.items()}
        good = {at: answer for at, answer in found.items() if not reasons[at]}
        if not good:  # nobody is sent away: another call may fit them
            raise ZooError(
                f"no worker at {self.address} can be used: "
                f"{next(iter(reasons.values()), 'there is none')}"
            )
        for address, reason in reasons.items():
            if reason:
                self.dismiss(client, address, reason)
        backends = {answer.backend for answer in good.values()}
        if len(backends) > 1:
            raise ZooError(
                f"the workers run on {' and '.join(sorted(backends))}, which round "
                f"otherwise; give --backend"
            )
        isas = {answer.isa for answer in good.values()}
        if len(isas) > 1 and isas & _OTHERS:
            raise ZooError(
                f"the workers' processors are of several kinds "
                f"({', '.join(sorted(isas))}), which round otherwise; use one kind"
            )
        isa = min(isas, key=_level)
        hosts = [answer.host for answer in good.values()]
        threads = min(
            max(1, answer.cores // hosts.count(answer.host)) for answer in good.values()
        )
        if self.verbose:
            self.say(
                f"{len(good)} workers on {len(set(hosts))} machines, "
                f"{isa or next(iter(backends))}, {threads} threads each"
            )
        name = next(iter(backends))
        return Stamp(__version__, name, isa, threads, sample, token), len(good)

    def dismiss(self, client: Any, address: str, reason: str) -> None:
        """Send a worker away, and say so."""
        self.say(f"worker {address} is left out: {reason}")
        client.retire_workers([address], close_workers=False, remove=True)

    def send_away(self, client: Any, stamp: Stamp, reason: str) -> None:
        """Retire workers that came late and do not fit."""
        found: dict[str, Any] = client.run(
            greet, stamp.sample, stamp.token, on_error="return"
        )
        for address, answer in found.items():
            why = _refusal(answer)
            if not why and (
                answer.backend != stamp.backend
                or _level(answer.isa) < _level(stamp.isa)
                or (answer.isa in _OTHERS) != (stamp.isa in _OTHERS)
            ):
                why = reason
            if why:
                self.dismiss(client, address, why)


class LocalEngine(DaskEngine):
    """Processes of this machine, on loopback: ``local`` or ``local:4``."""

    deaths = 3

    def _connect(self) -> Any:
        distributed = _distributed()
        from zoo.machine.threads import available_threads

        name, _, count = self.address.partition(":")
        if count and not (count.isdecimal() and 1 <= int(count) <= 1024):
            raise UsageError(f"--on {self.address!r}: write {name} or {name}:4")
        workers = int(count) if count else available_threads()
        import dask

        dask.config.set(_QUIET)
        self._cluster = distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            silence_logs=50,
        )
        from zoo.run.engines.dask_plugin import Deaf

        client = distributed.Client(self._cluster)
        client.register_plugin(Deaf())
        return client

    def _disconnect(self, client: Any) -> None:
        client.close(timeout=10)
        self._cluster.close(timeout=10)


def _level(isa: str) -> int:
    return _LEVELS.index(isa) if isa in _LEVELS else 0


def _refusal(answer: Any) -> str:
    """Why a worker cannot be used; empty if it can."""
    if not isinstance(answer, Greeting):
        return f"{type(answer).__name__}: {answer}"
    if answer.version != __version__:
        return f"it has zoo {answer.version}, not {__version__}"
    ways = "give paths that all machines share, or send the files with --ship"
    if not answer.sees_input:
        return f"it does not see the files; {ways}"
    if not answer.sees_output:
        return f"it does not see the folder of the results; {ways}"
    return ""


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise PluginError(
            f"--on needs Dask distributed ({error}); {how_to_install('dask')}"
        ) from None
    return distributed
