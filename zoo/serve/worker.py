"""The one thread that computes: a job after the other, and times while none waits."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from contextlib import suppress

from zoo.errors import ZooError
from zoo.serve import tasks
from zoo.serve.networks import Choice
from zoo.serve.store import Job, Store

__all__ = ["Worker"]

_TASKS = {"run": tasks.run, "evaluation": tasks.evaluate}
_PAUSE = 0.2  # seconds without a job before a network is timed


class Worker(threading.Thread):
    """Works jobs off.

    Parameters
    ----------
    store : Store
    choices : dict of str to Choice
    """

    def __init__(self, store: Store, choices: dict[str, Choice]) -> None:
        super().__init__(name="zoo-serve", daemon=True)
        self._store = store
        self._choices = choices
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._untimed = list(choices.values())

    def put(self, job: Job) -> None:
        """Let a job wait for its turn."""
        self._queue.put(job)

    def end(self) -> None:
        """Cancel everything, and wait until it has ended."""
        for job in self._store.jobs.values():
            job.stop.set()
        self._untimed = []
        self._queue.put(None)
        self.join(10)

    def run(self) -> None:
        """Work until :meth:`end`."""
        while True:
            try:
                job = self._queue.get(timeout=_PAUSE if self._untimed else None)
            except queue.Empty:
                self._time_one()
                continue
            if job is None:
                return
            self._do(job)

    def _time_one(self) -> None:
        with suppress(IndexError):
            choice = self._untimed.pop(0)
            with suppress(ZooError, MemoryError):
                choice.measure()

    def _do(self, job: Job) -> None:
        if job.stop.is_set():
            job.state = "cancelled"
            return
        job.started = time.monotonic()
        job.state = "running"
        state = "failed"
        try:
            _TASKS[job.kind](job, self._store, self._choices)
            state = "done"
        except tasks.Cancelled:
            state = "cancelled"
        except ZooError as error:
            job.error = str(error)
        except MemoryError:
            job.error = "there is not enough memory for it"
        except Exception as error:  # noqa: BLE001 - the next job goes on
            traceback.print_exc()
            job.error = f"something unexpected happened ({type(error).__name__})"
        job.seconds = time.monotonic() - job.started
        job.part = 1.0 if state == "done" else job.part
        job.state = state  # type: ignore[assignment]
        if job.id not in self._store.jobs and job.output is not None:
            job.output.unlink(missing_ok=True)  # removed while it was running
