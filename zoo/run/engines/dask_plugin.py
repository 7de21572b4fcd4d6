"""What Dask runs once on each worker, those that come late included."""

from __future__ import annotations

import signal
from typing import Any

from distributed import WorkerPlugin

__all__ = ["Deaf", "Networks"]


class Networks(WorkerPlugin):
    """Networks that a worker keeps (:func:`zoo.run.engines.parcels.keep`)."""

    idempotent = True  # of a name that the scheduler knows nothing is sent again

    def __init__(self, files: dict[str, dict[str, bytes]]) -> None:
        self.files = files
        self.name = "zoo-" + "-".join(sorted(key[:16] for key in files))

    def setup(self, worker: Any) -> None:
        """Keep them."""
        from zoo.run.engines.parcels import keep

        keep(self.files, worker.local_directory)


class Deaf(WorkerPlugin):
    """Workers hear nothing of Ctrl-C, which a terminal sends to all processes.

    Who made the call decides what becomes of the work.
    """

    name = "zoo-deaf"
    idempotent = True

    def setup(self, worker: Any) -> None:
        """Ignore it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
